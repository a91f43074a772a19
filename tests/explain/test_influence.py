"""The influence matrix against single readings, and the ranking against a plain loop."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import pytest

from lmeran.explain.influence import Criterion, influence, next_findings
from lmeran.findings import FINDINGS, Pins, State
from lmeran.predictor import EncodedRadiograph, Predictor
from tests.conftest import small_config
from tests.explain.test_decomposition import predictor_of
from tests.test_predictor import radiograph

N = len(FINDINGS)
SOME: Pins = {"Effusion": State.POSITIVE, "Mass": State.NEGATIVE}


def logit(p: np.ndarray) -> np.ndarray:
    return np.log(p) - np.log1p(-p)


@pytest.mark.parametrize("pins", [{}, SOME], ids=["free", "pinned"])
def test_the_matrix_is_what_single_readings_say(
    predictor: Predictor, film: EncodedRadiograph, pins: Pins
) -> None:
    matrix = influence(predictor, film.encoding, pins)
    now = predictor.read(film, pins).conditioned
    np.testing.assert_allclose(matrix.probability, now, atol=1e-6)
    for i, finding in enumerate(FINDINGS):
        for state, change, logit_change in (
            (State.POSITIVE, matrix.positive, matrix.positive_logit),
            (State.NEGATIVE, matrix.negative, matrix.negative_logit),
        ):
            if finding in pins:
                assert np.isnan(change[i]).all()
                continue
            then = predictor.read(film, {**pins, finding: state}).conditioned
            np.testing.assert_allclose(change[i], then - now, atol=1e-6)
            np.testing.assert_allclose(logit_change[i], logit(then) - logit(now), atol=1e-4)


def test_what_is_pinned_and_the_diagonal_are_nan_and_nothing_else(
    predictor: Predictor, film: EncodedRadiograph
) -> None:
    matrix = influence(predictor, film.encoding, SOME)
    expected = np.eye(N, dtype=bool)
    for finding in SOME:
        expected[FINDINGS.index(finding)] = True
        expected[:, FINDINGS.index(finding)] = True
    for values in (matrix.positive, matrix.negative, matrix.positive_logit, matrix.negative_logit):
        assert np.array_equal(np.isnan(values), expected)


def test_it_takes_one_pass_of_at_most_29_rows(
    predictor: Predictor, film: EncodedRadiograph, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = predictor.checkpoint.model
    rows: list[int] = []
    plain = model.condition

    def counted(encoding: object, states: Sequence, *rest: object, **named: object) -> object:
        rows.append(len(states))
        return plain(encoding, states, *rest, **named)

    monkeypatch.setattr(model, "condition", counted)
    influence(predictor, film.encoding, {})
    influence(predictor, film.encoding, SOME)
    assert rows == [29, 25]


def test_without_label_branch_nothing_moves() -> None:
    predictor = predictor_of(small_config(label_branch="none"))
    film = predictor.encode(radiograph())
    matrix = influence(predictor, film.encoding, {})
    assert np.nanmax(np.abs(matrix.positive)) == 0
    ranked = next_findings(matrix)
    assert [n.finding for n in ranked] == list(FINDINGS)
    assert {n.value for n in ranked} == {0.0}


def test_embedding_moves_without_attention() -> None:
    predictor = predictor_of(small_config(label_branch="embedding"))
    film = predictor.encode(radiograph())
    matrix = influence(predictor, film.encoding, {})
    then = predictor.read(film, {"Hernia": State.POSITIVE}).shift
    np.testing.assert_allclose(matrix.positive[13], then, atol=1e-6)


def bits(p: float) -> float:
    return -p * math.log2(p) - (1 - p) * math.log2(1 - p)


@pytest.mark.parametrize("criterion", ["expected change", "expected entropy reduction"])
@pytest.mark.parametrize("pins", [{}, SOME], ids=["free", "pinned"])
def test_the_ranking_is_the_formula(
    predictor: Predictor, film: EncodedRadiograph, pins: Pins, criterion: Criterion
) -> None:
    ranked = next_findings(influence(predictor, film.encoding, pins), criterion)
    now = predictor.read(film, pins).conditioned
    expected: dict[str, float] = {}
    for i, finding in enumerate(FINDINGS):
        if finding in pins:
            continue
        value = 0.0
        for state, weight in ((State.POSITIVE, now[i]), (State.NEGATIVE, 1 - now[i])):
            then = predictor.read(film, {**pins, finding: state}).conditioned
            for j, other in enumerate(FINDINGS):
                if other in pins or j == i:
                    continue
                if criterion == "expected change":
                    value += weight * abs(then[j] - now[j])
                else:
                    value += weight * (bits(now[j]) - bits(then[j]))
        expected[finding] = value
    assert {n.finding for n in ranked} == set(expected)
    assert {n.criterion for n in ranked} == {criterion}
    for n in ranked:
        assert n.value == pytest.approx(expected[n.finding], abs=1e-4)
        mixed = n.probability * n.if_positive + (1 - n.probability) * n.if_negative
        assert n.value == pytest.approx(mixed)
    assert [n.value for n in ranked] == sorted((n.value for n in ranked), reverse=True)


def test_with_one_or_no_finding_unknown_there_is_little_to_rank(
    predictor: Predictor, film: EncodedRadiograph
) -> None:
    thirteen = dict.fromkeys(FINDINGS[:13], State.NEGATIVE)
    (last,) = next_findings(influence(predictor, film.encoding, thirteen))
    assert (last.finding, last.value) == ("Hernia", 0.0)
    all_known = dict.fromkeys(FINDINGS, State.NEGATIVE)
    assert next_findings(influence(predictor, film.encoding, all_known)) == []

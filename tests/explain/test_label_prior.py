"""The label-only baseline against plain counting, and the remarks on pins."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from lmeran.checkpoint import Checkpoint, CheckpointError
from lmeran.explain.caveats import caveats, prevalence_of
from lmeran.explain.label_prior import KAPPA, LabelPrior
from lmeran.findings import FINDINGS, Pins, State, states_of
from lmeran.predictor import Reading
from tests.conftest import lively_model, small_config

N = len(FINDINGS)


def label_matrix(films: int = 400, seed: int = 0) -> np.ndarray:
    """Labels (films, 14) that go together in part; Hernia never occurs."""
    rng = np.random.default_rng(seed)
    severity = rng.random((films, 1))
    labels = rng.random((films, N)) < severity * np.linspace(0.1, 0.7, N)
    labels[:, -1] = False
    return labels


def sets_of(labels: np.ndarray) -> dict[str, int]:
    sets: dict[str, int] = {}
    for row in labels:
        name = "|".join(f for f, on in zip(FINDINGS, row, strict=True) if on) or "No Finding"
        sets[name] = sets.get(name, 0) + 1
    return sets


def checkpoint_with(training: dict) -> Checkpoint:
    return Checkpoint(lively_model(small_config(label_branch="none")), "0" * 12, "", training, {})


PIN_SETS: list[Pins] = [
    {},
    {"Effusion": State.POSITIVE},
    {"Effusion": State.NEGATIVE, "Edema": State.POSITIVE},
    {"Hernia": State.POSITIVE},
    dict.fromkeys(FINDINGS[:12], State.POSITIVE),
]


@pytest.mark.parametrize("pins", PIN_SETS, ids=len)
def test_probabilities_are_shrunken_counts(pins: Pins) -> None:
    labels = label_matrix()
    prior = LabelPrior.from_sets(sets_of(labels))
    compatible = [
        row
        for row in labels
        if all(row[FINDINGS.index(f)] == (s == State.POSITIVE) for f, s in pins.items())
    ]
    assert prior.seen(pins) == len(compatible)
    probabilities = prior.probabilities(pins)
    for i, finding in enumerate(FINDINGS):
        if finding in pins:
            assert np.isnan(probabilities[i])
            continue
        having = sum(bool(row[i]) for row in compatible)
        share = sum(bool(row[i]) for row in labels) / len(labels)
        expected = (having + KAPPA * share) / (len(compatible) + KAPPA)
        assert probabilities[i] == pytest.approx(expected, abs=1e-12)


def test_with_nothing_pinned_and_with_pins_never_seen_it_is_the_marginal() -> None:
    labels = label_matrix()
    prior = LabelPrior.from_sets(sets_of(labels))
    np.testing.assert_allclose(prior.marginal, labels.mean(0))
    np.testing.assert_allclose(prior.probabilities({}), labels.mean(0))
    never = {"Hernia": State.POSITIVE}
    assert prior.seen(never) == 0
    np.testing.assert_allclose(prior.probabilities(never)[:-1], labels.mean(0)[:-1])


def test_lift_is_observed_over_expected() -> None:
    labels = label_matrix()
    lift = LabelPrior.from_sets(sets_of(labels)).lift()
    p = labels.mean(0)
    expected = (labels.T.astype(float) @ labels / len(labels))[:-1, :-1] / np.outer(p, p)[:-1, :-1]
    np.fill_diagonal(expected, np.nan)
    np.testing.assert_allclose(lift[:-1, :-1], expected)
    assert np.isnan(lift[-1]).all()
    assert np.isnan(lift[:, -1]).all()


def test_the_description_says_what_it_is() -> None:
    text = LabelPrior.from_sets({"No Finding": 1200, "Mass|Nodule": 34}).description
    assert "1,234 training films" in text
    assert "10 pseudo-films" in text
    assert "without this image" in text


def test_it_comes_from_the_checkpoint_or_not_at_all() -> None:
    prior = LabelPrior.of(checkpoint_with({"label_sets": {"No Finding": 3, "Hernia": 1}}))
    assert prior is not None
    assert prior.films == 4
    assert LabelPrior.of(checkpoint_with({})) is None


@pytest.mark.parametrize(
    "sets", [{"Efusion": 3}, {}, {"Mass": 0}, {"Mass": "many"}, {"Mass": -2}, ["Mass"]]
)
def test_damaged_label_sets_are_refused(sets: object) -> None:
    with pytest.raises(CheckpointError, match="label sets"):
        LabelPrior.of(checkpoint_with({"label_sets": sets}))


def reading(pins: Pins, free: float) -> Reading:
    none = np.zeros((0, 0, N, 0), np.float32)
    return Reading(states_of(pins), np.full(N, free), np.full(N, free), none, none)


PREVALENCE = np.full(N, 0.1)


@pytest.mark.parametrize(
    ("state", "free", "usual", "expected"),
    [
        (State.POSITIVE, 0.01, 0.1, True),
        (State.POSITIVE, 0.01, None, True),
        (State.POSITIVE, 0.01, np.nan, True),
        (State.POSITIVE, 0.01, 0.015, False),
        (State.POSITIVE, 0.03, 0.5, False),
        (State.POSITIVE, 0.9, 0.1, False),
        (State.NEGATIVE, 0.6, 0.1, True),
        (State.NEGATIVE, 0.4, 0.1, False),
        (State.NEGATIVE, 0.001, 0.1, False),
    ],
)
def test_a_pin_that_contradicts_the_image_is_remarked_on(
    state: State, free: float, usual: float | None, expected: bool
) -> None:
    prevalence = None if usual is None else np.full(N, usual)
    found = caveats(reading({"Pleural_Thickening": state}, free), None, prevalence)
    assert bool(found) == expected
    for caveat in found:
        assert caveat.kind == "contradicts the image"
        assert caveat.finding == "Pleural_Thickening"
        assert caveat.text.startswith(f"Pleural Thickening is pinned {state.name.lower()}")
        assert f"{100 * free:.1f} %" in caveat.text


def test_nothing_pinned_gives_no_remark() -> None:
    prior = LabelPrior.from_sets({"No Finding": 2})
    assert caveats(reading({}, 0.001), prior, PREVALENCE) == ()


def test_too_many_pins_are_remarked_on_in_the_readings_words() -> None:
    given = reading(dict.fromkeys(FINDINGS[:11], State.NEGATIVE), 0.1)
    (caveat,) = caveats(given, None, PREVALENCE)
    assert (caveat.kind, caveat.finding) == ("outside training", None)
    assert (caveat.text,) == given.warnings


def test_pins_seldom_seen_together_are_counted() -> None:
    prior = LabelPrior.from_sets({"No Finding": 1000, "Mass": 5, "Mass|Nodule": 3, "Hernia": 1})
    both = {"Mass": State.POSITIVE, "Nodule": State.POSITIVE}

    def texts(pins: Pins) -> list[str]:
        found = caveats(reading(pins, 0.3), prior, PREVALENCE)
        assert {caveat.kind for caveat in found} <= {"rarely seen together"}
        return [caveat.text for caveat in found]

    assert texts({"Mass": State.POSITIVE}) == []
    assert texts(both)[0].startswith("Only 3 of the 1,009 training films have these 2 pins")
    assert texts({"Hernia": State.POSITIVE})[0].startswith("Only 1 of the 1,009 training films has")
    never = {**both, "Hernia": State.POSITIVE}
    assert texts(never)[0].startswith("No training film has these 3 pins together")


def test_prevalence_comes_from_the_label_sets_or_the_counted_positives() -> None:
    counted = {"train_images": 50, "train_positives": dict.fromkeys(FINDINGS, 5)}
    np.testing.assert_allclose(prevalence_of(checkpoint_with(counted), None), 0.1)
    prior = LabelPrior.from_sets({"No Finding": 3, "Hernia": 1})
    assert prevalence_of(checkpoint_with(counted), prior)[-1] == 0.25
    assert prevalence_of(checkpoint_with({}), None) is None


def test_counting_moves_the_free_log_odds_by_a_share_of_what_the_pins_say() -> None:
    made = checkpoint_with({"label_sets": sets_of(label_matrix())})
    pins = {"Effusion": State.POSITIVE}
    free = np.linspace(0.1, 0.8, N)
    for metrics, weight in (({}, 0.5), ({"counting": {"weight": 0.0}}, 0), (
        {"counting": {"weight": 0.8}}, 0.8)):  # fmt: skip
        prior = LabelPrior.of(dataclasses.replace(made, metrics=metrics))
        assert prior.used_weight == weight
        alone = prior.probabilities(pins)
        found = prior.counted(free, alone)
        for i, finding in enumerate(FINDINGS):
            if finding == "Effusion":
                assert np.isnan(found[i])
            elif finding == "Hernia":  # no film has it, so no pin says anything of it
                assert found[i] == pytest.approx(free[i])
            else:
                odds = alone[i] / (1 - alone[i]) / (prior.marginal[i] / (1 - prior.marginal[i]))
                wanted = free[i] / (1 - free[i]) * odds**weight
                assert found[i] / (1 - found[i]) == pytest.approx(wanted)

"""Discrimination, conditioning, shifts, subgroups and comparison on data whose truth is known."""

from __future__ import annotations

import dataclasses
import json

import numpy as np
import pytest
from sklearn.isotonic import IsotonicRegression
from sklearn.metrics import average_precision_score, roc_auc_score

from lmeran.explain.label_prior import LabelPrior
from lmeran.findings import FINDINGS, State
from tests.support.study_making import made_index, made_probabilities, made_study
from train.data.index import label_sets
from train.evaluation.bootstrap import draw
from train.evaluation.conditioning.arms import (
    MAIN,
    MIXED,
    by_positive_pin,
    label_only,
    measure_arms,
)
from train.evaluation.conditioning.cooccurrence import (
    cooccurrence_section,
    measure_together,
    rank_correlation,
)
from train.evaluation.conditioning.section import conditioning_section
from train.evaluation.conditioning.shift_measures import (
    Cases,
    expected_frequency,
    measure_shifts,
    reliability,
    rising,
)
from train.evaluation.discrimination.comparison import compare, comparison_section
from train.evaluation.discrimination.published import read_paper
from train.evaluation.discrimination.section import discrimination_section, measure
from train.evaluation.discrimination.subgroups import groupings, measure_grouping, subgroups_section
from train.evaluation.predictions import FREE, Scenario, pins_given, trials_of
from train.evaluation.report import metrics
from train.evaluation.statistics import delong_paired
from train.evaluation.study import Study

HERNIA = FINDINGS.index("Hernia")


@pytest.fixture(scope="module")
def study() -> Study:
    return made_study()


def test_discrimination_equals_sklearn_and_names_what_has_one_class(study: Study) -> None:
    labels, scores = study.labels, study.predictions.free
    found = measure(labels, scores, study.index.groups, study.resamples)
    present = [i for i in range(14) if i != HERNIA]
    for i in present:
        assert found.auc[i].value == pytest.approx(roc_auc_score(labels[:, i], scores[:, i]))
        assert found.precision[i].value == pytest.approx(
            average_precision_score(labels[:, i], scores[:, i])
        )
        assert found.auc[i].low < found.auc[i].value < found.auc[i].high
    assert (found.auc[HERNIA], found.delong[HERNIA], found.within[HERNIA]) == (None, None, None)
    assert found.mean_auc.value == pytest.approx(np.mean([found.auc[i].value for i in present]))
    section = discrimination_section(study)
    assert any("single class" in line and "Hernia" in line for line in section.text)
    table = section.tables[0].frame
    assert table["AUC"].isna().tolist() == [*(i == HERNIA for i in range(14)), False]
    json.dumps(metrics([section], {}), allow_nan=False)


def test_the_published_table_is_that_of_the_paper() -> None:
    paper = read_paper()
    assert np.mean([paper.of(f) for f in FINDINGS]) == pytest.approx(paper.own_mean, abs=6e-4)
    columns = np.array(paper.auc)
    assert columns.shape == (14, 6)
    np.testing.assert_allclose(columns.mean(axis=0), paper.mean, atol=1.2e-3)


def test_labels_alone_say_what_the_prior_says() -> None:
    index = made_index(40)
    prior = LabelPrior.from_sets(label_sets(made_index(200, 3).labels))
    found = label_only(prior, index, MIXED)
    assert np.ptp(found[FREE], axis=0).max() == 0
    for row in (0, 17):
        for mask, states in trials_of(index.names[row], index.labels[row], Scenario(7)):
            pins = {f: State(int(s)) for f, s in zip(FINDINGS, states, strict=True) if s}
            said = prior.probabilities(pins)
            changed = found[Scenario(7)][row, mask] == said[mask]
            assert changed.sum() >= 1
    # the first two findings go together, so each tells of the other
    auc = roc_auc_score(index.labels[:, 1], found[Scenario(10)][:, 1])
    assert auc > 0.6


def test_arms_gain_what_they_were_made_to_gain(study: Study) -> None:
    arms = {arm.key: arm for arm in measure_arms(study)}
    assert list(arms) == [
        "lmeran",
        "positive_pins",
        "negative_pins",
        "wrong_pins",
        "without_masking",
        "label_only",
    ]
    main = arms["lmeran"]
    assert main.at(0).gain is None
    gains = [main.at(k).gain.value for k in (3, 7, 10)]
    assert gains == sorted(gains)
    assert main.at(7).gain.low > 0
    before, after = (study.predictions.known(k) for k in (0, 7))
    wanted = np.mean(
        [
            roc_auc_score(study.labels[:, i], after[:, i])
            - roc_auc_score(study.labels[:, i], before[:, i])
            for i in range(14)
            if i != HERNIA
        ]
    )
    assert main.at(7).gain.value == pytest.approx(wanted)
    assert main.at(7).gain_per_finding[HERNIA] is None
    assert arms["wrong_pins"].at(7).gain.value == 0
    positive, negative = (arms[k].at(7).pins for k in ("positive_pins", "negative_pins"))
    assert positive + negative == pytest.approx(7)
    assert arms["label_only"].at(0).auc.value == 0.5
    section = conditioning_section(study)
    assert any("beyond what chance explains" in line for line in section.text)
    json.dumps(metrics([section], {}), allow_nan=False)


def test_arms_without_a_checkpoint_for_them_are_left_out(study: Study) -> None:
    bare = dataclasses.replace(
        study.predictions,
        checkpoint=dataclasses.replace(study.predictions.checkpoint, training={}),
    )
    alone = dataclasses.replace(study, predictions=bare, without_masking=None)
    keys = [arm.key for arm in measure_arms(alone)]
    assert keys == ["lmeran", "positive_pins", "negative_pins", "wrong_pins"]


def test_cases_with_and_without_a_positive_pin_are_all_cases(study: Study) -> None:
    some, none = by_positive_pin(study)
    assert some.cases + none.cases == study.labels.size
    positive = pins_given(study.index, Scenario(MAIN))[:, :, 0] > 0
    wanted = np.mean(
        [
            roc_auc_score(study.labels[rows, i], study.predictions.free[rows, i])
            for i, rows in enumerate(positive.T)
            if i != HERNIA
        ]
    )
    assert some.free.value == pytest.approx(wanted)


def test_rising_frequencies_equal_isotonic_regression() -> None:
    rng = np.random.default_rng(0)
    for _ in range(20):
        values, weights = rng.random(30).round(1), rng.integers(1, 50, 30)
        wanted = IsotonicRegression().fit(np.arange(30), values, weights).predict(np.arange(30))
        np.testing.assert_allclose(rising(values, weights), wanted, atol=1e-12)
    assert rising(np.array([0.2, 0.0, 0.3]), np.array([4, 0, 4])).tolist() == [0.2, 0.2, 0.3]


def test_expected_frequencies_are_those_of_like_probabilities() -> None:
    rng = np.random.default_rng(1)
    free = rng.random((6000, 2))
    free[:, 1] = 0.5
    labels = (rng.random((6000, 2)) < free * [0.5, 0.4]).astype(float)
    expected = expected_frequency(free, labels)
    np.testing.assert_allclose(expected[:, 0], 0.5 * free[:, 0], atol=0.09)
    assert np.abs(expected[:, 0] - 0.5 * free[:, 0]).mean() < 0.03
    np.testing.assert_allclose(expected[:, 1], labels[:, 1].mean())


@pytest.mark.parametrize("factor", [1.0, 0.5, 0.0])
def test_the_slope_finds_how_far_frequencies_really_moved(factor: float) -> None:
    rng = np.random.default_rng(2)
    count = 40000
    free = rng.uniform(0.2, 0.6, count)
    shift = rng.normal(scale=0.08, size=count).clip(-0.19, 0.19)
    truth = (rng.random(count) < free + factor * shift).astype(float)
    cases = Cases(np.arange(count), free, free + shift, truth, free)
    found = reliability("key", "name", cases, draw(np.arange(count), 200))
    assert found.slope.low < factor < found.slope.high
    assert found.slope.value == pytest.approx(factor, abs=0.1)
    assert sum(b.cases for b in found.bins) == count
    for b in found.bins:
        assert 100 * b.shift == pytest.approx(np.clip(100 * b.shift, b.low, b.high))
        inside = (shift * 100 >= b.low) & (shift * 100 < b.high)
        assert b.observed.value == pytest.approx((truth - free)[inside].mean())
    still = reliability(
        "key", "name", dataclasses.replace(cases, pinned=free), draw(np.arange(count), 9)
    )
    assert still.slope is None


def test_single_pins_are_taken_where_they_are_true(study: Study) -> None:
    positive, negative, known = measure_shifts(study)
    truth = study.labels[study.predictions.single.rows]
    assert positive.cases == int(truth.sum()) * 13
    assert negative.cases == int((1 - truth).sum()) * 13
    assert known.cases == study.labels.size


def test_the_data_stand_beside_the_influence(study: Study) -> None:
    found = measure_together(study)
    np.testing.assert_allclose(
        found.positive, np.mean(study.predictions.single.positive_logit, axis=0)
    )
    labels = study.labels
    lift = (labels[:, 0] * labels[:, 1]).mean() / labels[:, 0].mean() / labels[:, 1].mean()
    assert found.lift[0, 1] == pytest.approx(lift)
    assert np.isnan(found.lift[HERNIA]).all()
    section = cooccurrence_section(study)
    json.dumps(metrics([section], {}), allow_nan=False)
    without = dataclasses.replace(study.predictions, single=None)
    assert cooccurrence_section(dataclasses.replace(study, predictions=without)) is None
    a = np.array([[np.nan, 1.0, 5.0], [2.0, np.nan, 9.0], [3.0, 7.0, np.nan]])
    assert rank_correlation(a, a**3) == pytest.approx(1)
    assert rank_correlation(a, -a) == pytest.approx(-1)
    assert rank_correlation(a, np.zeros((3, 3))) is None


def test_subgroups_are_compared_by_the_findings_they_share(study: Study) -> None:
    key, name, values = groupings(study.index)[0]
    found = measure_grouping(study, key, name, values)
    assert [level.name for level in found.levels] == ["AP", "PA"]
    assert HERNIA not in found.findings
    for level in found.levels:
        rows = np.flatnonzero(values == level.name)
        labels, scores = study.labels[rows], study.predictions.free[rows]
        wanted = np.mean([roc_auc_score(labels[:, i], scores[:, i]) for i in found.findings])
        assert level.mean.value == pytest.approx(wanted)
        assert level.patients == len(set(study.index.patients[rows]))
    means = {level.name: level.mean.value for level in found.levels}
    gap = found.gap.difference
    assert gap.value == pytest.approx(means[found.gap.high] - means[found.gap.low])
    assert gap.low < gap.value < gap.high


def test_subgroups_too_small_or_not_told_are_said_to_be_left_out(study: Study) -> None:
    found = {g[0]: measure_grouping(study, *g) for g in groupings(study.index)}
    assert found["source"].left_out == ("few",)
    assert "" not in [level.name for level in found["age"].levels]
    section = subgroups_section(study)
    assert any("few" in line for line in section.text)
    assert any("men" in line and "gap" in line for line in section.text)
    bare = dataclasses.replace(study.index, views=None, sexes=None, ages=None, sources=None)
    assert subgroups_section(dataclasses.replace(study, index=bare)) is None
    one = np.full(len(study.index), "only")
    assert measure_grouping(study, "k", "Name", one).gap is None
    none = np.full(len(study.index), "")
    assert measure_grouping(study, "k", "Name", none).levels == ()


def test_a_checkpoint_is_compared_on_the_same_resamples(study: Study) -> None:
    labels, first = study.labels, study.predictions.free
    second = study.compared.free
    found = compare(labels, first, second, study.resamples)
    for i in range(14):
        test = delong_paired(labels[:, i], first[:, i], second[:, i])
        assert (found.tests[i] is None) == (i == HERNIA) == (test is None)
        if test is not None:
            assert found.tests[i].p == test.p
            assert found.adjusted[i] >= test.p
            assert found.drawn[i].value == pytest.approx(test.difference)
    assert found.mean.value == pytest.approx(found.mean_first - found.mean_second)
    same = compare(labels, first, first, study.resamples)
    assert (same.mean.value, same.mean.low, same.mean.high) == (0, 0, 0)
    assert all(p is None for p in same.adjusted)
    section = comparison_section(study)
    assert "b" * 12 in section.title
    assert comparison_section(dataclasses.replace(study, compared=None)) is None


def test_images_of_one_class_alone_are_told_in_words() -> None:
    index = made_index(60)
    probabilities = made_probabilities(index)
    study = made_study()
    empty = dataclasses.replace(index, labels=np.zeros_like(index.labels))
    study = dataclasses.replace(
        study,
        index=empty,
        predictions=dataclasses.replace(
            study.predictions, probabilities=probabilities, single=None
        ),
        resamples=draw(empty.patients, 20),
        without_masking=None,
    )
    for part in (discrimination_section, conditioning_section, subgroups_section):
        section = part(study)
        text = json.dumps(metrics([section], {}), allow_nan=False)
        assert "0.5" not in text
        assert any("no AUC" in line or "no subgroup" in line for line in section.text)

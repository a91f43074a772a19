"""Discrimination, conditioning, shifts, subgroups and comparison on data whose truth is known."""

from __future__ import annotations

import dataclasses
import json

import numpy as np
import pytest
from sklearn.metrics import average_precision_score, roc_auc_score

from lmeran.explain.label_prior import LabelPrior
from lmeran.findings import FINDINGS, State
from tests.support.study_making import made_index, made_probabilities, made_study
from train.data.index import label_sets
from train.evaluation.bootstrap import draw
from train.evaluation.conditioning.arms import (
    COUNTING,
    MAIN,
    OWN,
    arms_frame,
    by_positive_pin,
    conditioning_section,
    measure_arms,
)
from train.evaluation.conditioning.cooccurrence import cooccurrence_section, rank_correlation
from train.evaluation.conditioning.counting import fit_weight, label_only
from train.evaluation.conditioning.shifts import (
    Cases,
    expected_frequency,
    measured_cases,
    shift_bins,
    shift_slope,
)
from train.evaluation.discrimination.published import read_paper
from train.evaluation.discrimination.section import (
    comparison,
    comparison_section,
    discrimination,
    discrimination_section,
)
from train.evaluation.discrimination.subgroups import (
    groupings,
    measure_grouping,
    source_letters,
    subgroups_section,
)
from train.evaluation.predictions import FREE, MIXED, Scenario, pins_given, trials_of
from train.evaluation.report import metrics
from train.evaluation.section import MEAN, find, select
from train.evaluation.statistics import delong_paired
from train.evaluation.study import Study

HERNIA = FINDINGS.index("Hernia")


@pytest.fixture(scope="module")
def study() -> Study:
    return made_study()


def test_discrimination_equals_sklearn_and_lacks_what_has_one_class(study: Study) -> None:
    labels, scores = study.labels, study.predictions.free
    frame = discrimination(labels, scores, study.index.groups, study.resamples)
    found = frame.set_index(["measure", "finding"])
    present = [i for i in range(14) if i != HERNIA]
    for i in present:
        auc = found.loc[("AUC", FINDINGS[i])]
        assert auc["value"] == pytest.approx(roc_auc_score(labels[:, i], scores[:, i]))
        assert found.loc[("average precision", FINDINGS[i]), "value"] == pytest.approx(
            average_precision_score(labels[:, i], scores[:, i])
        )
        assert auc["low"] < auc["value"] < auc["high"]
    for measure in ("AUC", "AUC within sources"):
        assert found.loc[(measure, "Hernia"), "value"] is None
    mean = np.mean([found.loc[("AUC", FINDINGS[i]), "value"] for i in present])
    assert found.loc[("AUC", MEAN), "value"] == pytest.approx(mean)
    json.dumps(metrics([discrimination_section(study)], {}), allow_nan=False)


def test_the_published_table_is_that_of_the_paper() -> None:
    paper = read_paper()
    assert np.mean([paper.of(f) for f in FINDINGS]) == pytest.approx(paper.own_mean, abs=6e-4)
    columns = np.array(paper.auc)
    assert columns.shape == (14, 6)
    np.testing.assert_allclose(columns.mean(axis=0), paper.mean, atol=1.2e-3)


def test_labels_alone_say_what_the_prior_says() -> None:
    index = made_index(40)
    prior = LabelPrior.from_sets(label_sets(made_index(200, 3).labels))
    found = {s: label_only(prior, index.names, index.labels, s) for s in MIXED}
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
    frame = arms_frame(measure_arms(study))
    assert list(dict.fromkeys(frame["arm"])) == [
        OWN,
        "positive pins only",
        "negative pins only",
        "10% of the pins wrong",
        "without label masking",
        COUNTING,
        "labels alone, no image",
    ]
    means = select(frame, finding=MEAN).set_index(["arm", "measure", "known"])
    assert (OWN, "gain", 0) not in means.index
    gains = [means.loc[(OWN, "gain", k), "value"] for k in (3, 7, 10)]
    assert gains == sorted(gains)
    assert means.loc[(OWN, "gain", 7), "low"] > 0
    before, after = (study.predictions.known(k) for k in (0, 7))
    wanted = np.mean(
        [
            roc_auc_score(study.labels[:, i], after[:, i])
            - roc_auc_score(study.labels[:, i], before[:, i])
            for i in range(14)
            if i != HERNIA
        ]
    )
    assert means.loc[(OWN, "gain", 7), "value"] == pytest.approx(wanted)
    (hernia,) = select(frame, arm=OWN, measure="gain", known=7, finding="Hernia")["value"]
    assert hernia is None
    assert means.loc[("10% of the pins wrong", "gain", 7), "value"] == 0
    pins = [means.loc[(f"{k} pins only", "pins", 7), "value"] for k in ("positive", "negative")]
    assert sum(pins) == pytest.approx(7)
    assert means.loc[("labels alone, no image", "AUC", 0), "value"] == 0.5
    json.dumps(metrics([conditioning_section(study)], {}), allow_nan=False)


def test_arms_without_a_checkpoint_for_them_are_left_out(study: Study) -> None:
    bare = dataclasses.replace(
        study.predictions,
        checkpoint=dataclasses.replace(study.predictions.checkpoint, training={}),
    )
    alone = dataclasses.replace(study, predictions=bare, without_masking=None)
    assert len(measure_arms(alone)) == 4
    assert set(conditioning_section(alone).frames) == {"known_labels", "positive_pins"}


def test_the_checkpoint_stands_beside_counting_under_each_kind_of_pins(study: Study) -> None:
    section = conditioning_section(study)
    found = section.frames["counting"].set_index(["pins", "known", "measure"])
    prior = LabelPrior.of(study.predictions.checkpoint)
    free = study.predictions.free
    for which in ("all", "positive", "negative"):
        assert found.loc[(which, 0, "difference"), ["value", "low", "high"]].tolist() == [0, 0, 0]
        scenario = Scenario(7, which)
        alone = label_only(prior, study.index.names, study.labels, scenario)
        odds = alone / (1 - alone) / (prior.marginal / (1 - prior.marginal)).clip(1e-9)
        moved = free / (1 - free) * np.sqrt(odds)
        wanted = [
            [
                roc_auc_score(study.labels[:, i], scores[:, i])
                for scores in (study.predictions.probabilities[scenario], moved)
            ]
            for i in range(14)
            if i != HERNIA
        ]
        model, counting = np.mean(wanted, axis=0)
        assert found.loc[(which, 7, OWN), "value"] == pytest.approx(model)
        assert found.loc[(which, 7, COUNTING), "value"] == pytest.approx(counting)
        difference = found.loc[(which, 7, "difference")]
        assert difference["value"] == pytest.approx(model - counting)
        assert difference["low"] < difference["value"] < difference["high"]
    assert section.facts == {"weight_of_counting": 0.5, "weight_of_counting_fitted": False}


def test_the_weight_is_one_where_counting_is_all_there_is_to_know() -> None:
    index = made_index(4000)
    prior = LabelPrior.from_sets(label_sets(index.labels))
    nothing = np.broadcast_to(prior.marginal.clip(1e-6), index.labels.shape)
    found = {0: nothing, 2: nothing}  # of few pins, which many films are compatible with
    assert fit_weight(prior, index, found) == pytest.approx(1, abs=0.05)
    shuffled = dataclasses.replace(
        index, labels=np.random.default_rng(0).permuted(index.labels, axis=0)
    )
    assert fit_weight(prior, shuffled, found) < 0.1
    assert fit_weight(prior, index, {0: nothing}) is None


def test_cases_with_and_without_a_positive_pin_are_all_cases(study: Study) -> None:
    found = by_positive_pin(study).set_index(["cases", "measure"])["value"]
    assert found["a positive pin", "cases"] + found["negative pins alone", "cases"] == (
        study.labels.size
    )
    positive = pins_given(study.index, Scenario(MAIN))[:, :, 0] > 0
    wanted = np.mean(
        [
            roc_auc_score(study.labels[rows, i], study.predictions.free[rows, i])
            for i, rows in enumerate(positive.T)
            if i != HERNIA
        ]
    )
    assert found["a positive pin", "AUC, free"] == pytest.approx(wanted)


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
    resamples = draw(np.arange(count), 200)
    slope = shift_slope(cases, resamples)
    assert slope.low < factor < slope.high
    assert slope.value == pytest.approx(factor, abs=0.1)
    bins = shift_bins(cases, resamples)
    assert sum(b["cases"] for b in bins) == count
    for b in bins:
        assert b["from"] <= 100 * b["shift"] <= b["to"]
        inside = (shift * 100 >= b["from"]) & (shift * 100 < b["to"])
        assert b["value"] == pytest.approx((truth - free)[inside].mean())
    still = dataclasses.replace(cases, pinned=free)
    assert shift_slope(still, draw(np.arange(count), 9)) is None


def test_single_pins_are_taken_where_they_are_true(study: Study) -> None:
    positive, negative, known = measured_cases(study).values()
    truth = study.labels[study.predictions.single.rows]
    assert len(positive.row) == int(truth.sum()) * 13
    assert len(negative.row) == int((1 - truth).sum()) * 13
    assert len(known.row) == study.labels.size


def test_the_data_stand_beside_the_influence(study: Study) -> None:
    section = cooccurrence_section(study)
    found = section.frames["cooccurrence"].set_index(["pinned", "read"])
    assert len(found) == 14 * 13
    first, second = FINDINGS[:2]
    influence = np.mean(study.predictions.single.positive_logit, axis=0)[0, 1]
    assert found.loc[(first, second), "influence_positive"] == pytest.approx(influence)
    labels = study.labels
    lift = (labels[:, 0] * labels[:, 1]).mean() / labels[:, 0].mean() / labels[:, 1].mean()
    assert found.loc[(first, second), "lift"] == pytest.approx(lift)
    assert np.isnan(found.loc["Hernia", "lift"].astype(float)).all()
    json.dumps(metrics([section], {}), allow_nan=False)
    without = dataclasses.replace(study.predictions, single=None)
    assert cooccurrence_section(dataclasses.replace(study, predictions=without)) is None
    a = np.array([[np.nan, 1.0, 5.0], [2.0, np.nan, 9.0], [3.0, 7.0, np.nan]])
    assert rank_correlation(a, a**3) == pytest.approx(1)
    assert rank_correlation(a, -a) == pytest.approx(-1)
    assert rank_correlation(a, np.zeros((3, 3))) is None


def test_subgroups_are_compared_by_the_findings_they_share(study: Study) -> None:
    name, values = groupings(study.index)[0]
    found = measure_grouping(study, name, values)
    assert list(found.rows) == ["AP", "PA"]
    assert HERNIA not in found.findings
    for level, mean in found.means.items():
        rows = np.flatnonzero(values == level)
        labels, scores = study.labels[rows], study.predictions.free[rows]
        wanted = np.mean([roc_auc_score(labels[:, i], scores[:, i]) for i in found.findings])
        assert mean.value == pytest.approx(wanted)
    high, low, gap = found.gap
    assert gap.value == pytest.approx(found.means[high].value - found.means[low].value)
    assert gap.low < gap.value < gap.high
    patients = select(subgroups_section(study).frames["subgroups"], measure="patients")
    rows = np.flatnonzero(values == "AP")
    assert find(patients.to_dict("records"), subgroup="AP")["value"] == (
        len(set(study.index.patients[rows]))
    )


def test_subgroups_too_small_or_not_known_are_left_out(study: Study) -> None:
    found = {name: measure_grouping(study, name, values) for name, values in groupings(study.index)}
    assert found["source"].left_out == ["source C"]
    assert "" not in found["age"].rows
    section = subgroups_section(study)
    assert section.facts["left_out"]["source"] == ["source C"]
    assert set(section.frames["subgroup_gaps"]["grouping"]) == set(found)
    bare = dataclasses.replace(study.index, views=None, sexes=None, ages=None, sources=None)
    assert subgroups_section(dataclasses.replace(study, index=bare)) is None
    one = np.full(len(study.index), "only")
    assert measure_grouping(study, "name", one).gap is None
    none = np.full(len(study.index), "")
    assert measure_grouping(study, "name", none).means == {}


def test_no_source_is_named() -> None:
    sources = np.array([*["jane"] * 3, *["joe"] * 5, ""])
    found = source_letters(sources)
    assert found.tolist() == [*["source B"] * 3, *["source A"] * 5, ""]
    many = source_letters(np.array([f"{k:03d}" for k in range(30)]))
    assert (many[25], many[26], many[29]) == ("source Z", "source AA", "source AD")


def test_a_checkpoint_is_compared_on_the_same_resamples(study: Study) -> None:
    labels, first, second = study.labels, study.predictions.free, study.compared.free
    frame = comparison(labels, first, second, study.resamples)
    found = frame.set_index(["measure", "finding"])
    for i, finding in enumerate(FINDINGS):
        test = delong_paired(labels[:, i], first[:, i], second[:, i])
        assert (found.loc[("p", finding), "value"] is None) == (i == HERNIA) == (test is None)
        if test is not None:
            assert found.loc[("p", finding), "value"] == test.p
            assert found.loc[("p by Holm", finding), "value"] >= test.p
            difference = found.loc[("difference", finding), "value"]
            assert difference == pytest.approx(test.difference)
    mean = found.loc[("this", MEAN), "value"] - found.loc[("other", MEAN), "value"]
    assert found.loc[("difference", MEAN), "value"] == pytest.approx(mean)
    same = comparison(labels, first, first, study.resamples).set_index(["measure", "finding"])
    assert same.loc[("difference", MEAN), ["value", "low", "high"]].tolist() == [0, 0, 0]
    assert all(p is None for p in same.loc["p by Holm", "value"])
    assert comparison_section(study).facts["other"] == "b" * 12
    assert comparison_section(dataclasses.replace(study, compared=None)) is None


def test_images_of_one_class_alone_have_no_value() -> None:
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
    for part in (discrimination_section, conditioning_section):
        (frame, *_) = part(study).frames.values()
        measured = frame[frame["measure"].isin(["AUC", "gain", "average precision"])]
        assert all(value is None for value in measured["value"])
    assert len(subgroups_section(study).frames["subgroups"]) == 0

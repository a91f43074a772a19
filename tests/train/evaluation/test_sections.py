"""Discrimination, conditioning, shifts, subgroups and comparison on data whose truth is known."""

from __future__ import annotations

import dataclasses
import json

import numpy as np
import pytest
from sklearn.metrics import average_precision_score, roc_auc_score

from lmeran.explain.label_prior import LabelPrior
from lmeran.findings import FINDINGS, State
from tests.support.study_making import made_index, made_study
from train.data.index import label_sets
from train.evaluation.bootstrap import draw
from train.evaluation.conditioning.arms import (
    COUNTING,
    OWN,
    arms_frame,
    conditioning_section,
    measure_arms,
)
from train.evaluation.conditioning.counting import fit_weight, label_only
from train.evaluation.conditioning.shifts import (
    Cases,
    expected_frequency,
    measured_cases,
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
from train.evaluation.predictions import FREE, Scenario, trials_of
from train.evaluation.report import metrics
from train.evaluation.section import MEAN, find, select
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
    assert list(paper.auc) == list(FINDINGS)
    assert np.mean(list(paper.auc.values())) == pytest.approx(paper.mean, abs=6e-4)


def test_labels_alone_say_what_the_prior_says() -> None:
    index = made_index(40)
    prior = LabelPrior.from_sets(label_sets(made_index(200, 3).labels))
    found = {
        s: label_only(prior, index.names, index.labels, s) for s in map(Scenario, (0, 3, 7, 10))
    }
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
    assert means.loc[("labels alone, no image", "AUC", 0), "value"] == 0.5
    json.dumps(metrics([conditioning_section(study)], {}), allow_nan=False)


def test_arms_without_a_checkpoint_for_them_are_left_out(study: Study) -> None:
    bare = dataclasses.replace(
        study.predictions,
        checkpoint=dataclasses.replace(study.predictions.checkpoint, training={}),
    )
    alone = dataclasses.replace(study, predictions=bare)
    assert len(measure_arms(alone)) == 4
    assert set(conditioning_section(alone).frames) == {"known_labels"}


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
    still = dataclasses.replace(cases, pinned=free)
    assert shift_slope(still, draw(np.arange(count), 9)) is None


def test_single_pins_are_taken_where_they_are_true(study: Study) -> None:
    positive, negative, known = measured_cases(study).values()
    truth = study.labels[study.predictions.single.rows]
    assert len(positive.row) == int(truth.sum()) * 13
    assert len(negative.row) == int((1 - truth).sum()) * 13
    assert len(known.row) == study.labels.size


def test_subgroups_are_compared_by_the_findings_they_share(study: Study) -> None:
    values = groupings(study.index)["view"]
    groups, common = measure_grouping(study, values)
    assert list(groups) == ["AP", "PA"]
    assert HERNIA not in common
    for level, group in groups.items():
        labels, scores = study.labels[group.rows], study.predictions.free[group.rows]
        wanted = np.mean([roc_auc_score(labels[:, i], scores[:, i]) for i in common])
        assert (values[group.rows] == level).all()
        assert group.mean.value == pytest.approx(wanted)
    frames = subgroups_section(study).frames
    patients = select(frames["subgroups"], measure="patients").to_dict("records")
    rows = np.flatnonzero(values == "AP")
    assert find(patients, subgroup="AP")["value"] == len(set(study.index.patients[rows]))
    (apart,) = select(frames["subgroup_gaps"], grouping="view").to_dict("records")
    means = [groups[apart[name]].mean.value for name in ("highest", "lowest")]
    assert apart["value"] == pytest.approx(means[0] - means[1])
    assert apart["low"] < apart["value"] < apart["high"]


def test_subgroups_too_small_or_not_known_are_left_out(study: Study) -> None:
    section = subgroups_section(study)
    assert section.facts["left_out"]["source"] == ["source C"]
    assert set(section.frames["subgroup_gaps"]["grouping"]) == set(groupings(study.index))
    ages = groupings(study.index)["age"]
    assert set(ages[~np.isnan(study.index.ages)]) == {"18 to 39", "40 to 59", "60 and over"}
    assert set(ages[np.isnan(study.index.ages)]) == {""}
    assert "" not in measure_grouping(study, ages)[0]
    bare = dataclasses.replace(study.index, views=None, sexes=None, ages=None, sources=None)
    assert subgroups_section(dataclasses.replace(study, index=bare)) is None
    assert measure_grouping(study, np.full(len(study.index), ""))[0] == {}


def test_no_source_is_named() -> None:
    sources = np.array([*["jane"] * 3, *["joe"] * 5, ""])
    found = source_letters(sources)
    assert found.tolist() == [*["source B"] * 3, *["source A"] * 5, ""]
    many = source_letters(np.array([f"{k:03d}" for k in range(30)]))
    assert (many[25], many[26]) == ("source Z", "source 27")


def test_a_checkpoint_is_compared_on_the_same_resamples(study: Study) -> None:
    labels, first, second = study.labels, study.predictions.free, study.compared.free
    frame = comparison(labels, first, second, study.resamples)
    found = frame.set_index(["measure", "finding"])
    for i, finding in enumerate(FINDINGS):
        difference = found.loc[("difference", finding)]
        if i == HERNIA:
            assert difference["value"] is None
        else:
            wanted = roc_auc_score(labels[:, i], first[:, i])
            wanted -= roc_auc_score(labels[:, i], second[:, i])
            assert difference["value"] == pytest.approx(wanted)
            assert difference["low"] < difference["value"] < difference["high"]
    mean = found.loc[("this", MEAN), "value"] - found.loc[("other", MEAN), "value"]
    assert found.loc[("difference", MEAN), "value"] == pytest.approx(mean)
    same = comparison(labels, first, first, study.resamples).set_index(["measure", "finding"])
    assert same.loc[("difference", MEAN), ["value", "low", "high"]].tolist() == [0, 0, 0]
    assert comparison_section(study).facts["other"] == "b" * 12

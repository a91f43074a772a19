"""DeLong, Holm and the patient bootstrap, against independent ways."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import average_precision_score, roc_auc_score

from train.evaluation.bootstrap import Resamples, draw, interval, mean_interval, resampled
from train.evaluation.metrics import auc, mean_auc
from train.evaluation.statistics import (
    average_precision,
    covariance,
    delong_paired,
    holm,
    placements,
)

# Hanley and McNeil, Radiology 1982, table I: CT ratings 1 .. 5 of 58 normal and 51 abnormal
HANLEY_NORMAL, HANLEY_ABNORMAL = (33, 6, 6, 11, 2), (3, 2, 2, 11, 33)

# Turck et al., Intensive Care Medicine 2010: poor outcome, S100B (ug/l) and WFNS grade of the 113
# patients that the manual of pROC uses
POOR = [int(c) for c in (
    "00001101001011001011101000000000100110110000000001100010001010011101101111000110100000010000"
    "000000001111110001000"
)]  # fmt: skip
S100B = [
    0.13, 0.14, 0.1, 0.04, 0.13, 0.1, 0.47, 0.16, 0.18, 0.1, 0.12, 0.1, 0.44, 0.71, 0.04, 0.08,
    0.49, 0.04, 0.07, 0.33, 0.09, 0.09, 0.07, 0.11, 0.07, 0.17, 0.07, 0.11, 0.13, 0.19, 0.05, 0.16,
    0.41, 0.14, 0.34, 0.35, 0.48, 0.09, 0.96, 0.25, 0.5, 0.46, 0.16, 0.07, 0.43, 0.45, 0.11, 0.08,
    0.09, 0.86, 0.52, 0.08, 0.06, 0.13, 2.07, 0.1, 0.14, 0.15, 0.07, 0.06, 0.77, 0.05, 0.09, 0.3,
    0.03, 0.09, 0.04, 0.23, 0.7, 0.09, 0.27, 0.71, 0.08, 0.26, 0.08, 0.16, 0.09, 0.13, 0.1, 0.08,
    0.11, 0.33, 0.11, 0.28, 0.07, 0.1, 0.32, 0.22, 0.07, 0.05, 0.24, 0.38, 0.1, 0.15, 0.08, 0.14,
    0.1, 0.07, 0.04, 0.19, 0.56, 0.14, 0.58, 0.32, 0.82, 0.74, 0.15, 0.47, 0.17, 0.44, 0.15, 0.5,
    0.48,
]  # fmt: skip
WFNS = [int(c) for c in (
    "11113254125255125225211112121134214541425511241125521251222151125214524414121421232421451154"
    "221113125225552445111"
)]  # fmt: skip


def tied_scores(images: int, seed: int, digits: int = 1) -> tuple[np.ndarray, np.ndarray]:
    """Labels and scores with many ties."""
    rng = np.random.default_rng(seed)
    labels = rng.random(images) < 0.3
    return labels.astype(np.float32), (rng.normal(size=images) + labels).round(digits)


def components(labels: np.ndarray, scores: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """V10 and V01 by looking at every pair."""
    x, y = scores[labels > 0.5], scores[labels < 0.5]
    psi = (x[:, None] > y[None]) + 0.5 * (x[:, None] == y[None])
    return psi.mean(axis=1), psi.mean(axis=0)


@pytest.mark.parametrize("digits", [0, 1, 8])
def test_delong_components_equal_those_of_every_pair(digits: int) -> None:
    labels, first = tied_scores(700, 0, digits)
    second = (0.5 * first + np.random.default_rng(1).normal(size=700)).round(digits)
    found = [placements(labels, scores) for scores in (first, second)]
    wanted = [components(labels, scores) for scores in (first, second)]
    for a, (v10, v01) in zip(found, wanted, strict=True):
        np.testing.assert_allclose(a.positive, v10, atol=1e-12)
        np.testing.assert_allclose(a.negative, v01, atol=1e-12)
        assert a.variance == pytest.approx(
            v10.var(ddof=1) / len(v10) + v01.var(ddof=1) / len(v01), rel=1e-10
        )
    assert found[0].auc == pytest.approx(roc_auc_score(labels, first), abs=1e-12)
    m, n = (labels > 0.5).sum(), (labels < 0.5).sum()
    (a10, a01), (b10, b01) = wanted
    between = ((a10 - a10.mean()) * (b10 - b10.mean())).sum() / (m - 1) / m
    between += ((a01 - a01.mean()) * (b01 - b01.mean())).sum() / (n - 1) / n
    assert covariance(*found) == pytest.approx(between, rel=1e-10)


def test_delong_gives_the_published_error_of_hanley_and_mcneil() -> None:
    """Stata's manual, `roctab`: area 0.8932, standard error 0.0307, 0.83295 to 0.95339."""
    ratings = np.concatenate([np.repeat(np.arange(1, 6), HANLEY_NORMAL),
                              np.repeat(np.arange(1, 6), HANLEY_ABNORMAL)])  # fmt: skip
    labels = np.repeat([0, 1], [sum(HANLEY_NORMAL), sum(HANLEY_ABNORMAL)])
    parts = placements(labels, ratings)
    assert parts.auc == pytest.approx(0.8932, abs=5e-5)
    error = parts.variance**0.5
    assert error == pytest.approx(0.0307, abs=5e-5)
    assert parts.auc - 1.959964 * error == pytest.approx(0.83295, abs=5e-6)


def test_the_paired_test_gives_the_figures_of_proc() -> None:
    """pROC's own tests: WFNS against S100B, Z 2.20898, p 0.0271758, 0.010406 to 0.174214."""
    labels = np.array(POOR)
    assert (len(labels), labels.sum(), len(S100B), len(WFNS)) == (113, 41, 113, 113)
    found = delong_paired(labels, np.array(WFNS, float), np.array(S100B))
    assert found.difference == pytest.approx(0.82367886178861793 - 0.73136856368563685, rel=1e-12)
    assert found.z == pytest.approx(2.20898359144091, rel=1e-9)
    assert found.p == pytest.approx(0.0271757822291882, rel=1e-9)
    assert (found.low, found.high) == pytest.approx((0.0104061769564846, 0.174214419249478))


def test_the_paired_test_of_a_ranking_with_itself_finds_nothing() -> None:
    labels, scores = tied_scores(300, 2)
    same = delong_paired(labels, scores, np.exp(scores))
    assert (same.difference, same.z, same.p) == (0, None, None)


def test_one_class_and_single_positives_have_no_interval() -> None:
    scores = np.arange(6.0)
    assert delong_paired(np.ones(6), scores, scores) is None
    assert average_precision(np.zeros(6), scores) is None
    assert average_precision(np.ones(6), scores) is None
    assert delong_paired(np.eye(6)[2], scores, -scores).p is None


def test_holm_is_the_closed_test_of_bonferroni() -> None:
    """Against the closure principle: the largest Bonferroni p of all sets that hold the test."""
    rng = np.random.default_rng(3)
    for _ in range(20):
        p = rng.random(5) ** 3
        sets = [[i for i in range(5) if mask >> i & 1] for mask in range(1, 32)]
        closed = [max(min(1.0, len(s) * p[s].min()) for s in sets if i in s) for i in range(5)]
        assert holm(p.tolist()) == pytest.approx(closed)
    assert holm([0.04, None, 0.03]) == [0.06, None, 0.06]
    assert holm([None]) == [None]


@pytest.mark.parametrize("digits", [1, 8])
def test_resampled_auc_and_precision_equal_sklearn_with_weights(digits: int) -> None:
    rng = np.random.default_rng(5)
    images = 1200
    prevalence = np.array([0.3, 0.02, 0.9, 0.0, 1.0, 0.5])
    labels = (rng.random((images, 6)) < prevalence).astype(np.float32)
    labels[:, 1] = np.arange(images) == 7  # one patient has it: absent from many resamples
    scores = (rng.random((images, 6)) + 0.2 * labels).round(digits)
    scores[:, 5] = 0.5
    resamples = draw(rng.integers(0, 300, images), 40, seed=1)
    found = resampled(labels, scores, resamples)
    weights = resamples.counts[resamples.patients]
    single = 0
    for b in range(len(resamples)):
        for i in range(6):
            classes = {labels[n, i] for n in np.flatnonzero(weights[:, b])}
            if len(classes) == 1:
                single += 1
                assert np.isnan(found.auc[b, i])
                assert np.isnan(found.average_precision[b, i])
                continue
            drawn = weights[:, b] > 0  # scikit-learn lets images of weight 0 be thresholds
            arguments = labels[drawn, i], scores[drawn, i]
            weight = weights[drawn, b].astype(np.float64)
            assert found.auc[b, i] == pytest.approx(
                roc_auc_score(*arguments, sample_weight=weight), abs=1e-12
            )
            assert found.average_precision[b, i] == pytest.approx(
                average_precision_score(*arguments, sample_weight=weight), abs=1e-12
            )
    assert single > 2 * len(resamples)


def test_a_resample_is_the_images_of_the_drawn_patients() -> None:
    """Against images that are truly copied, and sums over them."""
    labels, scores = tied_scores(200, 6)
    patients = np.random.default_rng(7).integers(0, 60, 200)
    resamples = draw(patients, 5, seed=2)
    found = resampled(labels[:, None], scores[:, None], resamples)
    assert (resamples.counts.sum(axis=0) == len(np.unique(patients))).all()
    sums = resamples.sums(scores)
    for b in range(5):
        rows = np.repeat(np.arange(200), resamples.counts[resamples.patients, b].astype(int))
        assert found.auc[b, 0] == pytest.approx(auc(labels[rows], scores[rows]), abs=1e-12)
        assert sums[b] == pytest.approx(scores[rows].sum())
        part = resampled(labels[:90, None], scores[:90, None], resamples.take(np.arange(90)))
        assert part.auc[b, 0] == pytest.approx(
            auc(labels[rows[rows < 90]], scores[rows[rows < 90]]), abs=1e-12
        )


def test_intervals_of_single_images_agree_with_delong() -> None:
    labels, scores = tied_scores(3000, 8, 8)
    drawn = resampled(labels[:, None], scores[:, None], draw(np.arange(3000), 1000))
    parts = placements(labels, scores)
    found, half = interval(parts.auc, drawn.auc[:, 0]), 1.96 * parts.variance**0.5
    assert (found.low, found.high) == pytest.approx((parts.auc - half, parts.auc + half), abs=0.003)


def test_copies_of_an_image_of_one_patient_add_no_certainty() -> None:
    labels, scores = tied_scores(400, 9)
    once = resampled(labels[:, None], scores[:, None], draw(np.arange(400), 300))
    copied = resampled(
        np.tile(labels, 4)[:, None], np.tile(scores, 4)[:, None], draw(np.tile(range(400), 4), 300)
    )
    np.testing.assert_allclose(copied.auc, once.auc, atol=1e-12)


def test_intervals_need_both_classes_in_most_resamples() -> None:
    rng = np.random.default_rng(10)
    patients, scores = np.arange(300), rng.random((300, 3))
    labels = np.zeros((300, 3))
    labels[:1, 0] = labels[:2, 1] = labels[:150, 2] = 1
    drawn = resampled(labels, scores, draw(patients, 2000))
    values = [auc(labels[:, i], scores[:, i]) for i in range(3)]
    one, two, many = (interval(v, drawn.auc[:, i]) for i, v in enumerate(values))
    assert (one.low, one.high) == (None, None)
    assert two.low < two.high
    assert many.low < many.value < many.high
    assert interval(None, drawn.auc[:, 0]) is None
    mean = mean_interval(mean_auc(values), drawn.auc)
    complete = np.isfinite(drawn.auc).all(axis=1)
    low = np.quantile(drawn.auc[complete].mean(axis=1), 0.025)
    assert mean.low == pytest.approx(low)
    assert mean_interval(None, np.full((5, 2), np.nan)) is None


def test_resamples_depend_on_ids_and_seed_alone() -> None:
    patients = np.array(["b", "a", "b", "c"])
    same = draw(patients, 10, 4), draw(patients, 10, 4)
    assert np.array_equal(same[0].counts, same[1].counts)
    assert not np.array_equal(same[0].counts, draw(patients, 10, 5).counts)
    assert isinstance(same[0], Resamples)
    assert same[0].patients.tolist() == [1, 0, 1, 2]

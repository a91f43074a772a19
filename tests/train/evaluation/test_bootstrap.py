"""The patient bootstrap against independent ways."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import average_precision_score, roc_auc_score

from train.evaluation.bootstrap import Resamples, draw, interval, mean_interval, resampled
from train.evaluation.metrics import auc, mean_auc


def tied_scores(images: int, seed: int, digits: int = 1) -> tuple[np.ndarray, np.ndarray]:
    """Labels and scores with many ties."""
    rng = np.random.default_rng(seed)
    labels = rng.random(images) < 0.3
    return labels.astype(np.float32), (rng.normal(size=images) + labels).round(digits)


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

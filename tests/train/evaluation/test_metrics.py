"""AUC and scoring with known findings, against independent computations."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from tests.conftest import film_pixels, lively_model, small_config
from train.data.index import read_index
from train.evaluation.metrics import auc, auc_within, known_masks, mean_auc
from train.evaluation.scoring import predict_index


def test_a_finding_with_one_class_has_no_auc() -> None:
    assert auc(np.array([0, 1, 1]), np.array([0.1, 0.1, 0.2])) == 0.75
    assert auc(np.zeros(5), np.arange(5.0)) is None
    assert mean_auc([0.5, None, 0.7]) == pytest.approx(0.6)
    assert mean_auc([None]) is None


def test_auc_within_sources_counts_pairs_of_one_source_only() -> None:
    rng = np.random.default_rng(1)
    labels, groups = rng.integers(0, 2, 200), rng.integers(0, 3, 200)
    labels[groups == 2] = 1  # no pair in there
    scores = (rng.random(200) + labels).round(1)
    right = [
        (scores[a] > scores[b]) + 0.5 * (scores[a] == scores[b])
        for a in range(200)
        for b in range(200)
        if labels[a] == 1 and labels[b] == 0 and groups[a] == groups[b]
    ]
    assert auc_within(labels, scores, groups) == pytest.approx(np.mean(right))
    assert auc_within(labels, scores, np.arange(200)) is None
    everything = auc_within(labels, scores, np.zeros(200))
    assert everything == pytest.approx(roc_auc_score(labels, scores))


@pytest.mark.parametrize("known", [0, 3, 7, 10, 13])
def test_known_masks_hide_each_finding_at_least_once(known: int) -> None:
    masks = known_masks("00000001_000.png", 14, known)
    assert all((~mask).sum() == known for mask in masks)
    assert np.logical_or.reduce(masks).all()
    again = known_masks("00000001_000.png", 14, known)
    assert np.array_equal(masks, again)
    if known:
        assert not np.array_equal(masks, known_masks("00000001_001.png", 14, known))


def test_scores_with_known_findings_use_the_truth_of_the_others_only(data: Path) -> None:
    """Against one image at a time; a finding's own label must not reach its own score."""
    index = read_index(data, "test")
    model = lively_model(small_config(64, layers=2))
    pixels = np.stack([film_pixels(64, 64, k) for k in range(len(index))])
    scores = predict_index(model, pixels, index, (0, 7), batch_size=3)[7]
    for finding in (0, 2, 9):
        flipped = index.labels.copy()
        flipped[:, finding] = 1 - flipped[:, finding]
        changed = predict_index(
            model, pixels, dataclasses.replace(index, labels=flipped), (7,), batch_size=8
        )[7]
        np.testing.assert_allclose(changed[:, finding], scores[:, finding], atol=1e-6)
        assert np.abs(changed - scores).max() > 1e-4

"""Curves against scikit-learn, tables against what a reader should see."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from sklearn import metrics

from train.evaluation.cells import shown_columns
from train.evaluation.discrimination.curves import (
    mean_precision_recall,
    mean_roc,
    precision_recall_curve,
    roc_curve,
)


def scored(seed: int, digits: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    labels = (rng.random(900) < 0.2).astype(np.float32)
    return labels, (rng.normal(size=900) + labels).round(digits)


@pytest.mark.parametrize("digits", [1, 8])
def test_curves_equal_those_of_sklearn(digits: int) -> None:
    labels, scores = scored(0, digits)
    fpr, tpr, _ = metrics.roc_curve(labels, scores, drop_intermediate=False)
    found = roc_curve(labels, scores)
    np.testing.assert_allclose(found.x, fpr, atol=1e-12)
    np.testing.assert_allclose(found.y, tpr, atol=1e-12)
    precision, recall, _ = metrics.precision_recall_curve(labels, scores)
    found = precision_recall_curve(labels, scores)
    np.testing.assert_allclose(found.x, recall[-2::-1], atol=1e-12)  # without its end at (0, 1)
    np.testing.assert_allclose(found.y, precision[-2::-1], atol=1e-12)


def test_a_single_class_has_no_curve() -> None:
    assert roc_curve(np.zeros(5), np.arange(5.0)) is None
    assert precision_recall_curve(np.ones(5), np.arange(5.0)) is None
    assert mean_roc([None]) is None
    assert mean_precision_recall([None]) is None


def test_the_mean_curves_have_the_mean_areas() -> None:
    pairs = [scored(seed, 8) for seed in range(4)]
    roc = mean_roc([*(roc_curve(*pair) for pair in pairs), None])
    areas = [metrics.roc_auc_score(*pair) for pair in pairs]
    assert np.trapezoid(roc.y, roc.x) == pytest.approx(np.mean(areas), abs=0.005)
    recall = mean_precision_recall([precision_recall_curve(*pair) for pair in pairs])
    areas = [metrics.average_precision_score(*pair) for pair in pairs]
    assert recall.y[1:].mean() == pytest.approx(np.mean(areas), abs=0.01)


def test_tables_put_intervals_beside_their_values() -> None:
    frame = pd.DataFrame(
        {
            "Finding": ["Mass", "Mean"],
            "Positive": pd.array([1200, None], dtype="Int64"),
            "AUC": [0.71234, None],
            "AUC low": [0.6, None],
            "AUC high": [0.8, None],
            "DeLong low": [-0.01, None],
            "DeLong high": [0.02, None],
            "Share %": [12.345, -0.00001],
            "p": [0.00001, 0.0456],
            "Low": [1.0, -2.5],
        }
    )
    found = {column.head: (column.number, column.cells) for column in shown_columns(frame)}
    assert found == {
        "Finding": (False, ("Mass", "Mean")),
        "Positive": (True, ("1,200", "\N{EN DASH}")),
        "AUC": (True, ("0.712 (0.600\N{EN DASH}0.800)", "\N{EN DASH}")),
        "DeLong": (True, ("\N{MINUS SIGN}0.010 to 0.020", "\N{EN DASH}")),
        "Share %": (True, ("12.3", "0.0")),
        "p": (True, ("<0.001", "0.046")),
        "Low": (True, ("1.000", "\N{MINUS SIGN}2.500")),
    }

"""Means over the boxes of a finding, their macro mean, and its interval over patients."""

from __future__ import annotations

import numpy as np

from train.evaluation.bootstrap import Resamples, mean_interval
from train.evaluation.statistics import Estimate


def finding_means(values: np.ndarray, findings: np.ndarray) -> dict[int, np.ndarray]:
    """Mean of values (N, K) over the cases of each finding: finding -> (K,), in rising order."""
    return {int(f): values[findings == f].mean(axis=0) for f in np.unique(findings)}


def macro(values: np.ndarray, findings: np.ndarray, resamples: Resamples) -> list[Estimate]:
    """Mean over the findings of the mean over their cases, for each of the K columns of (N, K).

    findings: int64 (N,); resamples: of the N cases' patients. It is linear: the macro mean of a
    difference of two maps' values, with its interval, is that of the differences, case by case.
    """
    centre = np.mean(list(finding_means(values, findings).values()), axis=0)
    spread = _resampled_means(values, findings, resamples)
    return [mean_interval(float(v), spread[..., k]) for k, v in enumerate(centre)]


def _resampled_means(values: np.ndarray, findings: np.ndarray, resamples: Resamples) -> np.ndarray:
    """Means (B, findings, K) in each resample; NaN where a resample has no case of a finding."""
    means = []
    for finding in np.unique(findings):
        rows = np.flatnonzero(findings == finding)
        own = resamples.take(rows)
        count = own.sums(np.ones((len(rows), 1)))
        total = own.sums(values[rows])
        mean = np.full(total.shape, np.nan)
        means.append(np.divide(total, count, out=mean, where=count > 0))
    return np.stack(means, axis=1)

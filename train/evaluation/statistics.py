"""DeLong's test of two AUCs, Holm's adjustment, average precision. Pure functions on arrays.

A finding with a single class has no AUC: functions return None, never NaN or one half.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np
from sklearn.metrics import average_precision_score

NORMAL = NormalDist()
LEVEL = 0.95
"""Coverage of every interval of the evaluation."""


@dataclass(frozen=True)
class Estimate:
    """A value with its interval (`LEVEL`); low and high are None where none can be given."""

    value: float
    low: float | None
    high: float | None


@dataclass(frozen=True, eq=False)
class Placements:
    """DeLong's structural components of one AUC.

    positive: V10 (m,), for each positive the share of the negatives it is ranked above;
    negative: V01 (n,), for each negative the share of the positives ranked above it. Ties: half.
    """

    positive: np.ndarray
    negative: np.ndarray

    @property
    def auc(self) -> float:
        return float(self.positive.mean())

    @property
    def variance(self) -> float | None:
        """Of the AUC (DeLong, DeLong and Clarke-Pearson, Biometrics 1988); see `covariance`."""
        return covariance(self, self)


@dataclass(frozen=True)
class PairedTest:
    """Difference of two AUCs on the same images, first minus second, with DeLong's test.

    z and p are None where the difference has no variance to compare it with.
    """

    difference: float
    low: float | None
    high: float | None
    z: float | None
    p: float | None


def placements(labels: np.ndarray, scores: np.ndarray) -> Placements | None:
    """Structural components of labels (N,) and scores (N,) in O(N log N); None for one class.

    The ranks of Sun and Xu (IEEE Signal Processing Letters 2014): each value's midrank in the
    other class.
    """
    positive = labels > 0.5
    high, low = np.sort(scores[positive]), np.sort(scores[~positive])
    if not len(high) or not len(low):
        return None
    return Placements(
        _share_below(low, scores[positive]), 1 - _share_below(high, scores[~positive])
    )


def covariance(a: Placements, b: Placements) -> float | None:
    """Of two AUCs measured on the same images; None with fewer than two of a class."""
    m, n = len(a.positive), len(a.negative)
    if m < 2 or n < 2:
        return None
    return float(
        np.cov(a.positive, b.positive)[0, 1] / m + np.cov(a.negative, b.negative)[0, 1] / n
    )


def delong_paired(labels: np.ndarray, first: np.ndarray, second: np.ndarray) -> PairedTest | None:
    """Does the AUC of `first` differ from that of `second` on the same images? None for one class.

    The interval of the difference is DeLong's, on the plain scale.
    """
    a, b = placements(labels, first), placements(labels, second)
    if a is None or b is None:
        return None
    difference = a.auc - b.auc
    between = covariance(a, b)
    if between is None:
        return PairedTest(difference, None, None, None, None)
    # rounding may make the variance of two identical rankings negative
    deviation = math.sqrt(max(0.0, a.variance + b.variance - 2 * between))
    if deviation < 1e-12:
        return PairedTest(difference, difference, difference, None, None)
    z, half = difference / deviation, NORMAL.inv_cdf(0.5 + LEVEL / 2) * deviation
    p = 2 * NORMAL.cdf(-abs(z))
    return PairedTest(difference, difference - half, difference + half, z, p)


def holm(p_values: Sequence[float | None]) -> list[float | None]:
    """Holm's adjusted p-values (Scand. J. Statist. 1979); None stays None and does not count."""
    tested = sorted((p, i) for i, p in enumerate(p_values) if p is not None)
    adjusted: list[float | None] = [None] * len(p_values)
    largest = 0.0
    for rank, (p, i) in enumerate(tested):
        largest = max(largest, min(1.0, (len(tested) - rank) * p))
        adjusted[i] = largest
    return adjusted


def average_precision(labels: np.ndarray, scores: np.ndarray) -> float | None:
    """Sum over thresholds of (change of recall) x precision, tied scores one threshold.

    None without a positive or without a negative, where a ranking shows nothing.
    """
    positive = labels > 0.5
    if positive.all() or not positive.any():
        return None
    return float(average_precision_score(positive, scores))


def _share_below(ordered: np.ndarray, values: np.ndarray) -> np.ndarray:
    """For each value the share of `ordered` (ascending) that is smaller; an equal one is half."""
    smaller = np.searchsorted(ordered, values, "left")
    not_larger = np.searchsorted(ordered, values, "right")
    return (smaller + not_larger) / (2 * len(ordered))

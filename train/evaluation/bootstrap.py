"""Resampling patients: intervals that account for the likeness of images of one patient.

A resample draws as many patients as there are, with replacement; an image weighs as often as its
patient was drawn. AUC and average precision of a resample are those of the weighted images, from
one sort of the scores and sums between the positives, for many resamples at once.
"""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np

from train.evaluation.statistics import LEVEL, Estimate

CHUNK = 32
"""Resamples at once: their weights of 25,596 images are 3 MB, which a core's cache holds."""

BOTH_CLASSES = 0.75
"""Share of the resamples that must have both classes, or there is no interval. One positive
patient is missing from 37 % of them, two are from 14 %."""


@dataclass(frozen=True, eq=False)
class Resamples:
    """How often each patient is drawn.

    patients: int64 (N,), number of the patient of each image; counts: float32 (P, B), whole
    numbers, so that sums of fewer than 16 million are exact.
    """

    patients: np.ndarray
    counts: np.ndarray

    def __len__(self) -> int:
        return self.counts.shape[1]

    def take(self, rows: np.ndarray) -> Resamples:
        """The same draws for some of the images: what is measured on both stays paired."""
        return Resamples(self.patients[rows], self.counts)

    def sums(self, values: np.ndarray) -> np.ndarray:
        """Sums over the images of each resample: values (N, ...) to float64 (B, ...)."""
        flat = values.reshape(len(values), -1).astype(np.float64)
        per_patient = np.zeros((len(self.counts), flat.shape[1]))
        np.add.at(per_patient, self.patients, flat)
        return (self.counts.T.astype(np.float64) @ per_patient).reshape(-1, *values.shape[1:])


@dataclass(frozen=True, eq=False)
class Resampled:
    """auc, average_precision: float64 (B, n); NaN where a resample has a single class."""

    auc: np.ndarray
    average_precision: np.ndarray


@dataclass(frozen=True, eq=False)
class _Ranking:
    """Where weights must be summed, with images from the highest score to the lowest.

    order: image at each place; cuts: places where the sums start again: at each tie that holds a
    positive and after it; tie: which of those sums the ties are. positives: images; starts: the
    first of each tie among them.
    """

    order: np.ndarray
    cuts: np.ndarray
    tie: np.ndarray
    positives: np.ndarray
    starts: np.ndarray


def draw(patients: np.ndarray, count: int = 2000, seed: int = 0) -> Resamples:
    """`count` resamples of the patients (N,) of each image; the same for the same ids and seed."""
    names, numbers = np.unique(patients, return_inverse=True)
    rng = np.random.default_rng(seed)
    drawn = rng.multinomial(len(names), np.full(len(names), 1 / len(names)), size=count)
    return Resamples(numbers.astype(np.int64), np.ascontiguousarray(drawn.T, dtype=np.float32))


def resampled(labels: np.ndarray, scores: np.ndarray, resamples: Resamples) -> Resampled:
    """AUC and average precision of labels and scores (N, n) in each resample, ties exact."""
    columns = range(labels.shape[1])
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        parts = list(
            pool.map(lambda i: _finding(labels[:, i] > 0.5, scores[:, i], resamples), columns)
        )
    auc, precision = (np.stack(values, axis=1) for values in zip(*parts, strict=True))
    return Resampled(auc, precision)


def interval(value: float | None, distribution: np.ndarray) -> Estimate | None:
    """Percentile interval of one finding's (B,); None without a value, and no bounds where too
    few resamples have both classes (`BOTH_CLASSES`)."""
    if value is None:
        return None
    return _percentiles(value, distribution, BOTH_CLASSES)


def mean_interval(value: float | None, distribution: np.ndarray) -> Estimate | None:
    """Percentile interval of the mean over the findings (B, n) that have both classes.

    Only resamples in which all of these still have both count, so that each is the same mean. No
    bounds where that is fewer than one in four.
    """
    if value is None:
        return None
    return _percentiles(value, finding_mean(distribution), 0.25)


def finding_mean(distribution: np.ndarray) -> np.ndarray:
    """(B, n) to (B,): the mean over the columns that are ever measured, NaN where one is not."""
    measured = np.isfinite(distribution).any(axis=0)
    if not measured.any():
        return np.full(len(distribution), np.nan)
    return distribution[:, measured].mean(axis=1)


def _percentiles(value: float, distribution: np.ndarray, least: float) -> Estimate:
    present = distribution[np.isfinite(distribution)]
    if len(present) < max(2, least * len(distribution)):
        return Estimate(value, None, None)
    low, high = np.quantile(present, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return Estimate(value, float(low), float(high))


def _finding(
    positive: np.ndarray, scores: np.ndarray, resamples: Resamples
) -> tuple[np.ndarray, np.ndarray]:
    """AUC (B,) and average precision (B,) of one finding."""
    if positive.all() or not positive.any():
        nothing = np.full(len(resamples), np.nan)
        return nothing, nothing
    ranking = _rank(positive, scores)
    parts = []
    for start in range(0, len(resamples), CHUNK):
        counts = np.ascontiguousarray(resamples.counts[:, start : start + CHUNK])
        parts.append(_chunk(ranking, resamples.patients, counts))
    auc, precision = (np.concatenate(values) for values in zip(*parts, strict=True))
    return auc, precision


def _rank(positive: np.ndarray, scores: np.ndarray) -> _Ranking:
    order = np.argsort(-scores, kind="stable")
    new = np.diff(scores[order], prepend=np.inf) != 0
    first = np.flatnonzero(new)
    tie_of_place = np.cumsum(new) - 1
    places = np.flatnonzero(positive[order])
    ties, starts = np.unique(tie_of_place[places], return_index=True)
    ends = np.append(first, len(order))[ties + 1]
    cuts = np.unique(np.concatenate([[0], first[ties], ends[ends < len(order)]]))
    return _Ranking(
        order=order,
        cuts=cuts,
        tie=np.searchsorted(cuts, first[ties]),
        positives=order[places],
        starts=starts,
    )


def _chunk(
    ranking: _Ranking, patients: np.ndarray, counts: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """For counts (P, b): AUC (b,) and average precision (b,).

    With, at each tie that holds positives, `positive` of them in it, `found` down to its end and
    `above` the negatives before it plus half of those in it:
    AUC = sum positive (negatives - above) / (positives negatives),
    average precision = sum positive found / (images down to its end) / positives.
    """
    weights = counts[patients[ranking.order]]
    sums = np.add.reduceat(weights, ranking.cuts, axis=0)
    through = np.cumsum(sums, axis=0, dtype=np.float64)
    down_to, inside = through[ranking.tie], sums[ranking.tie]
    positive = np.add.reduceat(counts[patients[ranking.positives]], ranking.starts, axis=0)
    found = np.cumsum(positive, axis=0, dtype=np.float64)

    positives = found[-1]
    negatives = through[-1] - positives
    above = down_to - found - (inside - positive) / 2
    right = (positive * (negatives - above)).sum(axis=0)
    precision = np.divide(found, down_to, out=np.zeros_like(found), where=down_to > 0)
    gained = (positive * precision).sum(axis=0)

    both = (positives > 0) & (negatives > 0)
    auc, average = np.full(len(both), np.nan), np.full(len(both), np.nan)
    auc[both] = right[both] / (positives * negatives)[both]
    average[both] = gained[both] / positives[both]
    return auc, average

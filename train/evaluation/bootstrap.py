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

LEVEL = 0.95
"""Coverage of every interval of the evaluation."""

CHUNK = 32
"""Resamples at once: their weights of 25,596 images are 3 MB, which a core's cache holds."""

BOTH_CLASSES = 0.75
"""Share of the resamples that must have both classes, or there is no interval. One positive
patient is missing from 37 % of them, two are from 14 %."""


@dataclass(frozen=True)
class Estimate:
    """A value with its interval (`LEVEL`); low and high are None where none can be given."""

    value: float
    low: float | None
    high: float | None


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


def _percentiles(value: float, distribution: np.ndarray, least: float) -> Estimate:
    present = distribution[np.isfinite(distribution)]
    if len(present) < max(2, least * len(distribution)):
        return Estimate(value, None, None)
    low, high = np.quantile(present, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return Estimate(value, float(low), float(high))


def _finding(
    positive: np.ndarray, scores: np.ndarray, resamples: Resamples
) -> tuple[np.ndarray, np.ndarray]:
    """AUC (B,) and average precision (B,) of one finding.

    With, at each tie that holds positives, `within` of them in it, `found` down to its end and
    `above` the negatives before it plus half of those in it:
    AUC = sum within (negatives - above) / (positives negatives),
    average precision = sum within found / (images down to its end) / positives.
    """
    auc, precision = np.full((2, len(resamples)), np.nan)
    if positive.all() or not positive.any():
        return auc, precision
    # images from the highest score to the lowest, and the first place of each tie
    order = np.argsort(-scores, kind="stable")
    new = np.diff(scores[order], prepend=np.inf) != 0
    first = np.flatnonzero(new)
    places = np.flatnonzero(positive[order])
    ties, starts = np.unique(np.cumsum(new)[places] - 1, return_index=True)
    ends = np.append(first, len(order))[ties + 1]
    # weights are summed from each tie that holds a positive, and from its end
    cuts = np.unique(np.concatenate([[0], first[ties], ends[ends < len(order)]]))
    tie = np.searchsorted(cuts, first[ties])
    patients, patients_of_positives = (resamples.patients[k] for k in (order, order[places]))
    for start in range(0, len(resamples), CHUNK):
        counts = np.ascontiguousarray(resamples.counts[:, start : start + CHUNK])
        sums = np.add.reduceat(counts[patients], cuts, axis=0)
        down_to, inside = np.cumsum(sums, axis=0, dtype=np.float64)[tie], sums[tie]
        images = sums.sum(axis=0, dtype=np.float64)
        within = np.add.reduceat(counts[patients_of_positives], starts, axis=0)
        found = np.cumsum(within, axis=0, dtype=np.float64)
        positives, negatives = found[-1], images - found[-1]
        above = down_to - found - (inside - within) / 2
        share = np.divide(found, down_to, out=np.zeros_like(found), where=down_to > 0)
        both = (positives > 0) & (negatives > 0)
        columns = np.flatnonzero(both) + start
        right = (within * (negatives - above)).sum(axis=0)
        auc[columns] = right[both] / (positives * negatives)[both]
        precision[columns] = (within * share).sum(axis=0)[both] / positives[both]
    return auc, precision

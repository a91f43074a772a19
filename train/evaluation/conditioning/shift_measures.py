"""Are the shifts right? Where a pin moved p by so much, how far the observed frequency moved.

Without the pin, a case (an image and a finding) is expected to be positive as often as that finding
is among all images of like free probability. What is observed beyond that, among cases of which the
model knew a pin, is what the pin should have moved; this is compared with what it did move.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from train.evaluation.bootstrap import Resamples, interval
from train.evaluation.conditioning.arms import MAIN
from train.evaluation.predictions import SinglePins
from train.evaluation.statistics import Estimate
from train.evaluation.study import Study

EDGES = (-np.inf, -20, -10, -5, -2, -1, -0.3, 0.3, 1, 2, 5, 10, 20, np.inf)
"""Bounds of the bins of a shift, in percentage points of probability."""

LEAST = 30
"""Cases a bin must have to be told."""


@dataclass(frozen=True, eq=False)
class Cases:
    """Cases under pins, one entry each (C,): the image's row, the free probability and the one
    with pins, the truth, and the frequency expected without the pins."""

    row: np.ndarray
    free: np.ndarray
    pinned: np.ndarray
    truth: np.ndarray
    expected: np.ndarray


@dataclass(frozen=True, eq=False)
class Bin:
    """Cases whose probability moved alike. All in probability: shift is the mean of what the model
    moved, observed the frequency less the expected one."""

    low: float
    high: float
    cases: int
    shift: float
    expected: float
    frequency: float
    observed: Estimate


@dataclass(frozen=True, eq=False)
class Reliability:
    """slope: observed over predicted movement, least squares through zero: 1 where shifts are
    right, 0 where they mean nothing, above 1 where they are too small. None without any shift."""

    key: str
    name: str
    cases: int
    bins: tuple[Bin, ...]
    slope: Estimate | None


def measure_shifts(study: Study) -> list[Reliability]:
    """Of single true pins (on the images read so), and of `MAIN` known findings on all images."""
    expected = expected_frequency(study.predictions.free, study.labels)
    parts = []
    single = study.predictions.single
    if single is not None:
        for key, name, positive in (
            ("positive_pin", "One positive pin", True),
            ("negative_pin", "One negative pin", False),
        ):
            cases = _single_cases(single, study.labels, expected, positive)
            parts.append(reliability(key, name, cases, study.resamples))
    cases = _known_cases(study, expected)
    parts.append(reliability(f"known_{MAIN}", f"{MAIN} known", cases, study.resamples))
    return parts


def expected_frequency(free: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """For each case (N, 14), the frequency of the finding among images of like free probability.

    Images are put into parts of at least `LEAST` by rank (at most 50), equal probabilities in
    one, and the frequencies of the parts are made to rise with the probability (`rising`).
    """
    parts = int(np.clip(len(free) // LEAST, 1, 50))
    expected = np.zeros(free.shape)
    for i in range(free.shape[1]):
        inner = np.quantile(free[:, i], np.arange(1, parts) / parts)
        part = np.searchsorted(inner, free[:, i], side="left")
        images = np.bincount(part, minlength=parts)
        positive = np.bincount(part, weights=labels[:, i], minlength=parts)
        expected[:, i] = rising(positive / np.maximum(images, 1), images)[part]
    return expected


def rising(values: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """The nearest sequence that never falls (weighted least squares): pool adjacent violators."""
    blocks: list[tuple[float, float, int]] = []  # mean, weight, how many values
    for value, weight in zip(values.tolist(), weights.tolist(), strict=True):
        blocks.append((value, weight, 1))
        while len(blocks) > 1 and blocks[-2][0] >= blocks[-1][0]:
            (a, v, m), (b, w, n) = blocks[-2:]
            mean = (a * v + b * w) / (v + w) if v + w else a
            blocks[-2:] = [(mean, v + w, m + n)]
    return np.repeat([b[0] for b in blocks], [b[2] for b in blocks])


def reliability(key: str, name: str, cases: Cases, resamples: Resamples) -> Reliability:
    """Bins of the shift and the slope over all cases, with intervals over the patients."""
    shift = cases.pinned - cases.free
    beyond = cases.truth - cases.expected
    which = np.searchsorted(EDGES, 100 * shift, side="right") - 1
    bins = []
    for b in range(len(EDGES) - 1):
        inside = which == b
        count = int(inside.sum())
        if count < LEAST:
            continue
        drawn = _ratio(beyond[inside], np.ones(count), cases.row[inside], resamples)
        bins.append(
            Bin(
                low=EDGES[b],
                high=EDGES[b + 1],
                cases=count,
                shift=float(shift[inside].mean()),
                expected=float(cases.expected[inside].mean()),
                frequency=float(cases.truth[inside].mean()),
                observed=interval(float(beyond[inside].mean()), drawn),
            )
        )
    slope = None
    square = float((shift**2).sum())
    if square > 0:
        value = float((shift * beyond).sum()) / square
        slope = interval(value, _ratio(shift * beyond, shift**2, cases.row, resamples))
    return Reliability(key, name, len(shift), tuple(bins), slope)


def _ratio(
    above: np.ndarray, below: np.ndarray, rows: np.ndarray, resamples: Resamples
) -> np.ndarray:
    """Sum of `above` over sum of `below` in each resample (B,); NaN where the latter is zero."""
    sums = resamples.take(rows).sums(np.stack([above, below], axis=1))
    ratio = np.full(len(sums), np.nan)
    np.divide(sums[:, 0], sums[:, 1], out=ratio, where=sums[:, 1] > 0)
    return ratio


def _single_cases(
    single: SinglePins, labels: np.ndarray, expected: np.ndarray, positive: bool
) -> Cases:
    """All others' cases under the pin of each finding whose truth is as asked."""
    truth = labels[single.rows] > 0.5
    changes = single.positive if positive else single.negative
    image, pin = np.nonzero(truth == positive)
    change = changes[image, pin]
    one, other = np.nonzero(np.isfinite(change))
    rows = single.rows[image[one]]
    free = single.free[image[one], other]
    return Cases(
        row=rows,
        free=free,
        pinned=free + change[one, other],
        truth=labels[rows, other].astype(np.float64),
        expected=expected[rows, other],
    )


def _known_cases(study: Study, expected: np.ndarray) -> Cases:
    return Cases(
        row=np.repeat(np.arange(len(study.index)), study.labels.shape[1]),
        free=study.predictions.free.ravel(),
        pinned=study.predictions.known(MAIN).ravel(),
        truth=study.labels.ravel().astype(np.float64),
        expected=expected.ravel(),
    )

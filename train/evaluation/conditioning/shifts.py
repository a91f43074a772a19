"""Are the shifts right? Where a pin moved p by so much, how far the observed frequency moved.

Without the pin, a case (an image and a finding) is expected to be positive as often as that finding
is among all images of like free probability. What is observed beyond that, among cases of which the
model knew a pin, is what the pin should have moved; this is compared with what it did move.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from sklearn.isotonic import IsotonicRegression

from train.evaluation.bootstrap import Estimate, Resamples, interval
from train.evaluation.predictions import SinglePins
from train.evaluation.section import Section, row, tidy
from train.evaluation.study import Study

MAIN = 7
"""Known findings under which the shifts of all films are measured."""

LEAST = 30
"""Images of like free probability that a frequency is taken over."""


@dataclass(frozen=True, eq=False)
class Cases:
    """Cases under pins, one entry each (C,): the image's row, the free probability and the one
    with pins, the truth, and the frequency expected without the pins."""

    row: np.ndarray
    free: np.ndarray
    pinned: np.ndarray
    truth: np.ndarray
    expected: np.ndarray


def shifts_section(study: Study) -> Section:
    """One true pin, positive or negative, and several known findings: predicted and observed."""
    slopes = (
        row(shift_slope(some, study.resamples), pins=name, cases=len(some.row))
        for name, some in measured_cases(study).items()
    )
    return Section("shifts", frames={"shift_slopes": tidy(slopes)})


def measured_cases(study: Study) -> dict[str, Cases]:
    """Of single true pins (on the images read so), and of `MAIN` known findings on all images."""
    expected = expected_frequency(study.predictions.free, study.labels)
    found = {}
    single = study.predictions.single
    if single is not None:
        found["one positive pin"] = _single_cases(single, study.labels, expected, True)
        found["one negative pin"] = _single_cases(single, study.labels, expected, False)
    found[f"{MAIN} known"] = Cases(
        row=np.repeat(np.arange(len(study.index)), study.labels.shape[1]),
        free=study.predictions.free.ravel(),
        pinned=study.predictions.known(MAIN).ravel(),
        truth=study.labels.ravel().astype(np.float64),
        expected=expected.ravel(),
    )
    return found


def expected_frequency(free: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """For each case (N, 14), the frequency of the finding among images of like free probability.

    Images are put into parts of at least `LEAST` by rank (at most 50), equal probabilities in
    one, and the frequencies of the parts are made to rise with the probability.
    """
    parts = int(np.clip(len(free) // LEAST, 1, 50))
    expected = np.zeros(free.shape)
    for i in range(free.shape[1]):
        inner = np.quantile(free[:, i], np.arange(1, parts) / parts)
        part = np.searchsorted(inner, free[:, i], side="left")
        images = np.bincount(part, minlength=parts)
        positive = np.bincount(part, weights=labels[:, i], minlength=parts)
        some = np.flatnonzero(images)
        rising = IsotonicRegression().fit(some, positive[some] / images[some], images[some])
        expected[:, i] = rising.predict(part)
    return expected


def shift_slope(cases: Cases, resamples: Resamples) -> Estimate | None:
    """Observed over predicted movement, least squares through zero.

    1 where shifts are right, 0 where they mean nothing, above 1 where they are too small. None
    without any shift.
    """
    shift, beyond = cases.pinned - cases.free, cases.truth - cases.expected
    square = float((shift**2).sum())
    if square == 0:
        return None
    sums = resamples.take(cases.row).sums(np.stack([shift * beyond, shift**2], axis=1))
    drawn = np.full(len(sums), np.nan)
    np.divide(sums[:, 0], sums[:, 1], out=drawn, where=sums[:, 1] > 0)
    return interval(float((shift * beyond).sum()) / square, drawn)


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

"""Are the shifts right? Where a pin moved p by so much, how far the observed frequency moved.

Without the pin, a case (an image and a finding) is expected to be positive as often as that finding
is among all images of like free probability. What is observed beyond that, among cases of which the
model knew a pin, is what the pin should have moved; this is compared with what it did move.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from sklearn.isotonic import IsotonicRegression

from train.evaluation.bootstrap import Resamples, interval
from train.evaluation.conditioning.arms import MAIN
from train.evaluation.figures import Line, agreement_figure
from train.evaluation.predictions import SinglePins
from train.evaluation.section import Section, row, select, tidy
from train.evaluation.statistics import Estimate
from train.evaluation.study import Study

EDGES = (-np.inf, -20, -10, -5, -2, -1, -0.3, 0.3, 1, 2, 5, 10, 20, np.inf)
"""Bounds of the bins of a shift, in percentage points of probability."""

LEAST = 30
"""Cases a bin must have to be measured."""


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
    cases = measured_cases(study)
    bins = tidy(
        {"pins": name, **entry}
        for name, some in cases.items()
        for entry in shift_bins(some, study.resamples)
    )
    slopes = tidy(
        row(shift_slope(some, study.resamples), pins=name, cases=len(some.row))
        for name, some in cases.items()
    )
    panels = {}
    for name in cases:
        own = select(bins, pins=name) if len(bins) else bins
        columns = [100 * own[c].to_numpy(dtype=float) for c in ("shift", "value", "low", "high")]
        panels[name] = [Line(name, *columns)] if len(own) else []
    labels = ("shift of p by the model, percentage points", "observed, percentage points")
    return Section(
        key="shifts",
        frames={"shift_slopes": slopes, "shifts": bins},
        figures={"shifts": agreement_figure(panels, labels, linear=1)},
    )


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


def shift_bins(cases: Cases, resamples: Resamples) -> list[dict[str, float]]:
    """Cases whose probability moved alike, one entry for each bin of at least `LEAST` of them.

    from, to: bounds of the bin in percentage points. shift, expected, frequency: means of what the
    model moved, of the frequency expected without the pins and of the truth; value, low, high: what
    was observed beyond what was expected.
    """
    shift, beyond = cases.pinned - cases.free, cases.truth - cases.expected
    which = np.searchsorted(EDGES, 100 * shift, side="right") - 1
    found = []
    for b in range(len(EDGES) - 1):
        inside = which == b
        count = int(inside.sum())
        if count < LEAST:
            continue
        drawn = _ratio(beyond[inside], np.ones(count), cases.row[inside], resamples)
        means = {
            "from": EDGES[b],
            "to": EDGES[b + 1],
            "cases": count,
            "shift": float(shift[inside].mean()),
            "expected": float(cases.expected[inside].mean()),
            "frequency": float(cases.truth[inside].mean()),
        }
        found.append(row(interval(float(beyond[inside].mean()), drawn), **means))
    return found


def shift_slope(cases: Cases, resamples: Resamples) -> Estimate | None:
    """Observed over predicted movement, least squares through zero.

    1 where shifts are right, 0 where they mean nothing, above 1 where they are too small. None
    without any shift.
    """
    shift, beyond = cases.pinned - cases.free, cases.truth - cases.expected
    square = float((shift**2).sum())
    if square == 0:
        return None
    drawn = _ratio(shift * beyond, shift**2, cases.row, resamples)
    return interval(float((shift * beyond).sum()) / square, drawn)


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

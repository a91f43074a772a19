"""Calibration and operating points on images they were not fitted on, with nothing known and with
pins; raw probabilities, and calibrated ones where they differ."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from lmeran.calibration import Calibration, calibrate
from lmeran.findings import FINDINGS, display_name
from train.evaluation.bootstrap import interval
from train.evaluation.calibration.measures import agreement, log_loss, reached, reliability
from train.evaluation.figures import Line, agreement_figure
from train.evaluation.predictions import Scenario, pins_given
from train.evaluation.section import Section, row, tidy
from train.evaluation.statistics import Estimate
from train.evaluation.study import Study

MIX, ALL = "same source", "all"
EVERY, POSITIVE, NEGATIVE = "all", "a positive among them", "negative alone"

POINTS = {"youden": "Youden", "sensitive": "90 % sensitivity"}
"""Fields of `FindingCalibration` and what they are called."""

FINDING_BINS = 5
"""Of one finding there are too few positives for more."""


@dataclass(frozen=True, eq=False)
class Case:
    """Some labels of the study and their probabilities.

    images: of the source the calibration was fitted on, or all. known: findings known; pins: which
    of them, in words. values: kind, "raw" and where they differ "calibrated", to
    probabilities (N, 14). kept: bool (N, 14), the labels in it, of calibrated findings only.
    """

    images: str
    known: int
    pins: str
    values: dict[str, np.ndarray]
    kept: np.ndarray


def calibration_section(study: Study) -> Section | None:
    """Agreement with the labels and operating points; None for a checkpoint without calibration."""
    calibration = study.predictions.checkpoint.calibration
    if calibration is None:
        return None
    cases = cases_of(study, calibration)
    free = cases[0]
    by_known = [c for c in cases if c.images == free.images and c.pins == EVERY]
    panels = {f"{c.known} known": _lines(study, c, c.kept) for c in by_known}
    findings = {}
    for i, finding in enumerate(FINDINGS):
        own = _of_finding(free, i)
        if own.any():
            findings[display_name(finding)] = _lines(study, free, own, FINDING_BINS)
    labels = ("probability", "share observed")
    return Section(
        key="calibration",
        facts={
            "identity": calibration.identity,
            "fitted_on": calibration.described,
            "keeps_raw": calibration.keeps_raw,
            "not_calibrated": [
                name
                for name, f in zip(FINDINGS, calibration.findings, strict=True)
                if f.slope is None
            ],
        },
        frames={
            "calibration": tidy(_agreements(study, cases)),
            "calibration_findings": tidy(_finding_agreements(study, free)),
            "operating_points": tidy(_points(study, calibration, by_known)),
        },
        figures={
            "reliability": agreement_figure(panels, labels),
            "reliability_findings": agreement_figure(findings, labels),
        },
    )


def cases_of(study: Study, calibration: Calibration) -> list[Case]:
    """The images of the fitted source first, each with nothing known first; with the most known
    also apart by whether a positive finding is among them."""
    every = np.ones(len(study.index), dtype=bool)
    selections = {ALL: every}
    if calibration.source is not None and study.index.sources is not None:
        rows = study.index.sources == calibration.source
        if rows.any() and not rows.all():
            selections = {MIX: rows, ALL: every}
    fitted = np.array([f.slope is not None for f in calibration.findings])
    most = study.predictions.known_counts[-1]
    pinned = pins_given(study.index, Scenario(most))[..., 0] > 0
    found = []
    for images, rows in selections.items():
        for known in study.predictions.known_counts:
            values = {"raw": study.predictions.known(known)}
            if not calibration.keeps_raw:
                values["calibrated"] = calibrate(calibration, values["raw"])
            kept = rows[:, None] & fitted
            parts = {EVERY: kept}
            if known == most and most:
                parts |= {POSITIVE: kept & pinned, NEGATIVE: kept & ~pinned}
            found += [Case(images, known, pins, values, mask) for pins, mask in parts.items()]
    return found


def gain(study: Study, case: Case) -> Estimate | None:
    """Mean over labels of the raw log loss less the calibrated one, with its patient bootstrap."""
    if not case.kept.any() or "calibrated" not in case.values:
        return None
    kept, labels = case.kept, study.labels[case.kept]
    difference = np.zeros(kept.shape)
    raw, fitted = (log_loss(labels, case.values[kind][kept]) for kind in ("raw", "calibrated"))
    difference[kept] = raw - fitted
    sums = study.resamples.sums(np.stack([difference.sum(axis=1), kept.sum(axis=1)], axis=1))
    with np.errstate(invalid="ignore", divide="ignore"):
        drawn = sums[:, 0] / sums[:, 1]
    return interval(float(difference[kept].mean()), drawn)


def _agreements(study: Study, cases: list[Case]) -> Iterator[dict[str, Any]]:
    for case in cases:
        keys = {"images": case.images, "known": case.known, "pins": case.pins}
        yield from _agreement(study, case, case.kept, **keys)
        if "calibrated" in case.values:
            measured = gain(study, case)
            yield row(measured, **keys, probability="calibrated", measure="gain of log-likelihood")


def _finding_agreements(study: Study, free: Case) -> Iterator[dict[str, Any]]:
    for i, finding in enumerate(FINDINGS):
        yield from _agreement(study, free, _of_finding(free, i), finding=finding)


def _agreement(study: Study, case: Case, kept: np.ndarray, **keys: Any) -> Iterator[dict[str, Any]]:
    """Every measure of each kind of probability; kept: bool (N, 14)."""
    for kind, values in case.values.items():
        found = agreement(study.labels[kept], values[kept])
        for measure, value in (asdict(found) if found else {}).items():
            yield row(value, **keys, probability=kind, measure=measure)


def _of_finding(case: Case, i: int) -> np.ndarray:
    """The labels of the case that are of one finding, bool (N, 14)."""
    return case.kept & (np.arange(len(FINDINGS)) == i)


def _points(study: Study, calibration: Calibration, cases: list[Case]) -> Iterator[dict[str, Any]]:
    """Sensitivity and specificity of every operating point at the raw probability, here and on the
    validation films it was chosen on."""
    for case in cases:
        for i, finding in enumerate(FINDINGS):
            kept = case.kept[:, i]
            for field, name in POINTS.items():
                point = getattr(calibration.findings[i], field)
                if point is None:
                    continue
                keys = {"known": case.known, "finding": finding, "point": name}
                labels, raw = study.labels[kept, i], case.values["raw"][kept, i]
                sensitivity, specificity = reached(labels, raw, point.threshold)
                yield row(point.threshold, **keys, measure="threshold")
                yield row(point.sensitivity, **keys, measure="sensitivity on validation")
                yield row(sensitivity, **keys, measure="sensitivity")
                yield row(point.specificity, **keys, measure="specificity on validation")
                yield row(specificity, **keys, measure="specificity")


def _lines(study: Study, case: Case, kept: np.ndarray, bins: int = 10) -> list[Line]:
    """The points of a reliability diagram for each kind of probability."""
    lines = []
    for kind, values in case.values.items():
        points = reliability(study.labels[kept], values[kept], bins)
        lines.append(Line.of(kind, [b.mean for b in points], [b.observed for b in points]))
    return lines

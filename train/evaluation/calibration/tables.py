"""The tables of the calibration section."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pandas as pd

from lmeran.calibration import Calibration, OperatingPoint
from lmeran.findings import FINDINGS, display_name
from train.evaluation.calibration.cases import EVERY, Case
from train.evaluation.calibration.measures import Agreement, agreement, reached
from train.evaluation.section import Table
from train.evaluation.statistics import Estimate
from train.evaluation.wording import columns

POINTS = {"youden": "Youden", "sensitive": "90 % sensitivity"}
"""Fields of `FindingCalibration` and what they are called."""

BINS_SAID = "10 bins of equal count (a) and of equal width (b)"


@dataclass(frozen=True)
class Reached:
    """One operating point of one finding on a case; None without a film of that class."""

    finding: str
    name: str
    point: OperatingPoint
    positives: int
    sensitivity: Estimate | None
    specificity: Estimate | None


def case_table(cases: list[Case], keeps_raw: bool) -> Table:
    """Raw and calibrated beside each other for each case."""
    rows = []
    for case in cases:
        raw, fitted = case.agreement(case.raw), case.agreement(case.fitted)
        if raw is None or fitted is None:
            continue
        pins = case.pins if case.known else ""
        head = {"Images": case.images, "Known": case.known, "Pins": pins, "Labels": raw.labels}
        rows.append(head | _beside(raw, None if keeps_raw else fitted))
    return Table(
        "calibration",
        "Agreement of probabilities with labels",
        pd.DataFrame(rows),
        "All calibrated findings together, each scored while it was unknown. Observed, raw, "
        "calibrated: share of positive labels and mean probabilities. NLL in nats. ECE: expected "
        f"calibration error with {BINS_SAID}. Pins: which of the known findings were positive.",
    )


def finding_table(calibration: Calibration, free: Case) -> Table:
    """The same for each finding with nothing known."""
    rows = []
    for i, finding in enumerate(FINDINGS):
        kept = free.kept[:, i]
        labels = free.labels[kept, i]
        raw, fitted = (agreement(labels, p[kept, i]) for p in (free.raw, free.fitted))
        if raw is None or fitted is None:
            continue
        head = {
            "Finding": display_name(finding),
            "Fitted on": calibration.findings[i].positives,
            "Positive": int(labels.sum()),
        }
        rows.append(head | _beside(raw, None if calibration.keeps_raw else fitted))
    return Table(
        "calibration_findings",
        "Each finding with nothing known",
        pd.DataFrame(rows),
        f"{free.images.capitalize()}. Fitted on: positive validation films; Positive: those here. "
        f"ECE with {BINS_SAID}.",
    )


def points_reached(calibration: Calibration, case: Case) -> list[Reached]:
    """Every operating point on a case, at the raw probability."""
    found = []
    for i, finding in enumerate(FINDINGS):
        kept = case.kept[:, i]
        labels, raw = case.labels[kept, i], case.raw[kept, i]
        for field, name in POINTS.items():
            point = getattr(calibration.findings[i], field)
            if point is not None:
                shares = reached(labels, raw, point.threshold)
                found.append(Reached(finding, name, point, int(labels.sum()), *shares))
    return found


def point_table(calibration: Calibration, free: Case) -> Table:
    """Sensitivity and specificity here, beside those the thresholds were chosen by."""
    rows = points_reached(calibration, free)
    frame = pd.DataFrame(
        {
            "Finding": [display_name(r.finding) for r in rows],
            "Point": [r.name for r in rows],
            "Threshold %": [100 * r.point.threshold for r in rows],
            "Positive": [r.positives for r in rows],
            "Sensitivity on validation": [r.point.sensitivity for r in rows],
            **columns("Sensitivity", [r.sensitivity for r in rows]),
            "Specificity on validation": [r.point.specificity for r in rows],
            **columns("Specificity", [r.specificity for r in rows]),
        }
    )
    return Table(
        "operating_points",
        "Operating points with nothing known",
        frame,
        f"{free.images.capitalize()}. Thresholds on the raw free probability. Wilson's 95 % "
        "intervals, which take images to be independent.",
    )


def pin_point_table(calibration: Calibration, cases: list[Case]) -> Table:
    """The same thresholds once findings are known; a CSV alone."""
    rows = [
        (case, r)
        for case in cases
        if case.known and case.pins == EVERY
        for r in points_reached(calibration, case)
    ]
    frame = pd.DataFrame(
        {
            "Images": [case.images for case, _ in rows],
            "Known": [case.known for case, _ in rows],
            "Finding": [display_name(r.finding) for _, r in rows],
            "Point": [r.name for _, r in rows],
            **columns("Sensitivity", [r.sensitivity for _, r in rows]),
            **columns("Specificity", [r.specificity for _, r in rows]),
        }
    )
    return Table(
        "operating_points_known",
        "Operating points with findings known",
        frame,
        "The thresholds chosen with nothing known, at the raw probability with pins.",
        shown=False,
    )


def _beside(raw: Agreement, fitted: Agreement | None) -> dict[str, Any]:
    """Raw and, where that is another number, calibrated beside it."""
    row: dict[str, Any] = {"Observed %": 100 * raw.observed, "Raw %": 100 * raw.expected}
    if fitted is not None:
        row["Calibrated %"] = 100 * fitted.expected
    fields = {"NLL": "nll", "Brier": "brier", "ECE a": "ece_mass", "ECE b": "ece_width"}
    for name, field in fields.items():
        row[f"{name} raw"] = getattr(raw, field)
        if fitted is not None:
            row[f"{name} calibrated"] = getattr(fitted, field)
    return row

"""Calibration and operating points on images they were not fitted on: before and after, with
nothing known and with pins."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from lmeran.calibration import Calibration
from lmeran.findings import FINDINGS
from train.evaluation.calibration.cases import EVERY, Case, cases_of, gain
from train.evaluation.calibration.figures import finding_figure, pins_figure
from train.evaluation.calibration.measures import log_loss, squared_error
from train.evaluation.calibration.tables import (
    case_table,
    finding_table,
    pin_point_table,
    point_table,
    points_reached,
)
from train.evaluation.section import Plot, Section
from train.evaluation.statistics import Estimate
from train.evaluation.study import Study
from train.evaluation.wording import as_json, finding_names, said


def calibration_section(study: Study) -> Section | None:
    """Agreement before and after, operating points; None for a checkpoint without calibration."""
    calibration = study.predictions.checkpoint.calibration
    if calibration is None:
        return None
    cases = cases_of(study, calibration)
    free = cases[0]
    gains = {"nll": gain(study, free, log_loss), "brier": gain(study, free, squared_error)}
    return Section(
        key="calibration",
        title="Calibration and operating points",
        text=_sentences(calibration, cases, gains),
        tables=(
            case_table(cases, calibration.keeps_raw),
            finding_table(calibration, free),
            point_table(calibration, free),
            pin_point_table(calibration, cases),
        ),
        plots=(
            Plot(
                "reliability",
                "Reliability with nothing known and with pins",
                pins_figure(
                    [c for c in cases if c.images == free.images and c.pins == EVERY],
                    calibration.keeps_raw,
                ),
                f"All calibrated findings together, {free.images}. Points: ten bins of equal count "
                "with Wilson's 95 % interval; on the dashed line the share observed is the "
                "probability given.",
            ),
            Plot(
                "reliability_findings",
                "Reliability of each finding with nothing known",
                finding_figure(free, calibration.keeps_raw),
                f"{free.images.capitalize()}, five bins of equal count.",
            ),
        ),
        metrics=_metrics(calibration, cases, gains),
    )


def _sentences(
    calibration: Calibration, cases: list[Case], gains: dict[str, Estimate | None]
) -> tuple[str, ...]:
    free = cases[0]
    raw, fitted = free.agreement(free.raw), free.agreement(free.fitted)
    lines = [
        f"Calibration {calibration.identity} was fitted on {calibration.described}; what follows "
        "is on images of the split measured, none of which it was fitted on."
    ]
    left_out = [i for i, f in enumerate(calibration.findings) if f.slope is None]
    if left_out:
        lines.append(
            f"Not calibrated, for fewer than {calibration.min_positives} positive validation "
            f"films: {finding_names(left_out)}."
        )
    if raw is None or fitted is None:
        return (*lines, "None of these images can be measured.")
    beside = "" if calibration.keeps_raw else f", calibrated ones {100 * fitted.expected:.1f} %"
    lines.append(
        f"With nothing known ({free.images}), raw probabilities are {100 * raw.expected:.1f} % on "
        f"average{beside}; {100 * raw.observed:.1f} % of the labels are positive."
    )
    if calibration.keeps_raw:
        lines.append(
            "No map is applied: for no finding did Platt scaling gain on patients left out of its "
            "fit, beyond one standard error and at every number of known findings."
        )
    else:
        lines += [
            f"Calibration error with bins of equal count goes from {raw.ece_mass:.4f} to "
            f"{fitted.ece_mass:.4f}, of equal width from {raw.ece_width:.4f} to "
            f"{fitted.ece_width:.4f}.",
            f"The log-likelihood of a label gains {said(gains['nll'], 5, sign=True)} nats; "
            f"{_verdict(gains['nll'])}.",
        ]
    lines.append(
        "By the number of findings known (a calibration slope of 1 is right, below 1 probabilities "
        "are too far apart; a shift of 0 is right, above 0 findings are more frequent than said):"
    )
    for case in (c for c in cases if c.images == free.images and c.pins == EVERY):
        lines.append(_by_pins(case, calibration.keeps_raw))
    other = next((c for c in cases if c.images != free.images), None)
    if other is not None:
        found = other.agreement(other.fitted)
        lines.append(
            f"On {other.images}, where findings occur as often as their sources have them, "
            f"probabilities are {100 * found.expected:.1f} % on average and "
            f"{100 * found.observed:.1f} % of the labels are positive: the calibration holds for "
            "its mix alone."
        )
    return tuple(lines)


def _by_pins(case: Case, keeps_raw: bool) -> str:
    """How probabilities, calibrated where that is another number, hold with findings known."""
    found = case.agreement(case.fitted)
    line = (
        f"{case.known or 'None'} known: {'raw' if keeps_raw else 'calibrated'} "
        f"{100 * found.expected:.1f} % on average, observed {100 * found.observed:.1f} %, "
        f"error with bins of equal count {found.ece_mass:.4f}"
    )
    if found.slope is None or found.shift is None:
        return line + "."
    return f"{line}; calibration slope {found.slope:.2f}, shift {found.shift:+.2f} in log-odds."


def _verdict(gain: Estimate) -> str:
    if gain.low is None or gain.high is None:
        return "there are too few patients for an interval"
    if gain.low > 0:
        return "beyond what chance explains"
    return "a loss beyond chance" if gain.high < 0 else "a gain is not shown"


def _metrics(
    calibration: Calibration, cases: list[Case], gains: dict[str, Estimate | None]
) -> dict[str, Any]:
    points: dict[str, Any] = {finding: {} for finding in FINDINGS}
    for r in points_reached(calibration, cases[0]):
        points[r.finding][r.name] = {
            "threshold": r.point.threshold,
            "validation": {
                "sensitivity": r.point.sensitivity,
                "specificity": r.point.specificity,
            },
            "positives": r.positives,
            "sensitivity": as_json(r.sensitivity),
            "specificity": as_json(r.specificity),
        }
    return {
        "identity": calibration.identity,
        "fitted_on": calibration.described,
        "keeps_raw": calibration.keeps_raw,
        "cases": [_case_json(case, calibration.keeps_raw) for case in cases],
        **({} if calibration.keeps_raw else {f"gain_{k}": as_json(g) for k, g in gains.items()}),
        "operating_points": points,
    }


def _case_json(case: Case, keeps_raw: bool) -> dict[str, Any]:
    raw, fitted = case.agreement(case.raw), case.agreement(case.fitted)
    return {
        "images": case.images,
        "known": case.known,
        "pins": case.pins,
        "raw": None if raw is None else asdict(raw),
        **({} if keeps_raw else {"calibrated": None if fitted is None else asdict(fitted)}),
    }

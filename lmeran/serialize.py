"""A reading as plain data: the JSON and CSV of the command line and of the API."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from lmeran.calibration import Calibration, calibrate, is_above
from lmeran.checkpoint import Checkpoint
from lmeran.findings import FINDINGS, State
from lmeran.ood import OODResult
from lmeran.predictor import Reading

DIGITS = 6
_FORMULA_SIGNS = ("=", "+", "-", "@", "\t", "\r", "\n", "'")

FITTED = ("calibrated_free", "calibrated", "percentile", "above_youden", "above_sensitivity_90")
"""What a calibrated checkpoint adds to each finding, beside the raw probabilities. The calibrated
ones are left out where they are the raw ones for every finding (`fitted_names`)."""


def reading_object(
    file: str,
    checkpoint: str,
    reading: Reading,
    warnings: tuple[str, ...],
    gate: OODResult | None = None,
) -> dict[str, Any]:
    """One film: file, checkpoint, calibration, gate, warnings and its 14 findings.

    Of each finding `raw_findings`, and with a calibrated checkpoint the entries `fitted_names`,
    null where a finding is not calibrated or pinned. "calibration" is the identity of the
    calibration and "gate" score, threshold and verdict; null where the checkpoint has none.
    """
    film = error_object(file, checkpoint, None) | {"findings": raw_findings(reading)}
    film["warnings"] = [*warnings, *(gate.warnings if gate else ()), *reading.warnings]
    film["gate"] = None if gate is None else ood_object(gate)
    if reading.calibration is not None:
        film["calibration"] = reading.calibration.identity
        names = fitted_names(reading.calibration)
        for entry, fitted in zip(film["findings"], fitted_findings(reading), strict=True):
            entry |= {name: fitted[name] for name in names}
    return film


def raw_findings(reading: Reading) -> list[dict[str, Any]]:
    """finding, state, and the raw probabilities: free, conditioned (null where pinned)."""
    return [
        {
            "finding": finding,
            "state": State(int(reading.states[i])).word,
            "free": round(float(reading.free[i]), DIGITS),
            "conditioned": plain(reading.conditioned[i]),
        }
        for i, finding in enumerate(FINDINGS)
    ]


def fitted_names(calibration: Calibration | None) -> tuple[str, ...]:
    """The entries of `FITTED` that say something."""
    if calibration is None:
        return ()
    same = ("calibrated_free", "calibrated") if calibration.keeps_raw else ()
    return tuple(name for name in FITTED if name not in same)


def fitted_findings(reading: Reading) -> list[dict[str, Any]]:
    """All entries of `FITTED` for each finding of a calibrated reading.

    percentile: percent of the validation films with a lower free probability. above_...: whether
    the raw probability of this reading (with its pins) reaches the operating point.
    """
    if reading.calibration is None:
        raise ValueError("the reading is not calibrated")
    free = calibrate(reading.calibration, reading.free)
    calibrated = calibrate(reading.calibration, reading.conditioned)
    return [
        {
            "calibrated_free": plain(free[i]),
            "calibrated": plain(calibrated[i]),
            "percentile": round(float(reading.percentile[i]), 1),
            "above_youden": is_above(finding.youden, float(reading.conditioned[i])),
            "above_sensitivity_90": is_above(finding.sensitive, float(reading.conditioned[i])),
        }
        for i, finding in enumerate(reading.calibration.findings)
    ]


def ood_object(gate: OODResult) -> dict[str, Any]:
    """The gate's verdict on a film."""
    score, threshold = round(gate.score, DIGITS), round(gate.threshold, DIGITS)
    return {"score": score, "threshold": threshold, "accepted": gate.accepted}


def error_object(file: str, checkpoint: str, error: str | None) -> dict[str, Any]:
    """The same shape for a file that could not be read."""
    return {
        "file": file,
        "checkpoint": checkpoint,
        "calibration": None,
        "gate": None,
        "warnings": [],
        "findings": [],
        "error": error,
    }


def csv_columns(checkpoint: Checkpoint) -> tuple[str, ...]:
    """file; the 14 findings, raw; per entry of `fitted_names` 14 columns named FINDING_entry; the
    gate; warnings, one after the other; error. What was not fitted has no column."""
    fitted = [f"{f}_{name}" for name in fitted_names(checkpoint.calibration) for f in FINDINGS]
    gate = ["gate_score", "gate_accepted"] if checkpoint.gate is not None else []
    return ("file", *FINDINGS, *fitted, *gate, "warnings", "error")


def plain_cell(text: str) -> str:
    """A CSV cell that a spreadsheet takes for text: an apostrophe before what starts a formula, and
    before an apostrophe, so that what stands behind the first one is the text."""
    return f"'{text}" if text.startswith(_FORMULA_SIGNS) else text


def csv_row(film: dict[str, Any]) -> dict[str, Any]:
    """`reading_object` or `error_object` as a CSV row under `csv_columns`; raw: the probability
    with the pins, of a pinned finding the free one."""
    row: dict[str, Any] = {"file": plain_cell(film["file"]), "error": film["error"] or ""}
    row["warnings"] = " ".join(film["warnings"])
    for entry in film["findings"]:
        shown = entry["free"] if entry["conditioned"] is None else entry["conditioned"]
        row[entry["finding"]] = shown
        row |= {f"{entry['finding']}_{name}": entry[name] for name in FITTED if name in entry}
    if film["gate"] is not None:
        row |= {"gate_score": film["gate"]["score"], "gate_accepted": film["gate"]["accepted"]}
    return row


def plain(values: ArrayLike) -> Any:
    """A number or an array as JSON has it: rounded, in nested lists, null in place of NaN."""
    array = np.asarray(values, dtype=np.float64)
    if array.ndim:
        return [plain(row) for row in array]
    return None if np.isnan(array) else round(float(array), DIGITS)

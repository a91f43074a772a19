"""A reading as plain data: the JSON of the command line and of the API."""

from __future__ import annotations

from typing import Any

import numpy as np

from lmeran.findings import FINDINGS, State
from lmeran.predictor import Reading

DIGITS = 6


def reading_object(
    file: str, checkpoint: str, reading: Reading, warnings: tuple[str, ...]
) -> dict[str, Any]:
    """One film: file, checkpoint, warnings and its 14 findings; `conditioned` null where pinned."""
    return {
        "file": file,
        "checkpoint": checkpoint,
        "warnings": list(warnings + reading.warnings),
        "findings": [
            {
                "finding": finding,
                "state": State(int(reading.states[i])).name.lower(),
                "free": round(float(reading.free[i]), DIGITS),
                "conditioned": _number(reading.conditioned[i]),
            }
            for i, finding in enumerate(FINDINGS)
        ],
        "error": None,
    }


def error_object(file: str, checkpoint: str, error: str) -> dict[str, Any]:
    """The same shape for a file that could not be read."""
    return {"file": file, "checkpoint": checkpoint, "warnings": [], "findings": [], "error": error}


def csv_row(film: dict[str, Any]) -> dict[str, Any]:
    """`reading_object` or `error_object` as a CSV row: file, the 14 findings, error."""
    row: dict[str, Any] = {"file": film["file"], "error": film["error"] or ""}
    for entry in film["findings"]:
        shown = entry["free"] if entry["conditioned"] is None else entry["conditioned"]
        row[entry["finding"]] = shown
    return row


CSV_COLUMNS = ("file", *FINDINGS, "error")


def _number(value: float) -> float | None:
    return None if np.isnan(value) else round(float(value), DIGITS)

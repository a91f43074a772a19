"""What is left out of a fit to see whether it carries over: whole sources of films, else patients.

A fit that is scored on other patients of the same sources looks better than it is on a film from
elsewhere, which is what a reader opens.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from train.data.table import DataError

LEAST = 30
"""A source with fewer films says too little to be left out; they stay in every fit."""

FEWEST = 3
"""With fewer sources that are large enough, patients are left out."""

FOLDS = 5


@dataclass(frozen=True, eq=False)
class LeftOut:
    """what: left out at a time. rounds: rows fitted on and rows left out, no patient in both."""

    what: Literal["sources", "patients"]
    rounds: list[tuple[np.ndarray, np.ndarray]]


def leave_out(patients: np.ndarray, sources: np.ndarray | None) -> LeftOut:
    """Sources of at least `LEAST` films, where there are `FEWEST`; else patients in five parts.

    patients, sources: of each film, (N,). Raises `DataError` for fewer than five patients.
    """
    if sources is not None:
        names, counts = np.unique(sources.astype(str), return_counts=True)
        held = [np.flatnonzero(sources == name) for name in names[counts >= LEAST]]
        if len(held) >= FEWEST:
            return LeftOut("sources", [(_without(rows, patients), rows) for rows in held])
    known, patient = np.unique(patients, return_inverse=True)
    if len(known) < FOLDS:
        raise DataError(f"A fit needs films of at least {FOLDS} patients: {len(known)}.")
    part = np.random.default_rng(0).permutation(len(known))[patient] % FOLDS
    held = [np.flatnonzero(part == k) for k in range(FOLDS)]
    return LeftOut("patients", [(_without(rows, patients), rows) for rows in held])


def _without(rows: np.ndarray, patients: np.ndarray) -> np.ndarray:
    """All rows of patients who have none of these rows."""
    return np.flatnonzero(~np.isin(patients, patients[rows]))

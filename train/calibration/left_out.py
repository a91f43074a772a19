"""What is left out of a fit to see whether it carries over: whole sources of films, else patients.

A fit that is scored on other patients of the same sources looks better than it is on a film from
elsewhere, which is what a reader opens.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

import numpy as np

LEAST = 30
"""A source with fewer films says too little to be left out; they stay in every fit."""

FEWEST = 3
"""With fewer sources that are large enough, patients are left out."""

FOLDS = 5


@dataclass(frozen=True, eq=False)
class LeftOut:
    """what: left out at a time. number: int64 (N,), group of each film, -1 of none. names: of the
    groups, for sources. patients: (N,)."""

    what: Literal["sources", "patients"]
    number: np.ndarray
    names: tuple[str, ...]
    patients: np.ndarray

    @property
    def groups(self) -> list[np.ndarray]:
        """Rows of each group."""
        return [np.flatnonzero(self.number == g) for g in range(self.number.max() + 1)]

    def rounds(self) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """(rows fitted on, rows left out), a group at a time; no patient is in both."""
        for rows in self.groups:
            outside = (self.number != self.number[rows[0]]) & ~np.isin(
                self.patients, self.patients[rows]
            )
            yield np.flatnonzero(outside), rows


def leave_out(patients: np.ndarray, sources: np.ndarray | None) -> LeftOut:
    """Sources of at least `LEAST` films, where there are `FEWEST`; else patients in five parts.

    patients, sources: of each film, (N,). Raises `ValueError` for fewer than five patients.
    """
    known, patient = np.unique(patients, return_inverse=True)
    if sources is not None:
        names, source, counts = np.unique(
            sources.astype(str), return_inverse=True, return_counts=True
        )
        large = np.flatnonzero(counts >= LEAST)
        if len(large) >= FEWEST:
            place = np.full(len(names), -1)
            place[large] = np.arange(len(large))
            return LeftOut("sources", place[source], tuple(names[large].tolist()), patient)
    if len(known) < FOLDS:
        raise ValueError(f"a fit needs films of at least {FOLDS} patients: {len(known)}")
    parts = np.random.default_rng(0).permutation(len(known))[patient] % FOLDS
    return LeftOut("patients", parts, (), patient)

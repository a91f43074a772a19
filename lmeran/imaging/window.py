"""Values to gray: the windows, tables and ramps of PS3.3 C.11.2, as pure functions."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


class BrokenError(ValueError):
    """An attribute is there but cannot be used."""


@dataclass(frozen=True, eq=False)
class LookUpTable:
    """A LUT of PS3.3 C.11.1.1 or C.11.2.1.1: entries from the value `first` on.

    white: the entry that is shown white. name: what the reader sees.
    """

    first: int
    entries: np.ndarray
    white: float
    name: str = ""

    def map(self, values: np.ndarray) -> np.ndarray:
        """Entries of the values; those before and after the table get its first and last entry."""
        index = np.clip(np.rint(values) - self.first, 0, len(self.entries) - 1)
        return self.entries[index.astype(np.intp)]

    def to_gray(self, values: np.ndarray) -> np.ndarray:
        """The same on the scale 0 to 1 of the table's output range."""
        return self.map(values) / self.white


@dataclass(frozen=True)
class Window:
    """Window Center and Width (0028,1050), (0028,1051) and VOI LUT Function (0028,1056).

    Raises `BrokenError` for a function or width that the standard does not allow.
    """

    center: float
    width: float
    function: str = "LINEAR"
    name: str = ""

    def __post_init__(self) -> None:
        least = {"LINEAR": 1.0, "LINEAR_EXACT": 0.0, "SIGMOID": 0.0}.get(self.function)
        usable = least is not None and np.isfinite((self.center, self.width)).all()
        if not usable or self.width < least or self.width == 0:
            raise BrokenError

    def to_gray(self, values: np.ndarray) -> np.ndarray:
        """Values to 0 to 1 by the formulas of PS3.3 C.11.2.1.2 and C.11.2.1.3."""
        if self.function == "SIGMOID":
            steepness = np.clip(-4 * (values - self.center) / self.width, -700, 700)
            return 1 / (1 + np.exp(steepness))
        # Only LINEAR has the half pixel and the one less: it counts values, the others measure.
        half, one = (0.5, 1.0) if self.function == "LINEAR" else (0.0, 0.0)
        center, width = self.center - half, self.width - one
        if width == 0:
            return (values > center).astype(np.float64)
        return np.clip((values - center) / width + 0.5, 0, 1)


@dataclass(frozen=True)
class Ramp:
    """Black at `low`, white at `high`, straight between: a window that no file gave."""

    low: float
    high: float
    name: str = ""

    def to_gray(self, values: np.ndarray) -> np.ndarray:
        """Values to 0 to 1."""
        return np.clip((values - self.low) / (self.high - self.low), 0, 1)


Voi = Window | LookUpTable | Ramp
"""What brings values to gray ("values of interest")."""

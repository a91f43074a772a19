"""The values of a film behind its display pixels, without loss, so that they can be windowed."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from lmeran.imaging.window import Ramp, Voi

AS_STORED = "as stored"


@dataclass(frozen=True, eq=False)
class GrayValues:
    """Values after the modality LUT, written as whole codes from 0.

    codes: uint8 or uint16 (H, W).
    vois: ways to bring the values to gray, at least one; the first made the display pixels.
    first: the stored value that is code 0.
    slope, intercept: real value = slope x stored value + intercept, unless there is a
    table: float64, the real value of each code (Modality LUT Sequence (0028,3000)).
    unit: of the real values, "" where the file does not say.
    inverted: low values are bright (MONOCHROME1).
    padding: first and last code of pixels that are no picture and stay black, None without any.
    """

    codes: np.ndarray
    vois: tuple[Voi, ...]
    first: int = 0
    slope: float = 1.0
    intercept: float = 0.0
    table: np.ndarray | None = None
    unit: str = ""
    inverted: bool = False
    padding: tuple[int, int] | None = None

    def real(self) -> np.ndarray:
        """The real value of each code from 0 to the largest there is, float64."""
        if self.table is not None:
            return self.table
        codes = np.arange(float(int(self.codes.max()) + 1))
        return (codes + self.first) * self.slope + self.intercept

    def display_table(self, voi: Voi | None = None) -> np.ndarray:
        """The gray each code is shown in, uint8; voi None: the first."""
        gray = (voi or self.vois[0]).to_gray(self.real())
        table = np.rint((1 - gray if self.inverted else gray) * 255).astype(np.uint8)
        if self.padding is not None:
            table[self.padding[0] : self.padding[1] + 1] = 0
        return table


def plain_values(pixels: np.ndarray) -> GrayValues:
    """The values of a picture whose display pixels, uint8, are all there is."""
    return GrayValues(pixels, (Ramp(0, 255, AS_STORED),))


def codes_of(stored: np.ndarray) -> tuple[np.ndarray, int]:
    """Stored values, (u)int8 or (u)int16, as codes from 0, and the value that is code 0.

    No copy where they are codes already.
    """
    low, high = int(stored.min()), int(stored.max())
    # Unsigned arithmetic wraps, which is what brings signed values to their distance from low.
    codes = stored.view(f"u{stored.itemsize}")
    if low:
        codes = codes - codes.dtype.type(low % 2 ** (8 * stored.itemsize))
    if high - low < 256:
        codes = codes.astype(np.uint8, copy=False)
    return np.ascontiguousarray(codes), low

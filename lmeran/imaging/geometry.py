"""Where the network's square lies on the original film, and the way back for any map."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np


@dataclass(frozen=True)
class Geometry:
    """A film of height x width original pixels, stretched to a square of `size` pixels.

    Points are (x, y) in continuous coordinates: pixel (column c, row r) covers c .. c+1, r .. r+1.
    """

    height: int
    width: int
    size: int

    def map_to_original(self, values: np.ndarray) -> np.ndarray:
        """A map over cells (h, w) to float32 (height, width), bilinear between cell centres."""
        return cv2.resize(
            np.ascontiguousarray(values, dtype=np.float32),
            (self.width, self.height),
            interpolation=cv2.INTER_LINEAR,
        )

    def cell_box(self, row: int, column: int, grid: int) -> tuple[float, float, float, float]:
        """Left, top, right, bottom of one cell of a grid x grid map, in original pixels."""
        return (
            column * self.width / grid,
            row * self.height / grid,
            (column + 1) * self.width / grid,
            (row + 1) * self.height / grid,
        )

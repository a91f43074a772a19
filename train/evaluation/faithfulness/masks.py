"""Taking cells of a film away, or giving them back, in the order of a map. Pure functions.

Deletion and insertion: Petsiuk, Das and Saenko, "RISE", BMVC 2018. Imputation: Rong et al., "A
Consistent and Efficient Evaluation Strategy for Attribution Methods" (ROAD), ICML 2022.
"""

from __future__ import annotations

import cv2
import numpy as np
from scipy.sparse import csr_array, diags_array, eye_array, kron
from scipy.sparse.linalg import spsolve

from lmeran.config import CELL_STRIDE

SHARES = np.linspace(0, 1, 9)
"""Shares of the cells at which a curve is measured, from none to all."""

ROAD_SHARES = (0.2, 0.4, 0.6, 0.8)
"""Shares of the cells taken away for ROAD."""

ROAD_BLOCK = 4
"""Missing parts are solved for in blocks of 4 x 4 pixels: they are smooth, and it is fast."""

ROAD_NOISE = 0.01
"""Standard deviation of the noise on what is imputed, in gray from 0 to 1, as in ROAD's code."""


def cell_order(values: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Cells of a map (h, w) from the highest to the lowest, int64 (h w,); ties in random order."""
    shuffled = rng.permutation(values.size)
    return shuffled[np.argsort(-values.ravel()[shuffled], kind="stable")]


def first_cells(order: np.ndarray, share: float) -> np.ndarray:
    """Bool (h w,), the first cells of an order, `share` of them, rounded."""
    chosen = np.zeros(len(order), dtype=bool)
    chosen[order[: round(share * len(order))]] = True
    return chosen


def pixels_of(cells: np.ndarray, size: int) -> np.ndarray:
    """Bool (size, size), the pixels of chosen cells (h w,)."""
    grid = round(len(cells) ** 0.5)
    side = size // grid
    return cells.reshape(grid, grid).repeat(side, axis=0).repeat(side, axis=1)


class Film:
    """A film, gray 0 .. 1 float32 (S, S), and what it is altered with.

    rng: of the noise on what is imputed, the same for all pictures of the film.
    """

    def __init__(self, gray: np.ndarray, rng: np.random.Generator) -> None:
        self.gray = gray
        self.mean = np.float32(gray.mean(dtype=np.float64))
        self.blurred = cv2.GaussianBlur(gray, (0, 0), CELL_STRIDE)
        self.noise = ROAD_NOISE * rng.standard_normal(gray.shape, dtype=np.float32)
        side = len(gray) // ROAD_BLOCK
        self.coarse = cv2.resize(gray, (side, side), interpolation=cv2.INTER_AREA)
        self.means = neighbour_means(side, side)

    def pictures(self, order: np.ndarray) -> list[np.ndarray]:
        """Float32 (S, S): the first cells of an order gray, for each of `SHARES`; all but the first
        cells blurred, for each of them; then for each of `ROAD_SHARES` the first cells imputed, and
        for each the last ones."""
        away = [pixels_of(first_cells(order, share), len(self.gray)) for share in SHARES]
        return [
            *(np.where(missing, self.mean, self.gray) for missing in away),
            *(np.where(missing, self.gray, self.blurred) for missing in away),
            *(
                self.without(pixels_of(first_cells(cells, share), len(self.gray)))
                for cells in (order, order[::-1])
                for share in ROAD_SHARES
            ),
        ]

    def without(self, missing: np.ndarray) -> np.ndarray:
        """The film with missing pixels (S, S) imputed."""
        return np.where(missing, self.around(missing), self.gray)

    def around(self, missing: np.ndarray) -> np.ndarray:
        """What missing pixels (S, S), whole cells, are imputed with.

        Every missing block is the weighted mean of its eight neighbours, known or missing
        themselves: a linear system. A little noise is added, so that the smoothness does not tell
        what is missing.
        """
        unknown = missing[::ROAD_BLOCK, ::ROAD_BLOCK]
        solved = solve_missing(self.coarse, unknown, self.means).astype(np.float32)
        smooth = cv2.resize(solved, self.gray.shape[::-1], interpolation=cv2.INTER_LINEAR)
        return np.clip(smooth + self.noise, 0, 1)


def area(curve: np.ndarray) -> np.ndarray:
    """Area under curves (..., len(SHARES)) by trapezes: the mean height."""
    return np.trapezoid(curve, SHARES, axis=-1)


def solve_missing(picture: np.ndarray, missing: np.ndarray, means: csr_array) -> np.ndarray:
    """A picture (H, W) whose missing pixels each equal the weighted mean of their neighbours.

    means: `neighbour_means` of its size. float64; unchanged where nothing is missing. At least one
    pixel must be known.
    """
    filled = picture.astype(np.float64)
    unknown = np.flatnonzero(missing)
    if not len(unknown):
        return filled
    known = np.flatnonzero(~missing)
    rows = means[unknown]
    system = diags_array(np.ones(len(unknown))) - rows[:, unknown]
    filled.flat[unknown] = spsolve(system.tocsc(), rows[:, known] @ filled.ravel()[known])
    return filled


def neighbour_means(height: int, width: int) -> csr_array:
    """The matrix (H W, H W) that takes the mean of each pixel's neighbours with ROAD's weights:
    sides twice as much as corners."""
    down, across = (diags_array((1.0, 1.0), offsets=(-1, 1), shape=(n, n)) for n in (height, width))
    sides = kron(down, eye_array(width)) + kron(eye_array(height), across)
    matrix = (sides / 6 + kron(down, across) / 12).tocsr()
    return diags_array(1 / matrix.sum(axis=1)) @ matrix

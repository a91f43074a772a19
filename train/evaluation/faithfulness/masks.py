"""Taking cells of a film away, or giving them back, in the order of a map. Pure functions.

Deletion and insertion: Petsiuk, Das and Saenko, "RISE", BMVC 2018. Imputation: Rong et al., "A
Consistent and Efficient Evaluation Strategy for Attribution Methods" (ROAD), ICML 2022.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import cv2
import numpy as np
from scipy.sparse import coo_array, csr_array, diags_array
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

_NEIGHBOURS = tuple(
    ((down, across), 1 / 6 if 0 in (down, across) else 1 / 12)
    for down in (-1, 0, 1)
    for across in (-1, 0, 1)
    if (down, across) != (0, 0)
)
"""ROAD's weights: sides twice as much as corners."""


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


@dataclass(frozen=True)
class Altered:
    """A film without some of its cells.

    fill: what they give way to, "gray" (the film's mean), "blur" (the film under a Gaussian of
    `CELL_STRIDE` pixels) or "around" (imputed). missing: the cells, bool (h w,) as bytes, so that
    equal pictures are one entry of a dictionary.
    """

    fill: Literal["gray", "blur", "around"]
    missing: bytes

    @classmethod
    def of(cls, fill: Literal["gray", "blur", "around"], missing: np.ndarray) -> Altered:
        # with nothing missing there is nothing to fill
        return cls(fill if missing.any() else "gray", missing.tobytes())


def deletions(order: np.ndarray) -> list[Altered]:
    """The first cells gray, for each of `SHARES`."""
    return [Altered.of("gray", first_cells(order, share)) for share in SHARES]


def insertions(order: np.ndarray) -> list[Altered]:
    """All but the first cells blurred, for each of `SHARES`."""
    return [Altered.of("blur", ~first_cells(order, share)) for share in SHARES]


def imputations(order: np.ndarray) -> list[Altered]:
    """The first cells imputed, for each of `ROAD_SHARES`."""
    return [Altered.of("around", first_cells(order, share)) for share in ROAD_SHARES]


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

    def picture(self, altered: Altered) -> np.ndarray:
        """Float32 (S, S)."""
        missing = pixels_of(np.frombuffer(altered.missing, dtype=bool), len(self.gray))
        fills = {"gray": lambda _: self.mean, "blur": lambda _: self.blurred, "around": self.around}
        return np.where(missing, fills[altered.fill](missing), self.gray)

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
    """The matrix (H W, H W) that takes the weighted mean of each pixel's neighbours."""
    row, column = np.indices((height, width))
    from_, to, weights = [], [], []
    for (down, across), weight in _NEIGHBOURS:
        y, x = row + down, column + across
        inside = (y >= 0) & (y < height) & (x >= 0) & (x < width)
        from_.append((row * width + column)[inside])
        to.append((y * width + x)[inside])
        weights.append(np.full(int(inside.sum()), weight))
    places = (np.concatenate(from_), np.concatenate(to))
    matrix = coo_array((np.concatenate(weights), places), shape=(height * width,) * 2).tocsr()
    return diags_array(1 / matrix.sum(axis=1)) @ matrix

"""Taking cells of a film away, or giving them back, in the order of a map. Pure functions.

Deletion and insertion: Petsiuk, Das and Saenko, "RISE", BMVC 2018. Imputation: Rong et al., "A
Consistent and Efficient Evaluation Strategy for Attribution Methods" (ROAD), ICML 2022.
"""

from __future__ import annotations

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
    """Bool (S, S) pixels of the first cells of an order, `share` of them, rounded."""
    grid = round(len(order) ** 0.5)
    chosen = np.zeros(len(order), dtype=bool)
    chosen[order[: round(share * len(order))]] = True
    return chosen.reshape(grid, grid).repeat(CELL_STRIDE, axis=0).repeat(CELL_STRIDE, axis=1)


def deletions(film: np.ndarray, order: np.ndarray, shares: np.ndarray) -> list[np.ndarray]:
    """The film, gray 0 .. 1 (S, S), with its first cells set to its mean gray, for each share."""
    mean = film.mean(dtype=np.float64)
    return [np.where(first_cells(order, share), mean, film) for share in shares]


def insertions(film: np.ndarray, order: np.ndarray, shares: np.ndarray) -> list[np.ndarray]:
    """The film blurred by a Gaussian of one cell, with its first cells sharp, for each share."""
    blurred = cv2.GaussianBlur(film, (0, 0), CELL_STRIDE)
    return [np.where(first_cells(order, share), film, blurred) for share in shares]


def area(curve: np.ndarray) -> np.ndarray:
    """Area under curves (..., len(SHARES)) by trapezes: the mean height."""
    return np.trapezoid(curve, SHARES, axis=-1)


def imputed(film: np.ndarray, missing: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """The film (S, S) with its missing pixels (bool, whole cells) filled from around them.

    Every missing block is the weighted mean of its eight neighbours, known or missing themselves:
    a linear system. A little noise is added, so that the smoothness does not tell what is missing.
    """
    side = len(film) // ROAD_BLOCK
    coarse = cv2.resize(film, (side, side), interpolation=cv2.INTER_AREA)
    unknown = missing[::ROAD_BLOCK, ::ROAD_BLOCK]
    solved = solve_missing(coarse, unknown)
    smooth = cv2.resize(solved, film.shape[::-1], interpolation=cv2.INTER_LINEAR)
    noise = ROAD_NOISE * rng.standard_normal(film.shape)
    return np.where(missing, np.clip(smooth + noise, 0, 1), film)


def solve_missing(picture: np.ndarray, missing: np.ndarray) -> np.ndarray:
    """A picture (H, W) whose missing pixels each equal the weighted mean of their neighbours.

    float64; unchanged where nothing is missing. At least one pixel must be known.
    """
    filled = picture.astype(np.float64)
    unknown = np.flatnonzero(missing)
    if not len(unknown):
        return filled
    known = np.flatnonzero(~missing)
    rows = _neighbour_means(*picture.shape)[unknown]
    system = diags_array(np.ones(len(unknown))) - rows[:, unknown]
    filled.flat[unknown] = spsolve(system.tocsc(), rows[:, known] @ filled.ravel()[known])
    return filled


def _neighbour_means(height: int, width: int) -> csr_array:
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

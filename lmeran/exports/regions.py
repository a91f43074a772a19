"""Where a map lies on the film: its peak, its centroid and the boxes of its places, in pixels."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from lmeran.imaging.geometry import Geometry
from lmeran.model.maps import CONTOUR_LEVEL, AttentionMap

_X, _Y, _WIDTH, _HEIGHT, _AREA = range(5)
"""Columns of OpenCV's statistics of a component."""


@dataclass(frozen=True)
class Region:
    """One connected place inside the contour, in pixels of the original film.

    box: left, top, right, bottom. centroid: x, y, weighted by the map. area: pixels.
    share: of all that the map holds on the film, 0 .. 1.
    """

    box: tuple[float, float, float, float]
    centroid: tuple[float, float]
    area: int
    share: float


@dataclass(frozen=True)
class MapRegions:
    """A map's places. Points are continuous: pixel (column c, row r) covers c .. c+1, r .. r+1.

    level: share of the maximum at which the contour lies. peak: x, y of the middle of the
    strongest cell. centroid: x, y of all that lies inside the contour, weighted by the map.
    regions: largest share first; empty for a map that is zero everywhere.
    """

    level: float
    peak: tuple[float, float]
    centroid: tuple[float, float]
    regions: tuple[Region, ...]


def map_regions(
    attention: AttentionMap, geometry: Geometry, level: float = CONTOUR_LEVEL
) -> MapRegions:
    """The places of one map where it is at least `level` of its own maximum.

    The map is laid on the film bilinearly between cell centres, as it is shown. Pixels that touch
    at a corner are one place.
    """
    field = geometry.map_to_original(attention.values)
    top = float(field.max())
    inside = (field >= level * top) & (top > 0)
    _, labels, stats, _ = cv2.connectedComponentsWithStats(
        inside.astype(np.uint8), connectivity=8, ltype=cv2.CV_32S
    )
    total = float(field.sum(dtype=np.float64))
    places = [_region(field, labels, stats, k, total) for k in range(1, len(stats))]
    row, column = np.unravel_index(int(attention.values.argmax()), attention.values.shape)
    left, up, right, down = geometry.cell_box(int(row), int(column), len(attention.values))
    peak = ((left + right) / 2, (up + down) / 2)
    return MapRegions(
        level=level,
        peak=peak,
        centroid=_centre(np.where(inside, field, 0)) if places else peak,
        regions=tuple(sorted(places, key=lambda place: -place.share)),
    )


def _region(
    field: np.ndarray, labels: np.ndarray, stats: np.ndarray, k: int, total: float
) -> Region:
    x, y, width, height = (int(stats[k, i]) for i in (_X, _Y, _WIDTH, _HEIGHT))
    window = np.s_[y : y + height, x : x + width]
    weights = np.where(labels[window] == k, field[window], 0)
    centre_x, centre_y = _centre(weights)
    return Region(
        box=(float(x), float(y), float(x + width), float(y + height)),
        centroid=(x + centre_x, y + centre_y),
        area=int(stats[k, _AREA]),
        share=float(weights.sum(dtype=np.float64)) / total,
    )


def _centre(weights: np.ndarray) -> tuple[float, float]:
    """Weighted mean place (x, y) of an array with a positive sum; a pixel lies at its middle."""
    columns = weights.sum(axis=0, dtype=np.float64)
    rows = weights.sum(axis=1, dtype=np.float64)
    total = columns.sum()
    x = float(columns @ (np.arange(len(columns)) + 0.5)) / total
    y = float(rows @ (np.arange(len(rows)) + 0.5)) / total
    return x, y

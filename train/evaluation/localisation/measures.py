"""How well one map finds one lesion: IoU, IoBB and the pointing game. Pure functions.

The map is resized bilinearly to the original size and divided by its maximum; what lies above 0.4
(the paper's threshold) is the detected region; IoU is of region
and truth, IoBB is intersection over the *detected box*, and the pointing game asks whether the
maximum of the map before any threshold lies in the truth.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from lmeran.imaging.geometry import Geometry
from lmeran.model.maps import CONTOUR_LEVEL
from train.data.boxes import Box, coverage

THRESHOLDS = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7)
"""T of T(IoU) and T(IoBB): a lesion counts as found where the value is greater than T."""

EIGHT_NEIGHBOURS = 8


@dataclass(frozen=True)
class Match:
    """One map against one lesion; each value 0 .. 1.

    pointing: 1 or 0; where several pixels share the maximum, the share of them that hits.
    """

    iou: float
    iobb: float
    pointing: float

    def values(self) -> np.ndarray:
        """Float64 in the order of `MEASURES`."""
        found = [float(v > t) for v in (self.iou, self.iobb) for t in THRESHOLDS]
        return np.array([self.iou, self.pointing, *found])


MEASURES = (
    "IoU",
    "pointing",
    *(f"IoU>{t}" for t in THRESHOLDS),
    *(f"IoBB>{t}" for t in THRESHOLDS),
)
"""What is measured of every map and lesion."""

IOU, POINTING = MEASURES.index("IoU"), MEASURES.index("pointing")


def match(values: np.ndarray, geometry: Geometry, boxes: tuple[Box, ...]) -> Match:
    """A map over the network's cells (h, w) against the boxes of its finding on the film.

    The film is stretched to a square for the network; here the map goes back to the film's own
    shape (`Geometry.map_to_original`, as the viewer draws it). Several boxes are one lesion: their
    union.
    """
    field = geometry.map_to_original(values)
    region = detected_region(field)
    truth = coverage(boxes, *field.shape)
    return Match(iou(region, truth), iobb(region, field, truth), pointing(field, boxes))


def detected_region(field: np.ndarray, level: float = CONTOUR_LEVEL) -> np.ndarray:
    """Where a map exceeds `level` of its own maximum, bool; nowhere if it has no positive value."""
    top = field.max()
    return field > level * top if top > 0 else np.zeros(field.shape, dtype=bool)


def iou(region: np.ndarray, truth: np.ndarray) -> float:
    """Intersection over union of a region, bool (H, W), with the truth's share of each pixel."""
    inside = float(truth[region].sum(dtype=np.float64))
    return inside / (float(truth.sum(dtype=np.float64)) + int(region.sum()) - inside)


def iobb(region: np.ndarray, field: np.ndarray, truth: np.ndarray) -> float:
    """Truth in the detected box over the area of that box; 0 where nothing is detected.

    The detected box is the smallest one around that connected part of the region (diagonal
    neighbours are connected) which holds the map's maximum: one box a map.
    """
    if not region.any():
        return 0.0
    left, top, right, bottom = detected_box(region, field)
    part = truth[top:bottom, left:right]
    return float(part.sum(dtype=np.float64)) / part.size


def detected_box(region: np.ndarray, field: np.ndarray) -> tuple[int, int, int, int]:
    """Left, top, right, bottom (the last two exclusive) in pixels; see `iobb`."""
    _, labels, boxes, _ = cv2.connectedComponentsWithStats(
        region.astype(np.uint8), connectivity=EIGHT_NEIGHBOURS
    )
    left, top, width, height, _ = boxes[labels.flat[field.argmax()]]
    return int(left), int(top), int(left + width), int(top + height)


def pointing(field: np.ndarray, boxes: tuple[Box, ...]) -> float:
    """Share of the pixels with the map's maximum whose centre lies in one of the boxes.

    It is 1 or 0 but for maps with a flat top; a map that is the same everywhere points at random.
    """
    height, width = field.shape
    rows, columns = np.nonzero(field == field.max())
    x, y = (columns + 0.5) / width, (rows + 0.5) / height
    return float(np.any([box.contains(x, y) for box in boxes], axis=0).mean())

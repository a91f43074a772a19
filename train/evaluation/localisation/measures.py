"""How well one map finds one lesion: IoU and the pointing game. Pure functions.

The map is resized bilinearly to the film's own size, and what lies above 0.4 of its maximum (the
paper's threshold) is the detected region. The pointing game asks whether the map's maximum, before
any threshold, lies in the lesion.
"""

from __future__ import annotations

import numpy as np

from lmeran.imaging.geometry import Geometry
from lmeran.model.maps import CONTOUR_LEVEL

THRESHOLDS = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7)
"""T of T(IoU): a lesion counts as found where the IoU is greater than T."""

MEASURES = ("IoU", "pointing", *(f"IoU>{t}" for t in THRESHOLDS))
"""What is measured of every map and lesion."""


def match(values: np.ndarray, geometry: Geometry, truth: np.ndarray) -> np.ndarray:
    """`MEASURES` of a map over the network's cells (h, w), each 0 .. 1.

    truth: float (H, W) of the film, the share of each pixel that belongs to the lesion. A map
    without a positive value detects nothing. Where several pixels share the maximum, pointing is
    the share of them that hits.
    """
    field = geometry.map_to_original(values)
    top = field.max()
    region = field > CONTOUR_LEVEL * top if top > 0 else np.zeros(field.shape, dtype=bool)
    inside = float(truth[region].sum(dtype=np.float64))
    iou = inside / (float(truth.sum(dtype=np.float64)) + int(region.sum()) - inside)
    pointing = float((truth[field == top] >= 0.5).mean())
    return np.array([iou, pointing, *(float(iou > t) for t in THRESHOLDS)])

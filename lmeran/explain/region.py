"""What a region of the film is worth: the reading without it, with it alone, without others.

Occlusion with a control (Zeiler and Fergus, ECCV 2014, here with blur in place of gray): a region
is replaced by a heavy blur of what lies around it, so that no edge or black patch is put in that
the network never saw. Any box that is taken away moves the numbers a little; how much boxes of the
same size elsewhere on the body move them is the scale on which the region's own effect is read.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np

from lmeran.errors import UserError
from lmeran.findings import FINDINGS, Pins
from lmeran.predictor import EncodedRadiograph, Predictor
from lmeran.serialize import plain

CONTROLS = 5
"""Boxes elsewhere on the body."""

BLUR = 1 / 12
"""Standard deviation of the blur as a share of the film's side: no lesion is left in it."""

FEATHER = 1 / 80
"""Of the edge between film and blur."""

BODY_SHARE = 0.9
"""Least share of a control box that lies on the body."""

_FAINT = 1e-3
_DRAWS = 1000
"""Places at which room for control boxes is looked for."""


class RegionError(UserError):
    """A region that cannot be taken away: one sentence."""


@dataclass(frozen=True)
class Region:
    """A box in shares of the film's width and height, 0 .. 1, from its left and top edge.

    Raises `RegionError` for a box that is empty or not on the film.
    """

    left: float
    top: float
    right: float
    bottom: float

    def __post_init__(self) -> None:
        inside = 0 <= self.left < self.right <= 1 and 0 <= self.top < self.bottom <= 1
        if not inside:
            raise RegionError("The region must be a box on the film that is not empty.")

    @classmethod
    def of_pixels(cls, box: tuple[float, ...], width: int, height: int) -> Region:
        """From left, top, width and height in pixels of the film; what reaches over is cut off."""
        left, top, wide, high = box
        return cls(
            max(left / width, 0.0),
            max(top / height, 0.0),
            min((left + wide) / width, 1.0),
            min((top + high) / height, 1.0),
        )

    def in_pixels(self, height: int, width: int) -> tuple[float, float, float, float]:
        """Left, top, width and height in pixels of a film; the inverse of `of_pixels`."""
        left, top = self.left * width, self.top * height
        return left, top, self.right * width - left, self.bottom * height - top

    def pixels(self, size: int, margin: float = 0) -> tuple[slice, slice]:
        """Rows and columns of a square of `size`, with a margin around them; never none."""
        return tuple(
            slice(max(round(low * size - margin), 0), round(high * size + margin) + 1)
            for low, high in ((self.top, self.bottom), (self.left, self.right))
        )

    def overlaps(self, other: Region) -> bool:
        across = min(self.right, other.right) - max(self.left, other.left)
        down = min(self.bottom, other.bottom) - max(self.top, other.top)
        return across > 0 and down > 0


Effect = dict[str, np.ndarray]
"""Raw probabilities of the 14 findings, float64, NaN where pinned. whole, without, only: (14,), of
the film, of the film without the region, and of the region with all else blurred. without_controls:
(C, 14), without each of `control_boxes`."""


def read_without(
    predictor: Predictor, film: EncodedRadiograph, region: Region, pins: Pins
) -> Effect:
    """A film as it is and without a region, under the same pins."""
    found = predictor.probabilities(_without(film.square, region)[None], pins)
    return {"whole": predictor.read(film, pins).conditioned, "without": found[0]}


def read_beside(
    predictor: Predictor,
    film: EncodedRadiograph,
    region: Region,
    pins: Pins,
    bfloat16: bool = True,
) -> Effect:
    """What stands beside that: the region alone, and the film without each of the control boxes.

    bfloat16: as for `Predictor.probabilities`.
    """
    square = film.square
    only = _mixed(_blur(square.astype(np.float32)), square, _mask(len(square), region))
    others = [_without(square, box) for box in control_boxes(square, region)]
    found = predictor.probabilities(np.stack([only, *others]), pins, bfloat16)
    return {"only": found[0], "without_controls": found[1:]}


def read_region(
    predictor: Predictor, film: EncodedRadiograph, region: Region, pins: Pins
) -> Effect:
    """Both, in full precision."""
    beside = read_beside(predictor, film, region, pins, bfloat16=False)
    return read_without(predictor, film, region, pins) | beside


def what_if(
    predictor: Predictor,
    film: EncodedRadiograph,
    box: tuple[float, ...],
    pins: Pins,
    read: Callable[[Predictor, EncodedRadiograph, Region, Pins], Effect] = read_region,
) -> dict[str, Any]:
    """What `read` finds, as plain JSON values; boxes are left, top, width and height in pixels of
    the film. Raises `RegionError`."""
    size = (film.geometry.height, film.geometry.width)
    region = Region.of_pixels(box, width=size[1], height=size[0])
    effect = read(predictor, film, region, pins)
    boxes = [region, *control_boxes(film.square, region)]
    own, *others = ([round(v, 1) for v in each.in_pixels(*size)] for each in boxes)
    return {
        "box": own,
        "control_boxes": others,
        "findings": {
            finding: {name: plain(values[..., i]) for name, values in effect.items()}
            for i, finding in enumerate(FINDINGS)
        },
    }


def control_boxes(square: np.ndarray, region: Region) -> tuple[Region, ...]:
    """Boxes of the region's size at random places of the body, apart from it and from each other.

    square: network pixels uint8 (S, S). At most `CONTROLS`, fewer where there is no room; the same
    film and region give the same boxes.
    """
    wide, high = region.right - region.left, region.bottom - region.top
    body, boxes = body_mask(square), []
    places = np.random.default_rng(0).random((_DRAWS, 2)) * (1 - wide, 1 - high)
    for left, top in places.tolist():
        if len(boxes) == CONTROLS:
            break
        box = Region(left, top, left + wide, top + high)
        apart = not any(box.overlaps(other) for other in (region, *boxes))
        if apart and body[box.pixels(len(body))].mean() >= BODY_SHARE:
            boxes.append(box)
    return tuple(boxes)


def body_mask(square: np.ndarray) -> np.ndarray:
    """Where the patient is, bool (S, S): brighter than Otsu's threshold halved, in one piece.

    The lungs are darker than that and lie within, so holes are filled.
    """
    smooth = cv2.GaussianBlur(square, (0, 0), max(len(square) / 64, 1))
    threshold, _ = cv2.threshold(smooth, 0, 255, cv2.THRESH_BINARY + cv2.THRESH_OTSU)
    bright = (smooth > threshold / 2).astype(np.uint8)
    outlines, _ = cv2.findContours(bright, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_SIMPLE)
    mask = np.zeros_like(bright)
    if outlines:
        cv2.drawContours(mask, [max(outlines, key=cv2.contourArea)], -1, 1, cv2.FILLED)
    return mask.astype(bool)


def _without(square: np.ndarray, region: Region) -> np.ndarray:
    """The film with a region filled from around it: a blur in which the region has no weight."""
    mask = _mask(len(square), region)
    gray, outside = square.astype(np.float32), 1 - mask
    weight = _blur(outside)
    # In the middle of a region much wider than the blur nothing from around it is left to weigh.
    filled = (_blur(gray * outside) + _FAINT * _blur(gray)) / (weight + _FAINT)
    return _mixed(square, filled, mask)


def _blur(values: np.ndarray) -> np.ndarray:
    return cv2.GaussianBlur(values, (0, 0), BLUR * len(values))


def _mask(size: int, region: Region) -> np.ndarray:
    """1 inside, 0 outside, float32 (S, S); the soft edge between lies outside the region."""
    mask = np.zeros((size, size), np.float32)
    mask[region.pixels(size, margin=2 * FEATHER * size)] = 1
    return cv2.GaussianBlur(mask, (0, 0), FEATHER * size)


def _mixed(outside: np.ndarray, inside: np.ndarray, mask: np.ndarray) -> np.ndarray:
    mixed = outside + (inside - outside.astype(np.float32)) * mask
    return np.clip(mixed + 0.5, 0, 255).astype(np.uint8)

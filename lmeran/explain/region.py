"""What a region of the film is worth: the reading without it, with it alone, without others.

Occlusion with a control (Zeiler and Fergus, ECCV 2014, here with blur in place of gray): a region
is replaced by a heavy blur of what lies around it, so that no edge or black patch is put in that
the network never saw. Any box that is taken away moves the numbers a little; how much boxes of the
same size elsewhere on the body move them is the scale on which the region's own effect is read.
"""

from __future__ import annotations

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

_STEPS = 24
"""Places a side at which a control box may lie."""

_DRAWS = 20
"""Tries to find room for all control boxes."""


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

    def overlaps(self, other: Region) -> bool:
        across = min(self.right, other.right) - max(self.left, other.left)
        down = min(self.bottom, other.bottom) - max(self.top, other.top)
        return across > 0 and down > 0


@dataclass(frozen=True, eq=False)
class RegionReading:
    """Probabilities of the 14 findings, float64; NaN where pinned.

    whole, without, only: (14,), of the film, of the film without the region, and of the region
    with all else blurred. controls: (C, 14), without each of `boxes`; C is 0 where the region
    leaves no room for another of its size on the body.
    """

    region: Region
    whole: np.ndarray
    without: np.ndarray
    only: np.ndarray
    controls: np.ndarray
    boxes: tuple[Region, ...]


def read_region(
    predictor: Predictor, film: EncodedRadiograph, region: Region, pins: Pins
) -> RegionReading:
    """Read a film without a region and with it alone, under the same pins, in one batch."""
    square, size = film.square, (film.geometry.height, film.geometry.width)
    boxes = control_boxes(square, region)
    only = _mixed(_blur(square.astype(np.float32)), square, _mask(len(square), region))
    squares = np.stack([only, *(_without(square, box) for box in (region, *boxes))])
    changed = predictor.encode_many(squares, [size] * len(squares))
    readings = predictor.read_films([film, *changed], pins)
    whole, only, without, *controls = (reading.conditioned for reading in readings)
    return RegionReading(
        region, whole, without, only, np.reshape(controls, (-1, len(FINDINGS))), boxes
    )


def what_if(
    predictor: Predictor, film: EncodedRadiograph, box: tuple[float, ...], pins: Pins
) -> dict[str, Any]:
    """`read_region` of a box (left, top, width, height in pixels of the film) as plain JSON values;
    the boxes in them are of the same kind. Raises `RegionError`."""
    height, width = film.geometry.height, film.geometry.width
    region = Region.of_pixels(box, width, height)
    return region_object(read_region(predictor, film, region, pins), (height, width))


def region_object(reading: RegionReading, size: tuple[int, int]) -> dict[str, Any]:
    """Plain JSON values; boxes as left, top, width, height in pixels of the film of `size`."""
    controls = [reading.region, *reading.boxes]
    region, *others = ([round(v, 1) for v in box.in_pixels(*size)] for box in controls)
    return {
        "box": region,
        "control_boxes": others,
        "findings": {
            finding: {
                "whole": plain(reading.whole[i]),
                "without": plain(reading.without[i]),
                "only": plain(reading.only[i]),
                "without_controls": plain(reading.controls[:, i]),
            }
            for i, finding in enumerate(FINDINGS)
        },
    }


def control_boxes(square: np.ndarray, region: Region) -> tuple[Region, ...]:
    """Boxes of the region's size at random places of the body, apart from it and from each other.

    square: network pixels uint8 (S, S). At most `CONTROLS`, fewer where there is no room; the same
    film and region give the same boxes.
    """
    wide, high = region.right - region.left, region.bottom - region.top
    integral = cv2.integral(body_mask(square).astype(np.uint8))
    size = len(square)
    places = []
    for top in np.linspace(0, 1 - high, _STEPS):
        for left in np.linspace(0, 1 - wide, _STEPS):
            box = Region(float(left), float(top), float(left + wide), float(top + high))
            if not box.overlaps(region) and _share(integral, box, size) >= BODY_SHARE:
                places.append(box)
    rng, best = np.random.default_rng(0), ()
    for _ in range(_DRAWS):
        chosen: list[Region] = []
        for k in rng.permutation(len(places)):
            if not any(places[k].overlaps(box) for box in chosen):
                chosen.append(places[k])
            if len(chosen) == CONTROLS:
                return tuple(chosen)
        best = max(best, tuple(chosen), key=len)
    return best


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
    grown = 2 * FEATHER * size
    rows, columns = (
        slice(max(round(low * size - grown), 0), round(high * size + grown) + 1)
        for low, high in ((region.top, region.bottom), (region.left, region.right))
    )
    mask[rows, columns] = 1
    return cv2.GaussianBlur(mask, (0, 0), FEATHER * size)


def _mixed(outside: np.ndarray, inside: np.ndarray, mask: np.ndarray) -> np.ndarray:
    mixed = outside + (inside - outside.astype(np.float32)) * mask
    return np.clip(mixed + 0.5, 0, 255).astype(np.uint8)


def _share(integral: np.ndarray, box: Region, size: int) -> float:
    """Share of a box that lies on the body, from the mask's integral image."""
    left, top = round(box.left * size), round(box.top * size)
    right, bottom = max(round(box.right * size), left + 1), max(round(box.bottom * size), top + 1)
    inside = (
        integral[bottom, right] - integral[top, right] - integral[bottom, left]
        + integral[top, left]
    )  # fmt: skip
    return float(inside) / ((right - left) * (bottom - top))

"""IoU, IoBB and pointing of one map: against counting pixels, calculus and drawn lesions."""

from __future__ import annotations

import numpy as np
import pytest

from lmeran.imaging.geometry import Geometry
from train.data.boxes import Box, coverage
from train.evaluation.localisation.measures import (
    IOU,
    MEASURES,
    POINTING,
    THRESHOLDS,
    Match,
    detected_box,
    detected_region,
    match,
    pointing,
)
from train.phantom.drawing.draw import PhantomSpec
from train.phantom.drawing.draw import draw as draw_film


def random_box(rng: np.random.Generator) -> Box:
    left, top = rng.uniform(0, 0.7, 2)
    return Box(left, top, left + rng.uniform(0.05, 0.3), top + rng.uniform(0.05, 0.3))


def brute_field(values: np.ndarray, height: int, width: int) -> np.ndarray:
    """The viewer's way (`static/viewer/overlay.js`): bilinear between cell centres, edges held."""
    h, w = values.shape
    field = np.zeros((height, width))
    for y in range(height):
        for x in range(width):
            fy = min(max((y + 0.5) * h / height - 0.5, 0), h - 1)
            fx = min(max((x + 0.5) * w / width - 0.5, 0), w - 1)
            y0, x0 = int(fy), int(fx)
            y1, x1 = min(y0 + 1, h - 1), min(x0 + 1, w - 1)
            top = values[y0, x0] * (1 - (fx - x0)) + values[y0, x1] * (fx - x0)
            low = values[y1, x0] * (1 - (fx - x0)) + values[y1, x1] * (fx - x0)
            field[y, x] = top * (1 - (fy - y0)) + low * (fy - y0)
    return field


def brute_match(values: np.ndarray, height: int, width: int, box: Box) -> Match:
    """Pixel by pixel: area of each pixel in the box, flood fill from the maximum."""
    field = brute_field(values, height, width)
    level = 0.4 * field.max()
    inside, on = np.zeros((height, width)), np.zeros((height, width), bool)
    for y in range(height):
        for x in range(width):
            across = min((x + 1) / width, box.right) - max(x / width, box.left)
            down = min((y + 1) / height, box.bottom) - max(y / height, box.top)
            inside[y, x] = max(across, 0) * max(down, 0) * height * width
            on[y, x] = field.max() > 0 and field[y, x] > level
    both = sum(inside[y, x] for y, x in zip(*np.nonzero(on), strict=True))
    area = (box.right - box.left) * (box.bottom - box.top) * height * width
    peak = np.unravel_index(field.argmax(), field.shape)
    x, y = (peak[1] + 0.5) / width, (peak[0] + 0.5) / height
    hit = box.left <= x < box.right and box.top <= y < box.bottom
    if not on.any():
        return Match(0.0, 0.0, float(hit))
    part, waiting = {peak}, [peak]
    while waiting:
        row, column = waiting.pop()
        for r in range(max(row - 1, 0), min(row + 2, height)):
            for c in range(max(column - 1, 0), min(column + 2, width)):
                if on[r, c] and (r, c) not in part:
                    part.add((r, c))
                    waiting.append((r, c))
    rows, columns = zip(*part, strict=True)
    found = inside[min(rows) : max(rows) + 1, min(columns) : max(columns) + 1]
    return Match(both / (on.sum() + area - both), found.sum() / found.size, float(hit))


@pytest.mark.parametrize("seed", range(12))
def test_a_match_is_what_counting_pixels_gives(seed: int) -> None:
    rng = np.random.default_rng(seed)
    height, width = rng.integers(20, 48, 2).tolist()
    values = rng.normal(size=(5, 5)) if seed % 2 else rng.random((4, 4)) ** 3
    values[2, 2] += 1  # in the middle, where no flat edge has several maxima
    box = random_box(rng)
    found = match(values, Geometry(height, width, 160), (box,))
    expected = brute_match(values, height, width, box)
    assert found.iou == pytest.approx(expected.iou, abs=1e-5)
    assert found.iobb == pytest.approx(expected.iobb, abs=1e-5)
    assert found.pointing == expected.pointing


def test_a_single_cell_lights_the_area_that_calculus_gives() -> None:
    """(1-|u|)(1-|v|) > 0.4 has the area 4 (0.6 + 0.4 ln 0.4) = 0.934 cells, on any film."""
    values = np.zeros((6, 6))
    values[2, 4] = 1
    field = Geometry(906, 606, 192).map_to_original(values)  # odd cells: the peak is a pixel
    region = detected_region(field)
    assert region.sum() / (151 * 101) == pytest.approx(4 * (0.6 + 0.4 * np.log(0.4)), abs=0.01)
    left, top, right, bottom = detected_box(region, field)
    assert (right - left, bottom - top) == pytest.approx((121, 181), abs=2)
    assert ((left + right) / 2, (top + bottom) / 2) == pytest.approx(
        (4.5 * 101, 2.5 * 151), abs=1.5
    )


def test_a_map_without_positive_values_detects_nothing() -> None:
    geometry, boxes = Geometry(40, 30, 96), (Box(0, 0, 0.5, 1),)
    for values in (np.zeros((3, 3)), np.full((3, 3), -1.0)):
        found = match(values, geometry, boxes)
        assert (found.iou, found.iobb) == (0, 0)
        assert found.pointing == pytest.approx(0.5), "it points at random"
    assert detected_region(np.full((4, 4), -2.0)).sum() == 0


def test_a_shared_maximum_hits_by_its_share() -> None:
    field = np.zeros((10, 10))
    field[2, 2:6] = 1
    assert pointing(field, (Box(0.4, 0, 1, 1),)) == 0.5
    assert pointing(field, (Box(0.4, 0, 1, 1), Box(0, 0, 0.3, 0.3))) == 0.75


def test_iobb_looks_at_the_part_with_the_maximum_alone() -> None:
    values = np.zeros((1, 9))
    values[0, 1], values[0, 7] = 1.0, 0.9
    geometry = Geometry(20, 90, 288)
    near, far = Box(0.05, 0, 0.3, 1), Box(0.7, 0, 0.95, 1)
    assert match(values, geometry, (near,)).iobb == 1
    assert match(values, geometry, (far,)).iobb == 0
    assert match(values, geometry, (far,)).iou > 0.3


def test_found_is_strictly_greater_than_the_threshold() -> None:
    values = dict(zip(MEASURES, Match(0.5, 0.05, 1.0).values(), strict=True))
    assert [values[f"IoU>{t}"] for t in THRESHOLDS] == [1, 1, 1, 1, 0, 0, 0]
    assert [values[f"IoBB>{t}"] for t in THRESHOLDS] == [0] * 7
    assert (values["IoU"], values["pointing"]) == (0.5, 1)


@pytest.mark.parametrize("finding", ["Mass", "Cardiomegaly"])
def test_a_map_of_the_drawn_lesion_finds_its_box_and_a_shifted_one_does_not(finding: str) -> None:
    film = draw_film(PhantomSpec(5, (finding,), height=256, width=208))
    rows, columns = np.nonzero(film.masks[finding])
    height, width = film.pixels.shape
    box = Box(
        columns.min() / width,
        rows.min() / height,
        (columns.max() + 1) / width,
        (rows.max() + 1) / height,
    )
    lesion = coverage((box,), 14, 14)
    geometry = Geometry(height, width, 448)
    found = match(lesion, geometry, (box,))
    assert found.iou > 0.7
    assert found.iobb > 0.7
    assert found.pointing > 0.99
    shifted = match(np.roll(lesion, 7, axis=1), geometry, (box,))
    assert shifted.iou < 0.3 * found.iou


def test_the_measures_stand_where_they_are_read() -> None:
    values = Match(0.25, 0.5, 1.0).values()
    assert (values[IOU], values[POINTING]) == (0.25, 1.0)

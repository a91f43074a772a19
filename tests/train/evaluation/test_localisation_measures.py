"""IoU and pointing of one map against counting pixels, calculus and drawn lesions; maps made
without the model."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from lmeran.findings import FINDINGS
from lmeran.imaging.geometry import Geometry
from train.data.boxes import Box, coverage
from train.data.index import read_index
from train.evaluation.localisation import controls
from train.evaluation.localisation.measures import MEASURES, THRESHOLDS, match
from train.phantom.drawing.draw import PhantomSpec
from train.phantom.drawing.draw import draw as draw_film

MASS = FINDINGS.index("Mass")


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


@pytest.mark.parametrize("seed", range(8))
def test_a_match_is_what_counting_pixels_gives(seed: int) -> None:
    rng = np.random.default_rng(seed)
    height, width = rng.integers(20, 48, 2).tolist()
    values = rng.normal(size=(5, 5)) if seed % 2 else rng.random((4, 4)) ** 3
    values[2, 2] += 1  # in the middle, where no flat edge has several maxima
    left, top = rng.uniform(0, 0.7, 2)
    box = Box(left, top, left + rng.uniform(0.05, 0.3), top + rng.uniform(0.05, 0.3))
    field = brute_field(values, height, width)
    both = on = 0.0
    for y in range(height):
        for x in range(width):
            if field[y, x] > 0.4 * field.max():
                across = min((x + 1) / width, box.right) - max(x / width, box.left)
                down = min((y + 1) / height, box.bottom) - max(y / height, box.top)
                both += max(across, 0) * max(down, 0) * height * width
                on += 1
    area = (box.right - box.left) * (box.bottom - box.top) * height * width
    peak = np.unravel_index(field.argmax(), field.shape)
    truth = coverage((box,), height, width)
    found = match(values, Geometry(height, width, 160), truth)
    assert found[0] == pytest.approx(both / (on + area - both), abs=1e-5)
    assert found[1] == float(truth[peak] >= 0.5)
    assert found[2:].tolist() == [float(found[0] > t) for t in THRESHOLDS]


def test_a_single_cell_lights_the_area_that_calculus_gives() -> None:
    """(1-|u|)(1-|v|) > 0.4 has the area 4 (0.6 + 0.4 ln 0.4) = 0.934 cells, on any film."""
    values = np.zeros((6, 6))
    values[2, 4] = 1
    everywhere = np.ones((906, 606), np.float32)
    iou = match(values, Geometry(906, 606, 192), everywhere)[0]
    assert iou * 36 == pytest.approx(4 * (0.6 + 0.4 * np.log(0.4)), abs=0.01)


def test_a_map_without_positive_values_detects_nothing() -> None:
    truth = coverage((Box(0, 0, 0.5, 1),), 40, 30)
    for values in (np.zeros((3, 3)), np.full((3, 3), -1.0)):
        iou, pointing = match(values, Geometry(40, 30, 96), truth)[:2]
        assert iou == 0
        assert pointing == pytest.approx(0.5), "it points at random"


def test_a_shared_maximum_hits_by_its_share() -> None:
    values = np.zeros((10, 10))
    values[2, 2:6] = 1
    geometry = Geometry(10, 10, 320)
    for boxes, share in (([(0.4, 0, 1, 1)], 0.5), ([(0.4, 0, 1, 1), (0, 0, 0.3, 0.3)], 0.75)):
        truth = coverage(tuple(Box(*box) for box in boxes), 10, 10)
        assert match(values, geometry, truth)[MEASURES.index("pointing")] == share


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
    lesion, truth = coverage((box,), 14, 14), coverage((box,), height, width)
    geometry = Geometry(height, width, 448)
    iou, pointing = match(lesion, geometry, truth)[:2]
    assert iou > 0.7
    assert pointing > 0.99
    assert match(np.roll(lesion, 7, axis=1), geometry, truth)[0] < 0.3 * iou


def test_random_maps_are_even_and_the_same_each_time() -> None:
    first = controls.random_maps("a.png", MASS, 6)
    assert np.array_equal(first, controls.random_maps("a.png", MASS, 6))
    assert not np.array_equal(first, controls.random_maps("b.png", MASS, 6))
    many = np.concatenate([controls.random_maps(f"{k}.png", 0, 6) for k in range(200)])
    assert many.mean(axis=0) == pytest.approx(np.full((6, 6), 0.5), abs=0.03)


def test_the_centre_prior_peaks_in_the_middle() -> None:
    field = Geometry(300, 200, 192).map_to_original(controls.gaussian_map())
    rows, columns = np.nonzero(field == field.max())
    assert (rows.mean(), columns.mean()) == pytest.approx((149.5, 99.5), abs=1.5)


def test_heat_comes_from_training_boxes_of_other_patients(data: Path) -> None:
    test = read_index(data, "test")
    half, quarter = Box(0, 0, 0.5, 1), Box(0, 0, 0.25, 1)
    boxes = {
        "0.png": {"Mass": (half,)},
        "7.png": {"Mass": (quarter,)},
        test.names[0]: {"Mass": (Box(0, 0, 1, 1),)},
    }
    heat = controls.training_heat(test, boxes)
    assert list(heat) == [MASS]
    side = controls.PRIOR_SIDE
    expected = (coverage((half,), side, side) + coverage((quarter,), side, side)) / 2
    assert heat[MASS] == pytest.approx(expected)
    assert controls.training_heat(read_index(data, "train_val"), boxes) == {}

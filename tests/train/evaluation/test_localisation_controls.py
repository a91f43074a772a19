"""The controls of localisation: random maps, the centre prior, the ceiling of the grid."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from lmeran.findings import FINDINGS
from lmeran.imaging.geometry import Geometry
from train.data.boxes import Box, coverage
from train.data.index import read_index
from train.evaluation.localisation import controls
from train.evaluation.localisation.measures import (
    match,
)

MASS = FINDINGS.index("Mass")


def random_box(rng: np.random.Generator) -> Box:
    left, top = rng.uniform(0, 0.7, 2)
    return Box(left, top, left + rng.uniform(0.05, 0.3), top + rng.uniform(0.05, 0.3))


def test_the_ceiling_beats_every_map_of_a_small_grid() -> None:
    """All maps of 2 x 2 cells with values in steps of 1/4, one cell being the maximum."""
    geometry = Geometry(96, 96, 64)
    boxes = (Box(0.1, 0.15, 0.6, 0.45),)
    best = match(controls.best_maps([boxes], 2)[0], geometry, boxes).iou
    steps = np.linspace(-1, 1, 9)
    others = 0.0
    for a in steps:
        for b in steps:
            for c in steps:
                others = max(others, match(np.array([[1, a], [b, c]]), geometry, boxes).iou)
    assert best > others - 0.01
    assert 0.4 < best < 1


@pytest.mark.parametrize("seed", range(3))
def test_no_map_near_the_ceiling_nor_a_random_one_is_better(seed: int) -> None:
    rng = np.random.default_rng(seed)
    boxes, geometry = (random_box(rng),), Geometry(120, 120, 192)
    best = controls.best_maps([boxes], 6)[0]
    top = match(best, geometry, boxes).iou
    near = [match(best + rng.normal(0, 0.1, (6, 6)), geometry, boxes).iou for _ in range(40)]
    far = [match(rng.random((6, 6)), geometry, boxes).iou for _ in range(40)]
    lesion = match(coverage(boxes, 6, 6), geometry, boxes).iou
    assert top > max(*near, *far, lesion) - 0.02


@pytest.mark.parametrize("cell", [(1, 1), (2, 4), (4, 3)])
def test_the_spike_points_right_where_a_cell_centre_lies_in_the_box(cell: tuple[int, int]) -> None:
    rng = np.random.default_rng(cell)
    geometry, size = Geometry(300, 240, 192), 1 / 6
    for _ in range(10):
        y, x = (np.array(cell) + 0.5) * size
        left, top, right, bottom = rng.uniform(0.2, 0.45, 4) * size
        box = Box(x - left, y - top, x + right, y + bottom)
        found = match(controls.spike_map((box,), 6), geometry, (box,))
        assert found.pointing == 1
        assert found.iobb > 0.8


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


def test_the_ceiling_is_kept_for_the_next_checkpoint(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cases = [(Box(0.2, 0.2, 0.6, 0.7),)]
    first = controls.cached_best_maps(cases, 3, tmp_path)
    monkeypatch.setattr(controls, "best_maps", lambda *_: pytest.fail("computed again"))
    assert np.array_equal(controls.cached_best_maps(cases, 3, tmp_path), first)

"""A place on the film must come back as the same place, whatever the film's shape."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from lmeran.config import Preprocessing
from lmeran.imaging.geometry import Geometry
from lmeran.imaging.preprocess import network_pixels, normalise, to_input

SHAPES = [(448, 448), (1000, 700), (700, 1000), (2991, 2436), (131, 517)]


@pytest.mark.parametrize(("height", "width"), SHAPES)
@pytest.mark.parametrize(("row", "column"), [(0, 0), (2, 5), (6, 1), (6, 6)])
def test_a_map_peaks_inside_its_cell_on_the_original(
    height: int, width: int, row: int, column: int
) -> None:
    values = np.zeros((7, 7))
    values[row, column] = 1
    geometry = Geometry(height, width, 224)
    big = geometry.map_to_original(values)
    assert big.shape == (height, width)
    y, x = np.unravel_index(big.argmax(), big.shape)
    left, top, right, bottom = geometry.cell_box(row, column, 7)
    assert left <= x + 0.5 <= right
    assert top <= y + 0.5 <= bottom


@pytest.mark.parametrize(("height", "width"), SHAPES)
def test_a_bright_spot_on_the_film_lies_where_the_geometry_says(height: int, width: int) -> None:
    """End to end: draw on the film, look for it in the network's input."""
    film = np.zeros((height, width), np.uint8)
    y0, x0 = int(height * 0.7), int(width * 0.2)
    radius = max(6, min(height, width) // 20)
    film[y0 - radius : y0 + radius, x0 - radius : x0 + radius] = 255
    square = network_pixels(film, Preprocessing(image_size=224)).astype(float)
    rows, columns = np.indices(square.shape) + 0.5
    found = (square * columns).sum() / square.sum(), (square * rows).sum() / square.sum()
    expected = x0 * 224 / width, y0 * 224 / height
    assert found == pytest.approx(expected, abs=1.0)


def test_detail_limits_what_the_network_sees() -> None:
    """Films of different resolution come to the same input once their detail is the same."""
    rng = np.random.default_rng(0)
    coarse = rng.integers(0, 256, (128, 128), dtype=np.uint8)
    fine = coarse.repeat(4, axis=0).repeat(4, axis=1)
    limited = Preprocessing(image_size=224, detail=128)
    assert np.array_equal(network_pixels(coarse, limited), network_pixels(fine, limited))


def test_input_is_normalised_and_has_three_equal_channels() -> None:
    preprocessing = Preprocessing(image_size=64, mean=0.4, std=0.2)
    pixels = np.random.default_rng(1).integers(0, 256, (2, 64, 64), dtype=np.uint8)
    batch = to_input(pixels, preprocessing)
    assert batch.shape == (2, 3, 64, 64)
    assert torch.equal(batch[:, 0], batch[:, 2])
    expected = (pixels[1, 5, 7] / 255 - 0.4) / 0.2
    assert batch[1, 1, 5, 7].item() == pytest.approx(expected, abs=1e-6)
    assert torch.equal(batch, normalise(torch.from_numpy(pixels) / 255.0, preprocessing))

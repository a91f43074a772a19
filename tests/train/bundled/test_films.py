"""Boxes under augmentation against a count of points, and against the film itself."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from lmeran.findings import FINDINGS
from train.augment import Augmentation
from train.bundled.films import FINE, Films, box_share
from train.bundled.pack import MOST_BOXES, Pack

STILL = torch.tensor([[[1.0, 0.0, 0.0], [0.0, 1.0, 0.0]]])
MIRRORED = torch.tensor([[[-1.0, 0.0, 0.0], [0.0, 1.0, 0.0]]])


def _boxes(*boxes: tuple[float, float, float, float]) -> torch.Tensor:
    values = torch.full((1, MOST_BOXES, 4), float("nan"))
    for k, box in enumerate(boxes):
        values[0, k] = torch.tensor(box)
    return values


def _pack(gray: np.ndarray, boxes: torch.Tensor) -> Pack:
    n, findings = len(gray), len(FINDINGS)
    return Pack(
        gray=gray,
        names=np.array([f"{k}.png" for k in range(n)]),
        part=np.zeros(n, np.uint8),
        labels=np.zeros((n, findings), np.float32),
        groups=np.zeros(n, np.int64),
        offsets=np.zeros((n, findings), np.float32),
        soft=np.full((n, findings), np.nan, np.float32),
        box_film=np.arange(n),
        box_finding=np.arange(n) % findings,
        boxes=boxes.expand(n, -1, -1).numpy().copy(),
        label_rows=np.zeros((1, findings), np.uint8),
    )


@pytest.mark.parametrize("fall", [0.0, 0.5])
def test_weight_of_a_cell_is_the_mean_over_its_points(fall: float) -> None:
    boxes = [(0.1, 0.2, 0.55, 0.6), (0.5, 0.5, 0.9, 0.95)]
    grid = 5
    found = box_share(_boxes(*boxes), STILL, grid, fall)[0].reshape(grid, grid)
    expected = np.zeros((grid, grid))
    for row in range(grid * FINE):
        for column in range(grid * FINE):
            x, y = (column + 0.5) / (grid * FINE), (row + 0.5) / (grid * FINE)
            weight = 0.0
            for left, top, right, bottom in boxes:
                if left <= x <= right and top <= y <= bottom:
                    away = max(
                        abs(x - (left + right) / 2) / ((right - left) / 2),
                        abs(y - (top + bottom) / 2) / ((bottom - top) / 2),
                    )
                    weight = max(weight, 1 - fall * away)
            expected[row // FINE, column // FINE] += weight / FINE**2
    assert np.allclose(found.numpy(), expected, atol=1e-5)


def test_a_mirrored_film_has_mirrored_boxes() -> None:
    boxes = _boxes((0.1, 0.2, 0.3, 0.9))
    plain = box_share(boxes, STILL, 8, 0.5).reshape(8, 8)
    mirrored = box_share(boxes, MIRRORED, 8, 0.5).reshape(8, 8)
    assert plain.sum() > 0
    assert torch.allclose(mirrored, plain.flip(1), atol=1e-5)


def test_boxes_go_where_the_film_goes() -> None:
    """Films white in their box alone: after augmentation the white is where the share is."""
    size, box = 96, (0.25, 0.375, 0.5, 0.75)
    gray = np.zeros((40, size, size), np.uint8)
    gray[:, int(box[1] * size) : int(box[3] * size), int(box[0] * size) : int(box[2] * size)] = 255
    films = Films(
        _pack(gray, _boxes(box)),
        torch.device("cpu"),
        Augmentation(flip=True, crop=0.7, rotate=20, contrast=0),
    )
    drawn = films.draw(np.arange(40), torch.Generator().manual_seed(0))
    targets = films.targets(drawn, grid=12, fall=0.0)
    assert targets is not None
    assert targets.finding.tolist() == films.pack.box_finding.tolist()
    white = torch.nn.functional.adaptive_avg_pool2d(drawn.gray, 12).flatten(1)
    white = white / white.sum(1, keepdim=True)
    together = torch.minimum(white[targets.image], targets.share).sum(1)
    assert together.min() > 0.8
    assert torch.allclose(targets.share.sum(1), torch.ones(40), atol=1e-4)


def test_a_box_that_was_cropped_away_weighs_nothing() -> None:
    gray = np.zeros((1, 32, 32), np.uint8)
    films = Films(_pack(gray, _boxes((0.0, 0.0, 0.05, 0.05))), torch.device("cpu"), Augmentation())
    corner = torch.tensor([[[0.5, 0.0, 0.5], [0.0, 0.5, 0.5]]])  # the lower right quarter
    drawn = films.draw(np.array([0]), torch.Generator().manual_seed(0))
    moved = type(drawn)(**{**vars(drawn), "theta": corner})
    targets = films.targets(moved, grid=4, fall=0.0)
    assert targets is not None
    assert targets.weight.tolist() == [0.0]
    assert float(targets.mean(torch.tensor([7.0]))) == 0.0

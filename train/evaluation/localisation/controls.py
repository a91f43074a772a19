"""Maps made without the model, to compare a figure with: chance, the usual place, the grid's limit.

Every figure of localisation stands beside a random map, a centre prior and the grid's ceiling.
"""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
import torch
from torch.nn import functional

from lmeran.files import replacing
from lmeran.findings import FINDINGS
from lmeran.model.maps import CONTOUR_LEVEL
from train.data.boxes import Box, Boxes, coverage
from train.data.index import DataError, Index, read_index

RANDOM_DRAWS = 10
"""Random maps for each box; their mean is the control."""

PRIOR_SIDE = 33
"""Cells a side of the centre priors: odd, so that one cell lies in the middle of the film."""

GAUSSIAN_SIGMA = 0.25
"""Width of the centred Gaussian, in sides of the film."""

AROUND_SPIKE = -4.0
"""Value of all other cells of a spike: its detected region then ends an eighth of a cell away."""

RASTER = 96
"""Side of the raster that the ceiling is sought on."""

ASCENT_STEPS = 100
ASCENT_RATE = 0.05
SHARPNESS = (10.0, 60.0)
"""Slope of the sigmoid that stands for the threshold, at the first and the last step."""


def random_maps(name: str, finding: int, grid: int) -> np.ndarray:
    """Independent uniform cells, (`RANDOM_DRAWS`, grid, grid); image name and finding seed them."""
    seed = hashlib.sha256(f"{name}:{finding}".encode()).digest()[:8]
    return np.random.default_rng(int.from_bytes(seed, "big")).random((RANDOM_DRAWS, grid, grid))


def gaussian_map() -> np.ndarray:
    """A centred Gaussian over `PRIOR_SIDE` cells: the prior where no training film has a box."""
    offset = (np.arange(PRIOR_SIDE) + 0.5) / PRIOR_SIDE - 0.5
    profile = np.exp(-0.5 * (offset / GAUSSIAN_SIGMA) ** 2)
    return np.outer(profile, profile)


def training_heat(index: Index, boxes: Boxes) -> dict[int, np.ndarray]:
    """Mean share that the boxes of the training films cover of each of `PRIOR_SIDE` x `PRIOR_SIDE`
    cells, finding by finding.

    Training films: official split "train_val", no patient of `index`. Empty where none of them has
    a box, as in the official release, whose boxes all lie on official-test films.
    """
    try:
        training = read_index(index.root, "train_val")
    except DataError:  # a data set of test films alone
        return {}
    own = set(index.patients)
    found: dict[int, list[np.ndarray]] = {}
    for name, patient in zip(training.names, training.patients, strict=True):
        if patient in own:
            continue
        for finding, of_finding in boxes.get(name, {}).items():
            heat = coverage(of_finding, PRIOR_SIDE, PRIOR_SIDE)
            found.setdefault(FINDINGS.index(finding), []).append(heat)
    return {finding: np.mean(heats, axis=0) for finding, heats in found.items()}


def spike_map(boxes: tuple[Box, ...], grid: int) -> np.ndarray:
    """The sharpest map at the cell that lies deepest in the first box, (grid, grid).

    A bilinear map has its maximum at a cell centre, so where this one does not point into the box
    hardly any does; and its detected box is only about a quarter of a cell wide, so that its IoBB
    is near the highest.
    """
    box = boxes[0]
    centres = (np.arange(grid) + 0.5) / grid
    across = np.abs(centres - (box.left + box.right) / 2) / (box.right - box.left)
    down = np.abs(centres - (box.top + box.bottom) / 2) / (box.bottom - box.top)
    values = np.full((grid, grid), AROUND_SPIKE)
    values[down.argmin(), across.argmin()] = 1.0
    return values


def cached_best_maps(cases: list[tuple[Box, ...]], grid: int, cache: Path) -> np.ndarray:
    """`best_maps`, kept in the folder `cache`: it depends on boxes and grid, not on the model."""
    key = hashlib.sha256(repr((grid, RASTER, ASCENT_STEPS, cases)).encode()).hexdigest()[:16]
    path = cache / f"ceiling-{key}.npy"
    if path.is_file():
        return np.load(path)
    found = best_maps(cases, grid)
    cache.mkdir(parents=True, exist_ok=True)
    with replacing(path) as partial, partial.open("wb") as file:
        np.save(file, found)
    return found


def best_maps(cases: list[tuple[Box, ...]], grid: int) -> np.ndarray:
    """For each truth the map of this grid with the highest IoU that was found, (N, grid, grid).

    Gradient ascent on the IoU of a soft region, from the signed distance to the box. What is found
    can be reached by a map of the grid; that none is better is not proved.
    """
    truth = torch.from_numpy(np.stack([coverage(boxes, RASTER, RASTER) for boxes in cases]))
    start = np.stack([_distance_map(boxes, grid) for boxes in cases])
    margins = torch.tensor(start, dtype=torch.float32, requires_grad=True)
    optimizer = torch.optim.Adam([margins], lr=ASCENT_RATE)
    for sharpness in np.linspace(*SHARPNESS, ASCENT_STEPS):
        loss = -_soft_iou(margins, truth, float(sharpness)).sum()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return _values_of(margins.detach().double().numpy())


def _soft_iou(margins: torch.Tensor, truth: torch.Tensor, sharpness: float) -> torch.Tensor:
    """IoU of sigmoid(sharpness x margin) with the truth (N, RASTER, RASTER), for each of N maps."""
    size = (RASTER, RASTER)
    fields = functional.interpolate(margins[:, None], size, mode="bilinear", align_corners=False)
    top = margins.amax((1, 2), keepdim=True).clamp_min(1e-3)
    region = (sharpness * fields[:, 0] / top).sigmoid()
    inside = (region * truth).sum((1, 2))
    return inside / (region.sum((1, 2)) + truth.sum((1, 2)) - inside)


def _distance_map(boxes: tuple[Box, ...], grid: int) -> np.ndarray:
    """Distance of the cell centres to the nearest edge, in cells, positive inside.

    Shifted so that at least one cell lies inside, scaled to a maximum of 0.6.
    """
    centres = (np.arange(grid) + 0.5) / grid
    x, y = np.meshgrid(centres, centres)
    distances = [
        np.min([x - box.left, box.right - x, y - box.top, box.bottom - y], axis=0) for box in boxes
    ]
    distance = grid * np.max(distances, axis=0)
    distance += max(0.0, 0.3 - distance.max())
    return 0.6 * distance / distance.max()


def _values_of(margins: np.ndarray) -> np.ndarray:
    """Map values whose threshold, `CONTOUR_LEVEL` of the maximum, lies where the margin is zero."""
    top = margins.max(axis=(1, 2), keepdims=True)
    return margins + top * CONTOUR_LEVEL / (1 - CONTOUR_LEVEL)

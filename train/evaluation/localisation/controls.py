"""Maps made without the model, to compare a figure with: chance, and the usual place."""

from __future__ import annotations

import numpy as np

from lmeran.findings import FINDINGS
from train.data.boxes import Boxes, coverage
from train.data.index import DataError, Index, read_index
from train.evaluation.metrics import seed_of

RANDOM_DRAWS = 10
"""Random maps for each box; their mean is the control."""

PRIOR_SIDE = 33
"""Cells a side of the centre priors: odd, so that one cell lies in the middle of the film."""

GAUSSIAN_SIGMA = 0.25
"""Width of the centred Gaussian, in sides of the film."""


def random_maps(name: str, finding: int, grid: int) -> np.ndarray:
    """Independent uniform cells, (`RANDOM_DRAWS`, grid, grid); image name and finding seed them."""
    random = np.random.default_rng(seed_of(f"{name}:{finding}"))
    return random.random((RANDOM_DRAWS, grid, grid))


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

"""Films on the device: random batches of them, changed at random, with the boxes that go along."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch.nn import functional

from train.augment import Augmentation, random_affine, random_contrast, resample
from train.bundled.pack import Pack

FINE = 4
"""Points a cell and axis at which the share of a box in it is taken."""

DETAILS = ((128, 0.35), (64, 0.1))
"""Sizes to which films are reduced at random, with which chance: sources differ in sharpness, and a
network could tell them apart by it."""


@dataclass(frozen=True, eq=False)
class Drawn:
    """A batch of B films: rows (B,) of the pack, gray float (B, S, S) after augmentation, theta
    (B, 2, 3) of it, labels, offsets, soft (B, 14)."""

    rows: np.ndarray
    gray: torch.Tensor
    theta: torch.Tensor
    labels: torch.Tensor
    offsets: torch.Tensor
    soft: torch.Tensor


@dataclass(frozen=True, eq=False)
class BoxTargets:
    """Where K boxed findings of a batch lie: image, finding int64 (K,), share float (K, cells),
    which sums to 1, weight float (K,): 0 where a crop left the box out."""

    image: torch.Tensor
    finding: torch.Tensor
    share: torch.Tensor
    weight: torch.Tensor

    def mean(self, each: torch.Tensor) -> torch.Tensor:
        """Of a value of each boxed finding, (K,)."""
        return (each * self.weight).sum() / self.weight.sum().clamp(min=1)


class Films:
    """A pack on a device."""

    def __init__(self, pack: Pack, device: torch.device, augmentation: Augmentation) -> None:
        self.pack, self.device, self.augmentation = pack, device, augmentation
        self.gray = torch.from_numpy(pack.gray).to(device)
        self.labels, self.offsets, self.soft = (
            torch.from_numpy(values).to(device) for values in (pack.labels, pack.offsets, pack.soft)
        )
        self.boxes = torch.from_numpy(pack.boxes).to(device)
        self._first = np.searchsorted(pack.box_film, np.arange(len(pack.part) + 1))

    def plain(self, rows: np.ndarray) -> torch.Tensor:
        """Films as they are, float 0 .. 1 (B, S, S)."""
        return self.gray[torch.from_numpy(rows).to(self.device)].float() / 255.0

    def draw(self, rows: np.ndarray, generator: torch.Generator) -> Drawn:
        """Films changed at random; generator: of the device."""
        where = torch.from_numpy(rows).to(self.device)
        gray = self.gray[where].float() / 255.0
        gray = _random_detail(gray, generator)
        theta = random_affine(len(rows), self.augmentation, generator)
        gray = random_contrast(resample(gray, theta), self.augmentation, generator)
        return Drawn(rows, gray, theta, self.labels[where], self.offsets[where], self.soft[where])

    def targets(self, drawn: Drawn, grid: int, fall: float) -> BoxTargets | None:
        """Where the boxed findings of a batch lie on `grid` x `grid` cells after augmentation.

        fall: how much less the edge of a box weighs than its middle; 0: a box is even.
        """
        pairs, images = [], []
        for k, row in enumerate(drawn.rows):
            own = range(self._first[row], self._first[row + 1])
            pairs.extend(own)
            images.extend([k] * len(own))
        if not pairs:
            return None
        image = torch.tensor(images, device=self.device)
        pair = torch.tensor(pairs, device=self.device)
        share = box_share(self.boxes[pair], drawn.theta[image], grid, fall)
        finding = torch.from_numpy(self.pack.box_finding[pairs]).to(self.device)
        total = share.sum(1, keepdim=True)
        weight = (total[:, 0] > 1e-3).float()
        return BoxTargets(image, finding, share / total.clamp(min=1e-3), weight)


def box_share(boxes: torch.Tensor, theta: torch.Tensor, grid: int, fall: float) -> torch.Tensor:
    """Weight of boxes (K, M, 4) in each cell of films changed by theta (K, 2, 3): (K, grid^2).

    Each cell is sampled at FINE x FINE points; a point weighs 1 in the middle of a box, 1 - fall at
    its edge and 0 outside; where boxes overlap, the larger weight counts.
    """
    side = grid * FINE
    points = functional.affine_grid(theta, [len(theta), 1, side, side], align_corners=False)
    points = (points[:, None] + 1) / 2  # (K, 1, side, side, 2), fractions of the film
    low, high = boxes[:, :, None, None, :2], boxes[:, :, None, None, 2:]
    middle, half = (low + high) / 2, (high - low) / 2
    away = ((points - middle) / half.clamp(min=1e-4)).abs().amax(-1)  # NaN: no such box
    weight = torch.where(away <= 1, 1 - fall * away, 0.0).amax(1)
    cells = functional.avg_pool2d(weight[:, None], FINE)[:, 0]
    return cells.flatten(1)


def _random_detail(gray: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
    """Some films as if they had been kept at a smaller size."""
    chance = torch.rand(len(gray), generator=generator, device=gray.device)[:, None, None]
    size = gray.shape[-1]
    out, below = gray, 0.0
    for detail, share in DETAILS:
        small = functional.interpolate(
            gray[:, None], (detail, detail), mode="bilinear", antialias=True
        )
        large = functional.interpolate(small, (size, size), mode="bilinear")[:, 0]
        out = torch.where((chance >= below) & (chance < below + share), large, out)
        below += share
    return out

"""From films to what the network learns from: random crop, scaling, rotation, flip and contrast, in
one bilinear resampling; another size; normalised."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch.nn import functional

from lmeran.config import ConfigError, Preprocessing, check_least
from lmeran.imaging.preprocess import normalise


@dataclass(frozen=True)
class Augmentation:
    """How much a film is changed at random in training.

    Args:
        flip: random horizontal flips
        crop: smallest share of a side that a random crop keeps
        rotate: largest random rotation in degrees
        contrast: largest random change of contrast and brightness
    """

    flip: bool = True
    crop: float = 0.8
    rotate: float = 5.0
    contrast: float = 0.2

    def __post_init__(self) -> None:
        if not 0 < self.crop <= 1:
            raise ConfigError(f"crop must be in (0, 1]: {self.crop}")
        check_least(self, 0, "rotate", "contrast")


def augment(gray: torch.Tensor, config: Augmentation, generator: torch.Generator) -> torch.Tensor:
    """gray in 0 .. 1, (B, S, S), to the same shape; all randomness from `generator`."""
    theta = random_affine(len(gray), config, generator).to(gray.device)
    moved = resample(gray, theta)
    return random_contrast(moved, config, generator)


def random_affine(batch: int, config: Augmentation, generator: torch.Generator) -> torch.Tensor:
    """(B, 2, 3): from a point of the changed film, in -1 .. 1, to where it was on the film.

    A crop keeps between `config.crop` and 1 / sqrt(`config.crop`) of a side (above 1: the film is
    drawn smaller, black around it), shifted at random within what was cut off.
    """
    scale = torch.exp(_uniform(batch, math.log(config.crop), -math.log(config.crop) / 2, generator))
    slack = (1 - scale).abs()
    shift_x = slack * _uniform(batch, -1, 1, generator)
    shift_y = slack * _uniform(batch, -1, 1, generator)
    angle = _uniform(batch, -config.rotate, config.rotate, generator) * (math.pi / 180)
    mirror = torch.ones_like(scale)
    if config.flip:
        mirror = torch.where(_uniform(batch, 0, 1, generator) < 0.5, -mirror, mirror)
    cos, sin = torch.cos(angle) * scale, torch.sin(angle) * scale
    return torch.stack(
        [
            torch.stack([cos * mirror, -sin, shift_x], dim=1),
            torch.stack([sin * mirror, cos, shift_y], dim=1),
        ],
        dim=1,
    )


def resample(gray: torch.Tensor, theta: torch.Tensor) -> torch.Tensor:
    """gray (B, S, S) as seen through `theta` (B, 2, 3); black outside."""
    grid = functional.affine_grid(theta, [len(gray), 1, *gray.shape[1:]], align_corners=False)
    return functional.grid_sample(gray[:, None], grid, mode="bilinear", align_corners=False)[:, 0]


def random_contrast(
    gray: torch.Tensor, config: Augmentation, generator: torch.Generator
) -> torch.Tensor:
    """gray (B, S, S) with contrast and brightness changed, cut to 0 .. 1."""
    batch, most = len(gray), config.contrast
    contrast = 1 + _uniform(batch, -most, most, generator).to(gray.device)
    brightness = _uniform(batch, -most, most, generator).to(gray.device) / 2
    return ((gray - 0.5) * contrast[:, None, None] + 0.5 + brightness[:, None, None]).clamp(0, 1)


def resized(gray: torch.Tensor, size: int) -> torch.Tensor:
    """gray (B, S, S) at `size`, reduced without aliasing."""
    if gray.shape[-1] == size:
        return gray
    shrink = gray.shape[-1] > size
    return functional.interpolate(gray[:, None], (size, size), mode="bilinear", antialias=shrink)[
        :, 0
    ]


def network_input(gray: torch.Tensor, preprocessing: Preprocessing) -> torch.Tensor:
    """gray (B, S, S) as the network takes it."""
    return normalise(gray, preprocessing).contiguous(memory_format=torch.channels_last)


def _uniform(batch: int, low: float, high: float, generator: torch.Generator) -> torch.Tensor:
    drawn = torch.rand(batch, generator=generator, device=generator.device)
    return drawn * (high - low) + low

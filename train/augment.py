"""Random crop, scaling, rotation, flip and contrast of a batch, in one bilinear resampling."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch.nn import functional

from lmeran.config import ConfigError


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


def augment(gray: torch.Tensor, config: Augmentation, generator: torch.Generator) -> torch.Tensor:
    """gray in 0 .. 1, (B, S, S), to the same shape; all randomness from `generator`.

    A crop keeps between `config.crop` and 1 / sqrt(`config.crop`) of a side (above 1: the film is
    drawn smaller, black around it), shifted at random within what was cut off.
    """
    batch = gray.shape[0]

    def uniform(low: float, high: float) -> torch.Tensor:
        drawn = torch.rand(batch, generator=generator) * (high - low) + low
        return drawn.to(gray.device)

    scale = torch.exp(uniform(math.log(config.crop), -math.log(config.crop) / 2))
    slack = (1 - scale).abs()
    shift_x, shift_y = slack * uniform(-1, 1), slack * uniform(-1, 1)
    angle = uniform(-config.rotate, config.rotate) * (math.pi / 180)
    mirror = torch.where(uniform(0, 1) < 0.5, -1.0, 1.0) if config.flip else torch.ones_like(scale)
    cos, sin = torch.cos(angle) * scale, torch.sin(angle) * scale
    theta = torch.stack(
        [
            torch.stack([cos * mirror, -sin, shift_x], dim=1),
            torch.stack([sin * mirror, cos, shift_y], dim=1),
        ],
        dim=1,
    )
    grid = functional.affine_grid(theta, [batch, 1, *gray.shape[1:]], align_corners=False)
    moved = functional.grid_sample(gray[:, None], grid, mode="bilinear", align_corners=False)[:, 0]
    contrast = 1 + uniform(-config.contrast, config.contrast)
    brightness = uniform(-config.contrast, config.contrast) / 2
    return ((moved - 0.5) * contrast[:, None, None] + 0.5 + brightness[:, None, None]).clamp(0, 1)

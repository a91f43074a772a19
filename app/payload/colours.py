"""Colour maps for the film, from matplotlib: perceptually even, safe for colour-blind eyes."""

from __future__ import annotations

import base64
from functools import cache

import matplotlib
import numpy as np

NAMES = ("inferno", "viridis", "cividis")
DARKEST = 0.25
"""Where the tables begin: below, their colours are too dark to be seen on a lung."""


@cache
def colour_tables() -> dict[str, str]:
    """Name to base64 of 256 x 3 bytes of RGB, from faint to full."""
    steps = np.linspace(DARKEST, 1, 256)
    return {name: _table(name, steps) for name in NAMES}


@cache
def signed_table() -> str:
    """The same for signed maps: purple below zero, white at zero, orange above."""
    return _table("PuOr_r", np.linspace(0.1, 0.9, 256))


def _table(name: str, steps: np.ndarray) -> str:
    rgb = (matplotlib.colormaps[name](steps)[:, :3] * 255).round().astype(np.uint8)
    return base64.b64encode(rgb.tobytes()).decode("ascii")

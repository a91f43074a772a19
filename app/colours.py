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
    tables = {}
    for name in NAMES:
        rgb = (matplotlib.colormaps[name](steps)[:, :3] * 255).round().astype(np.uint8)
        tables[name] = base64.b64encode(rgb.tobytes()).decode("ascii")
    return tables

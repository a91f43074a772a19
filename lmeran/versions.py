"""Which program made a result: versions that stand in everything a reader takes along."""

from __future__ import annotations

import platform

import cv2
import numpy as np
import torch

VERSION = "0.1.0"
"""Of this program; the same as in pyproject.toml."""


def versions() -> dict[str, str]:
    """Name to version of this program and of the libraries that a reading's numbers depend on."""
    return {
        "lmeran": VERSION,
        "torch": torch.__version__,
        "numpy": np.__version__,
        "opencv": cv2.__version__,
        "python": platform.python_version(),
    }

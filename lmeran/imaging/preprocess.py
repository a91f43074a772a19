"""Film to network input: the one path that training, evaluation and viewer share."""

from __future__ import annotations

from typing import TYPE_CHECKING

import cv2
import numpy as np

from lmeran.config import Preprocessing

if TYPE_CHECKING:
    import torch


def network_pixels(pixels: np.ndarray, preprocessing: Preprocessing) -> np.ndarray:
    """Display pixels uint8 (H, W) to the network's square, uint8 (S, S).

    The film is stretched to the square, as NIH's release was made from films of any shape;
    `imaging.geometry` is the way back. Reduced by area averaging (bilinear sampling alone would
    alias at these factors), enlarged bilinearly.
    """
    size = preprocessing.image_size
    if preprocessing.detail is not None:
        pixels = resize(pixels, preprocessing.detail)
    return resize(pixels, size)


def to_input(pixels: np.ndarray | torch.Tensor, preprocessing: Preprocessing) -> torch.Tensor:
    """Network pixels uint8 (B, S, S) to the network's input, float32 (B, 3, S, S)."""
    import torch  # slow to import, and processes that only decode do without it

    gray = torch.as_tensor(pixels).to(torch.float32) / 255.0
    return normalise(gray, preprocessing)


def normalise(gray: torch.Tensor, preprocessing: Preprocessing) -> torch.Tensor:
    """Gray in 0 .. 1 (B, S, S) to three equal normalised channels (B, 3, S, S)."""
    scaled = (gray - preprocessing.mean) / preprocessing.std
    return scaled[:, None].expand(-1, 3, -1, -1)


def resize(pixels: np.ndarray, size: int) -> np.ndarray:
    """Grayscale (H, W) to (size, size): by area where both sides shrink, else bilinearly."""
    height, width = pixels.shape
    if (height, width) == (size, size):
        return pixels
    if height >= size and width >= size:
        return cv2.resize(pixels, (size, size), interpolation=cv2.INTER_AREA)
    return cv2.resize(pixels, (size, size), interpolation=cv2.INTER_LINEAR)

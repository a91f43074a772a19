"""PNG and JPEG to a `Radiograph`."""

from __future__ import annotations

import io
import struct

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from lmeran.limits import MAX_PIXELS, check_dimensions
from lmeran.radiograph import Radiograph, ReadError

_GRAY_TOLERANCE = 8
"""Channels of a gray film saved as RGB JPEG differ by rounding, up to a few levels."""


def read_picture(data: bytes) -> Radiograph:
    """Decode a PNG or JPEG. Raises `ReadError` in one sentence."""
    try:
        with Image.open(io.BytesIO(data), formats=("PNG", "JPEG")) as image:
            check_dimensions(image.height, image.width, len(image.getbands()))
            media = str(image.format)
            oriented = ImageOps.exif_transpose(image)
            return _from_image(oriented, media)
    except Image.DecompressionBombError:
        raise ReadError(
            f"The picture claims more than the limit of {MAX_PIXELS // 1_000_000} million values; "
            "export it at a smaller size."
        ) from None
    except (UnidentifiedImageError, OSError, SyntaxError, ValueError, struct.error) as error:
        if isinstance(error, ReadError):
            raise
        raise ReadError(
            "The picture is damaged or incomplete and cannot be decoded; export it again."
        ) from error


def _from_image(image: Image.Image, media: str) -> Radiograph:
    if image.mode.startswith("I"):
        values = np.asarray(image).astype(np.float32)
        _refuse_flat(values)
        return Radiograph(to_gray8(values), media, 16, window="0.5 to 99.5 % of the values")
    if image.mode in ("L", "1"):
        gray, warnings = np.asarray(image.convert("L")), ()
    else:
        rgb = image.convert("RGB")
        gray, warnings = np.asarray(rgb.convert("L")), _colour_warnings(np.asarray(rgb))
    _refuse_flat(gray)
    return Radiograph(gray, media, 8, window="as stored", warnings=warnings)


def _colour_warnings(rgb: np.ndarray) -> tuple[str, ...]:
    spread = rgb.max(axis=2).astype(np.int16) - rgb.min(axis=2)
    if np.mean(spread > _GRAY_TOLERANCE) <= 0.01:
        return ()
    return (
        "This is a colour picture, converted to gray: if it is a photograph or a screenshot "
        "of a film, the model was not trained on such input.",
    )


def to_gray8(values: np.ndarray, low: float | None = None, high: float | None = None) -> np.ndarray:
    """Values to uint8 by a linear ramp from low to high (default: the 0.5 and 99.5 percentiles)."""
    if low is None or high is None:
        low, high = (float(x) for x in np.percentile(values, (0.5, 99.5)))
    if high <= low:
        high = low + 1
    scaled = (values - low) * (255.0 / (high - low))
    return np.clip(np.rint(scaled), 0, 255).astype(np.uint8)


def _refuse_flat(values: np.ndarray) -> None:
    if values.min() == values.max():
        raise ReadError("The picture is one flat gray with nothing to read; choose another.")

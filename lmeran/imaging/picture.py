"""PNG and JPEG to a `Radiograph`."""

from __future__ import annotations

import io
import struct

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from lmeran.imaging.radiograph import MAX_PIXELS, Radiograph, ReadError, check_dimensions
from lmeran.imaging.values import AS_STORED, GrayValues, codes_of
from lmeran.imaging.window import Ramp

PERCENTILES = "0.5 to 99.5 % of the values"
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
        return _from_16_bit(np.asarray(image), media)
    if image.mode in ("L", "1"):
        gray, warnings = np.asarray(image.convert("L")), ()
    else:
        rgb = image.convert("RGB")
        gray, warnings = np.asarray(rgb.convert("L")), _colour_warnings(np.asarray(rgb))
    _refuse_flat(gray)
    return Radiograph(gray, media, 8, window=AS_STORED, warnings=warnings)


def _from_16_bit(stored: np.ndarray, media: str) -> Radiograph:
    _refuse_flat(stored)
    values = stored.astype(np.float32)
    low, high = (float(x) for x in np.percentile(values, (0.5, 99.5)))
    high = high if high > low else low + 1
    codes, first = codes_of(np.clip(stored, 0, 2**16 - 1).astype(np.uint16))
    depth = GrayValues(codes, (Ramp(low, high, PERCENTILES),), first=first)
    gray = np.clip(np.rint((values - low) * (255.0 / (high - low))), 0, 255).astype(np.uint8)
    return Radiograph(gray, media, 16, window=PERCENTILES, depth=depth)


def _colour_warnings(rgb: np.ndarray) -> tuple[str, ...]:
    spread = rgb.max(axis=2).astype(np.int16) - rgb.min(axis=2)
    if np.mean(spread > _GRAY_TOLERANCE) <= 0.01:
        return ()
    return (
        "This is a colour picture, converted to gray: if it is a photograph or a screenshot "
        "of a film, the model was not trained on such input.",
    )


def _refuse_flat(values: np.ndarray) -> None:
    if values.min() == values.max():
        raise ReadError("The picture is one flat gray with nothing to read; choose another.")

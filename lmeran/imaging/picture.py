"""PNG and JPEG to a `Radiograph`. Metadata that cannot be read is left out: nobody needs it."""

from __future__ import annotations

import io
import struct
import warnings
import zlib
from collections.abc import Iterator
from dataclasses import replace

import cv2
import numpy as np
from PIL import ExifTags, Image
from PIL.JpegImagePlugin import JpegImageFile
from PIL.PngImagePlugin import PngImageFile

from lmeran.imaging.radiograph import Radiograph, ReadError, check_dimensions
from lmeran.imaging.values import AS_STORED, GrayValues, codes_of
from lmeran.imaging.window import Ramp

PERCENTILES = "0.5 to 99.5 % of the values"
_GRAY_TOLERANCE = 8
"""Channels of a gray film saved as RGB JPEG differ by rounding, up to a few levels."""
_PNG = b"\x89PNG\r\n\x1a\n"


def read_picture(data: bytes) -> Radiograph:
    """Decode a PNG or JPEG. Raises `ReadError` in one sentence."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # Pillow tells of broken metadata
            if data.startswith(_PNG):
                return _read_png(data)
            return _read(JpegImageFile(io.BytesIO(data)), data)
    except ReadError:
        raise
    except Exception as error:  # decoders raise whatever they please
        raise ReadError(
            "The picture is damaged or incomplete and cannot be decoded; export it again."
        ) from error


def _read_png(data: bytes) -> Radiograph:
    try:
        return _read(PngImageFile(io.BytesIO(data)), data)
    except ReadError:
        raise
    except Exception:  # perhaps only what is said beside the picture is broken
        bare = _PNG + b"".join(_needed_chunks(data))
        return _read(PngImageFile(io.BytesIO(bare)), bare)


def _read(image: Image.Image, data: bytes) -> Radiograph:
    with image:
        check_dimensions(image.height, image.width, len(image.getbands()))
        media = str(image.format)
        image.load()
        orientation = _orientation(image)
        if media == "PNG" and image.mode in ("RGB", "RGBA", "LA") and data[24] == 16:
            return _from_16_bit_colour(_upright(_decode_16_bit(data), orientation), media)
        if image.mode.startswith("I"):
            return _from_16_bit(_upright(np.asarray(image), orientation), media)
        if image.mode in ("L", "1"):
            gray, told = np.asarray(image.convert("L")), ()
        else:
            rgb = image.convert("RGB")
            gray, told = np.asarray(rgb.convert("L")), _colour_warnings(np.asarray(rgb))
    _refuse_flat(gray)
    gray = np.ascontiguousarray(_upright(gray, orientation))
    return Radiograph(gray, media, 8, window=AS_STORED, warnings=told)


def _needed_chunks(data: bytes) -> Iterator[bytes]:
    """The chunks of a PNG that hold the picture, critical by a bit of their name, and a sound eXIf.

    ISO/IEC 15948, 5.3 and 5.4.
    """
    position = len(_PNG)
    while position + 12 <= len(data):
        length, name = struct.unpack_from(">I4s", data, position)
        chunk = data[position : position + 12 + length]
        is_sound = zlib.crc32(chunk[4:-4]) == int.from_bytes(chunk[-4:], "big")
        if not name[0] & 0x20 or (name == b"eXIf" and is_sound):
            yield chunk
        position += len(chunk)


def _orientation(image: Image.Image) -> int:
    """EXIF's Orientation, 1 (upright) where it cannot be read."""
    try:
        return image.getexif().get(ExifTags.Base.Orientation, 1)
    except Exception:  # whatever a broken tag makes the parser raise
        return 1


def _upright(pixels: np.ndarray, orientation: int) -> np.ndarray:
    """Pixels (H, W) or (H, W, C) turned as EXIF's Orientation says (CIPA DC-008, 4.6.4)."""
    if orientation in (5, 6, 7, 8):
        pixels = pixels.swapaxes(0, 1)
    if orientation in (2, 3, 6, 7):
        pixels = pixels[:, ::-1]
    if orientation in (3, 4, 7, 8):
        pixels = pixels[::-1]
    return pixels


def _decode_16_bit(data: bytes) -> np.ndarray:
    """Blue, green and red of a 16-bit PNG, uint16 (H, W, 3); Pillow keeps their high bytes only."""
    pixels = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED)
    if pixels is None or pixels.dtype != np.uint16 or pixels.ndim != 3:
        raise ValueError("the decoded picture is not what its header says")
    return pixels[..., :3]


def _from_16_bit_colour(bgr: np.ndarray, media: str) -> Radiograph:
    film = _from_16_bit(cv2.cvtColor(np.ascontiguousarray(bgr), cv2.COLOR_BGR2GRAY), media)
    ramp = film.values.vois[0]
    shown = np.rint(ramp.to_gray(bgr) * 255).astype(np.uint8)
    return replace(film, warnings=_colour_warnings(shown))


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

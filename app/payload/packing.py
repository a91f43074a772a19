"""A film as bytes for the page: its values, small and without loss, and a thumbnail.

Each value is written as its difference from the one before, with the sign in the lowest bit, high
bytes before low bytes: neighbours are alike, so most of the high bytes are zero. Then gzip, which
every browser undoes by itself. `static/viewer/values.js` is the way back.
"""

from __future__ import annotations

import base64
import zlib
from typing import Any

import cv2
import numpy as np

from lmeran.imaging.radiograph import Radiograph
from lmeran.imaging.values import GrayValues
from lmeran.imaging.window import LookUpTable, Ramp, Voi

_STRIP = 2**20
_GZIP = 31
_MEMORY = 9
_QUALITY = 85
"""Of the JPEG of a thumbnail."""


def pack_values(codes: np.ndarray) -> bytes:
    """uint8 or uint16 (H, W), row by row, to gzip bytes."""
    flat = codes.ravel()
    signed = np.dtype(f"i{flat.itemsize}")
    planes = np.empty((flat.itemsize, flat.size), dtype=np.uint8)
    for start in range(0, flat.size, _STRIP):
        part = flat[start : start + _STRIP]
        before = flat[start - 1 : start] if start else np.zeros(1, flat.dtype)
        steps = np.diff(part, prepend=before).view(signed)
        folded = ((steps << 1) ^ (steps >> (8 * flat.itemsize - 1))).view(flat.dtype)
        for k in range(flat.itemsize):
            shifted = folded >> (8 * (flat.itemsize - 1 - k))
            planes[k, start : start + _STRIP] = shifted.astype(np.uint8)
    # Only runs and frequencies are looked for: ten times as fast as a search for repetitions, and
    # noise has none.
    packer = zlib.compressobj(1, zlib.DEFLATED, _GZIP, _MEMORY, zlib.Z_RLE)
    return packer.compress(planes) + packer.flush()


def pack_map(values: np.ndarray) -> str:
    """The cells of a map, row by row, as base64 of little-endian float32.

    A third as long as its numbers written out, and exact.
    """
    return base64.b64encode(values.astype("<f4").tobytes()).decode("ascii")


def value_facts(values: GrayValues) -> dict[str, Any]:
    """How the page reads the codes it fetches: their depth, real values, and ways to gray."""
    return {
        "bytes": values.codes.itemsize,
        "first": values.first,
        "slope": values.slope,
        "intercept": values.intercept,
        "table": None if values.table is None else _words16(values.table),
        "unit": values.unit,
        "inverted": values.inverted,
        "padding": values.padding,
        "vois": [_voi_facts(voi) for voi in values.vois],
    }


def _voi_facts(voi: Voi) -> dict[str, Any]:
    if isinstance(voi, LookUpTable):
        facts = {"first": voi.first, "white": voi.white, "entries": _words16(voi.entries)}
        return {"kind": "table", "name": voi.name, **facts}
    if isinstance(voi, Ramp):
        return {"kind": "ramp", "name": voi.name, "low": voi.low, "high": voi.high}
    return {
        "kind": "window",
        "name": voi.name,
        "centre": voi.center,
        "width": voi.width,
        "function": voi.function,
    }


def _words16(entries: np.ndarray) -> str:
    """Entries of a LUT, whole numbers of 16 bits, as base64 of little-endian bytes."""
    return base64.b64encode(entries.astype("<u2").tobytes()).decode("ascii")


def thumbnail(film: Radiograph, side: int) -> bytes:
    """JPEG of a film in its true shape, its longer side `side` pixels."""
    height, width = film.height * film.aspect, float(film.width)
    scale = side / max(height, width)
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    small = cv2.resize(film.pixels, size, interpolation=cv2.INTER_AREA)
    return cv2.imencode(".jpg", small, [cv2.IMWRITE_JPEG_QUALITY, _QUALITY])[1].tobytes()

"""A film as a small picture."""

from __future__ import annotations

import cv2

from lmeran.imaging.radiograph import Radiograph

_QUALITY = 85


def thumbnail(film: Radiograph, side: int) -> bytes:
    """JPEG of a film in its true shape, its longer side `side` pixels."""
    height, width = film.height * film.aspect, float(film.width)
    scale = side / max(height, width)
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    small = cv2.resize(film.pixels, size, interpolation=cv2.INTER_AREA)
    return cv2.imencode(".jpg", small, [cv2.IMWRITE_JPEG_QUALITY, _QUALITY])[1].tobytes()

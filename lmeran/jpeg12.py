"""12-bit JPEG Extended (PS3.5 A.4.1, process 4): no permissively licensed plugin of pydicom decodes
it; imagecodecs does, where it is installed (`requirements-dicom.txt`)."""

from __future__ import annotations

from importlib.util import find_spec

import numpy as np

from lmeran.radiograph import ReadError

LOSSY_BITS = 12
"""More the cosine transform of JPEG does not have."""


def check_12_bit(precision: int, signed: bool) -> None:
    """Whether a frame of so many bits can be decoded here. Raises `ReadError`."""
    decodable = precision == LOSSY_BITS and not signed
    if decodable and find_spec("imagecodecs") is not None:
        return
    more = " without one more package (pip install -r requirements-dicom.txt)" if decodable else ""
    raise ReadError(
        f"The film is compressed as {precision}-bit JPEG Extended, which this viewer cannot decode"
        f"{more}; export it uncompressed, as JPEG 2000 or as JPEG Lossless."
    )


def decode_12_bit(stream: bytes, rows: int, columns: int) -> np.ndarray:
    """Stored values, uint16 (rows, columns), of a frame whose dimensions were checked before.

    Raises what the decoder raises on damaged data, and `ValueError` for another shape.
    """
    import imagecodecs

    pixels = imagecodecs.jpeg8_decode(stream)
    if pixels.shape != (rows, columns) or pixels.dtype != np.uint16:
        raise ValueError("the decoded frame is not what its header says")
    return pixels

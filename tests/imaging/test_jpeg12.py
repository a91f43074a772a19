"""12-bit JPEG Extended, on frames compressed here."""

from __future__ import annotations

import struct

import numpy as np
import pytest
from pydicom.encaps import encapsulate
from pydicom.uid import JPEGExtended12Bit

from lmeran.imaging.dicom.pixel_data import decode
from tests.conftest import film_pixels
from tests.support.dicom_making import film, read, refusal

imagecodecs = pytest.importorskip("imagecodecs", reason="needs requirements-dicom.txt")


def gray() -> np.ndarray:
    """12-bit values, uint16 (96, 80)."""
    return film_pixels(96, 80).astype(np.uint16) * 16


def compressed(frame: bytes, **attributes: object):
    ds = film(gray(), bits=12, **attributes)
    ds.PixelData = encapsulate([frame])
    ds["PixelData"].is_undefined_length = True
    ds.file_meta.TransferSyntaxUID = JPEGExtended12Bit
    return ds


def stream() -> bytes:
    return imagecodecs.jpeg8_encode(gray(), level=98, bitspersample=12)


def test_values_are_kept_but_for_the_loss():
    values = decode(compressed(stream()), JPEGExtended12Bit)
    assert values.dtype == np.uint16
    difference = np.abs(values.astype(int) - gray().astype(int))
    assert difference.max() < 64
    assert values.max() > 255, "all twelve bits"
    result = read(compressed(stream()))
    assert result.bits == 12
    assert result.pixels.shape == (96, 80)


def test_signed_values_and_damage_are_refused():
    assert "12-bit JPEG Extended" in refusal(compressed(stream(), PixelRepresentation=1))
    sof = b"\xff\xc1" + struct.pack(">HBHHB3B", 11, 12, 96, 80, 1, 1, 17, 0)
    broken = b"\xff\xd8" + sof + b"\xff\xda" + bytes(8) + b"\xff\xd9"
    assert "damaged" in refusal(compressed(broken))

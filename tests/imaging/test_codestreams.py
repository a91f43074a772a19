"""Compressed streams: signs, 12-bit JPEG, and damage in JPEG Lossless."""

from __future__ import annotations

import struct

import numpy as np
import pytest
from pydicom.dataset import Dataset
from pydicom.encaps import get_frame
from pydicom.uid import (
    JPEG2000Lossless,
    JPEGExtended12Bit,
    JPEGLossless,
    JPEGLosslessSV1,
    JPEGLSLossless,
)

from lmeran.imaging.dicom.pixel_data import decode
from tests.conftest import film_pixels
from tests.support.dicom_making import DHT, encapsulated, film, lossless_jpeg, ramp, read, refusal

SIGNED = ramp().astype(np.int16) - 2048


def codestream(ds: Dataset, syntax: str) -> bytes:
    ds.compress(syntax, generate_instance_uid=False)
    return get_frame(ds.PixelData, 0, number_of_frames=1)


@pytest.mark.parametrize("bits", [12, 16])
def test_a_signed_jpeg_2000_stream_under_an_unsigned_header_is_unsigned(bits: int) -> None:
    """Decided by PS3.5 8.1.1: Pixel Representation says how the stored bits are meant."""
    stream = codestream(film(SIGNED, bits), JPEG2000Lossless)
    ds = encapsulated(film(ramp()), stream, JPEG2000Lossless)
    np.testing.assert_array_equal(decode(ds, JPEG2000Lossless), SIGNED.view(np.uint16) & 0xFFF)


@pytest.mark.parametrize(
    ("syntax", "values", "bits"),
    [
        (JPEGLSLossless, SIGNED.view(np.uint16) & 0xFFF, 16),
        (JPEGLSLossless, SIGNED.view(np.uint16), 16),
        (JPEGLSLossless, SIGNED.view(np.uint16) & 0xFFF, 12),
        (JPEG2000Lossless, SIGNED.view(np.uint16) & 0xFFF, 16),
        (JPEG2000Lossless, SIGNED, 12),
    ],
)
def test_signed_values_need_no_bits_above_their_sign(
    syntax: str, values: np.ndarray, bits: int
) -> None:
    """Decided by PS3.5 8.1.1: the sign is the highest of the bits stored."""
    ds = encapsulated(film(SIGNED), codestream(film(values, bits), syntax), syntax)
    np.testing.assert_array_equal(decode(ds, syntax), SIGNED)


def lossless(stream: bytes, syntax: str = JPEGLossless, **attributes: object) -> Dataset:
    return encapsulated(film(VALUES, **attributes), stream, syntax)


VALUES = film_pixels(64, 64).astype(np.uint16) * 16
GOOD = lossless_jpeg(VALUES, 12, restart_rows=8)
AT = {
    name: GOOD.index(marker)
    for name, marker in {"DRI": b"\xff\xdd", "SOF": b"\xff\xc3", "SOS": b"\xff\xda"}.items()
}


@pytest.mark.parametrize("predictor", range(1, 8))
@pytest.mark.parametrize(("precision", "restart_rows"), [(12, 0), (16, 8), (12, 1)])
def test_lossless_jpeg_is_read_with_every_predictor(
    predictor: int, precision: int, restart_rows: int
) -> None:
    stream = lossless_jpeg(VALUES, precision, predictor, restart_rows)
    np.testing.assert_array_equal(decode(lossless(stream), JPEGLossless), VALUES)


def test_signed_lossless_jpeg() -> None:
    for values in (SIGNED.view(np.uint16) & 0xFFF, SIGNED.view(np.uint16)):
        ds = encapsulated(film(SIGNED), lossless_jpeg(values, 16), JPEGLossless)
        np.testing.assert_array_equal(decode(ds, JPEGLossless), SIGNED)


def test_a_scan_without_its_huffman_table_never_reaches_the_decoder() -> None:
    """GDCM ends the process at one."""
    assert "damaged" in refusal(lossless(lossless_jpeg(VALUES, 12, tables=b"")))
    lost = GOOD.replace(b"\xff\xc4", b"\xff\xe4", 1)
    assert "damaged" in refusal(lossless(lost))
    other = DHT.replace(b"\x00\x24\x00", b"\x00\x24\x01", 1)
    assert "damaged" in refusal(lossless(lossless_jpeg(VALUES, 12, tables=other)))


def edited(place: str, offset: int, value: int) -> bytes:
    data = bytearray(GOOD)
    data[AT[place] + offset] = value
    return bytes(data)


@pytest.mark.parametrize(
    "stream",
    [
        edited("SOF", 4, 11),
        edited("SOF", 4, 13),
        edited("SOF", 4, 16),
        edited("SOF", 3, 8),
        edited("SOF", 10, 2),
        edited("SOS", 5, 9),
        edited("SOS", 6, 0x10),
        edited("SOS", 7, 2),
        edited("SOS", 7, 0),
        edited("SOS", 9, 1),
        edited("DRI", 5, 65),
        edited("DRI", 4, 1),
        edited("DRI", 1, 0xE0),
        GOOD.replace(b"\xff\xd3", b"\xff\xd4", 1),
        GOOD[:-400] + GOOD[-2:],
        GOOD[:-2] + b"\x5a" * 40 + GOOD[-2:],
        lossless_jpeg(VALUES, 12)[: -len(GOOD) // 2] + b"\xff\xd9",
    ],
)
def test_what_the_decoder_does_not_say_is_told(stream: bytes) -> None:
    """Precision, components, predictor, restarts, bits left over, a scan cut off."""
    refusal(lossless(stream, JPEGLosslessSV1))


def test_predictors_but_the_first_are_not_first_order() -> None:
    stream = lossless_jpeg(VALUES, 12, predictor=4)
    assert "damaged" in refusal(lossless(stream, JPEGLosslessSV1))


def test_another_process_under_the_name_of_lossless_is_refused() -> None:
    sof = b"\xff\xc1" + struct.pack(">HBHHB3B", 11, 8, 64, 64, 1, 1, 17, 0)
    stream = b"\xff\xd8" + sof + b"\xff\xda" + bytes(8) + b"\xff\xd9"
    assert "damaged" in refusal(lossless(stream))


@pytest.fixture()
def stream_12_bit() -> bytes:
    imagecodecs = pytest.importorskip("imagecodecs", reason="needs requirements-dicom.txt")
    return imagecodecs.jpeg8_encode(VALUES, level=98, bitspersample=12)


def test_12_bit_jpeg_keeps_its_values_but_for_the_loss(stream_12_bit: bytes) -> None:
    ds = lossless(stream_12_bit, JPEGExtended12Bit)
    values = decode(ds, JPEGExtended12Bit)
    assert values.dtype == np.uint16
    assert np.abs(values.astype(int) - VALUES.astype(int)).max() < 64
    assert values.max() > 255, "all twelve bits"
    result = read(ds)
    assert (result.bits, result.pixels.shape) == (12, VALUES.shape)


def test_signed_or_damaged_12_bit_jpeg_is_refused(stream_12_bit: bytes) -> None:
    signed = lossless(stream_12_bit, JPEGExtended12Bit, PixelRepresentation=1)
    assert "12-bit JPEG Extended" in refusal(signed)
    sof = b"\xff\xc1" + struct.pack(">HBHHB3B", 11, 12, 64, 64, 1, 1, 17, 0)
    broken = b"\xff\xd8" + sof + b"\xff\xda" + bytes(8) + b"\xff\xd9"
    assert "damaged" in refusal(lossless(broken, JPEGExtended12Bit))

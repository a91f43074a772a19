"""What is refused, in one sentence: bombs, lies, damage, random bytes."""

from __future__ import annotations

import io
import struct
import time
import warnings
import zlib

import numpy as np
import pytest
from pydicom.encaps import get_frame
from pydicom.uid import (
    JPEG2000,
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    JPEG2000Lossless,
    JPEGBaseline8Bit,
    JPEGExtended12Bit,
    JPEGLSLossless,
    RLELossless,
)

from lmeran.imaging.dicom.reader import looks_like_dicom, read_dicom
from lmeran.imaging.radiograph import ReadError
from tests.support.dicom_making import (
    SIZE,
    assert_one_sentence,
    encapsulated,
    film,
    jpeg_film,
    lut,
    ramp,
    read,
    refusal,
    written,
)

# What is refused


def test_cut_off_pixels_are_refused():
    ds = film()
    ds.PixelData = ds.PixelData[:-100]
    assert "cut off" in refusal(ds)
    assert "cut off" in refusal(written(film())[:-1000])


def test_flat_and_missing_pictures_are_refused():
    assert "flat" in refusal(film(np.zeros((SIZE, SIZE), np.uint16)))
    assert "flat" in refusal(film(np.full((SIZE, SIZE, 3), 7, np.uint8), bits=8))
    ds = film()
    del ds.PixelData
    assert "no complete picture" in refusal(ds)


def test_the_index_of_a_disc_is_refused():
    ds = film(SOPClassUID="1.2.840.10008.1.3.10")
    assert "DICOMDIR" in refusal(ds)


def test_floating_point_is_refused():
    ds = film()
    del ds.PixelData
    ds.FloatPixelData = np.ones((SIZE, SIZE), np.float32).tobytes()
    assert "floating-point" in refusal(ds)


def test_odd_depths_are_refused():
    assert "bits" in refusal(film(BitsStored=20))
    assert "bits" in refusal(film(BitsAllocated=32))
    assert "High Bit" in refusal(film(HighBit=15))
    assert "MONOCHROME2" in refusal(film(PhotometricInterpretation="WHITE IS BONE"))


def test_large_claims_are_refused():
    assert "limit" in refusal(film(Rows=60000, Columns=60000))
    ds = film()
    ds.compress(RLELossless, generate_instance_uid=False)
    ds.Rows = ds.Columns = 60000
    assert "limit" in refusal(ds)


def test_deflate_bomb():
    ds = film()
    head = written(ds, DeflatedExplicitVRLittleEndian)
    meta_end = meta_length(head)
    squeeze = zlib.compressobj(9, zlib.DEFLATED, -zlib.MAX_WBITS)
    bomb = b"".join(squeeze.compress(bytes(2**24)) for _ in range(16)) + squeeze.flush()
    assert len(bomb) < 2**20
    assert "grows past" in refusal(head[:meta_end] + bomb)
    assert "damaged" in refusal(head[:meta_end] + b"\xff" * 100)


def meta_length(data: bytes) -> int:
    """Where the data set starts, by File Meta Information Group Length (0002,0000)."""
    return 144 + struct.unpack_from("<I", data, 140)[0]


def siz(width: int, height: int, tile: int | None = None) -> bytes:
    sizes = (width, height, 0, 0, tile or width, tile or height, 0, 0)
    return b"\xff\x4f\xff\x51" + struct.pack(">HH8IH3B", 41, 0, *sizes, 1, 11, 1, 1) + b"\xff\xd9"


@pytest.mark.parametrize(
    "frame",
    [
        siz(60000, 60000),
        siz(SIZE, SIZE + 1),
        siz(SIZE, SIZE, tile=0),
        b"\xff\xd8\xff\xc3" + struct.pack(">HBHHB3B", 11, 12, 65000, 65000, 1, 1, 17, 0),
        b"\xff\xd8\xff\xf7" + struct.pack(">HBHHB3B", 11, 12, 65000, 65000, 1, 1, 17, 0),
        b"\x00\x00\x00\x0cjP  \r\n\x87\n" + struct.pack(">I4s", 0, b"jp2c") + siz(60000, 60000),
        b"\x89PNG\r\n\x1a\n" + bytes(100),
        bytes(20),
    ],
)
@pytest.mark.parametrize("syntax", [JPEG2000, JPEGLSLossless, JPEGBaseline8Bit])
def test_codestreams_that_are_not_what_the_header_says(frame, syntax):
    if frame.startswith(b"\xff\xd8"):
        frame += b"\xff\xda" + bytes(8) + b"\xff\xd9"
    started = time.process_time()
    refusal(encapsulated(film(), frame, syntax))
    assert time.process_time() - started < 1


def test_second_frame_header_is_refused():
    sof = b"\xff\xf7" + struct.pack(">HBHHB3B", 11, 12, SIZE, SIZE, 1, 1, 17, 0)
    frame = b"\xff\xd8" + sof + sof + b"\xff\xda" + bytes(8) + b"\xff\xd9"
    assert "damaged" in refusal(encapsulated(film(), frame, JPEGLSLossless))


def test_12_bit_jpeg_names_the_syntax_and_the_package_it_needs(monkeypatch):
    monkeypatch.setattr("lmeran.imaging.dicom.pixel_data.find_spec", lambda name: None)
    sof = b"\xff\xc1" + struct.pack(">HBHHB3B", 11, 12, SIZE, SIZE, 1, 1, 17, 0)
    frame = b"\xff\xd8" + sof + b"\xff\xda" + bytes(8) + b"\xff\xd9"
    text = refusal(encapsulated(film(), frame, JPEGExtended12Bit))
    assert "12-bit JPEG Extended" in text
    assert "requirements-dicom.txt" in text
    assert "JPEG 2000" in text


@pytest.mark.parametrize(
    ("syntax", "words"),
    [
        ("1.2.840.10008.1.2.4.55", "JPEG Full Progression"),
        ("1.2.840.10008.1.2.4.100", "MPEG2"),
        ("1.2.840.113619.5.2", "unknown transfer syntax"),
        ("1.2.3.4.5.6.7.8.9", "unknown transfer syntax"),
    ],
)
def test_other_syntaxes_are_named(syntax, words):
    ds = encapsulated(film(), b"\xff\xd8" + bytes(50), syntax)
    out = io.BytesIO()
    ds.save_as(out, enforce_file_format=True, implicit_vr=False, little_endian=True)
    assert words in refusal(out.getvalue())


@pytest.mark.parametrize("syntax", [RLELossless, JPEG2000Lossless, JPEGLSLossless])
def test_half_a_frame_is_refused(syntax):
    noise = np.random.default_rng(0).integers(0, 4096, (SIZE, SIZE)).astype(np.uint16)
    ds = film(noise)
    ds.compress(syntax, generate_instance_uid=False)
    whole = written(ds)
    refusal(whole[: len(whole) * 2 // 3])
    frame = ds.PixelData[16 : len(ds.PixelData) // 2 // 2 * 2]
    refusal(encapsulated(film(), frame, syntax))


def test_jpeg_2000_with_its_middle_missing_is_refused():
    noise = np.random.default_rng(0).integers(0, 4096, (SIZE, SIZE)).astype(np.uint16)
    ds = film(noise)
    ds.compress(JPEG2000Lossless, generate_instance_uid=False)
    frame = get_frame(ds.PixelData, 0, number_of_frames=1)
    half = frame[: len(frame) // 2] + b"\xff\xd9"
    assert "damaged" in refusal(encapsulated(film(), half, JPEG2000Lossless))


# Sniffing and fuzz


def test_files_without_preamble_or_meta():
    for syntax in (ExplicitVRLittleEndian, ImplicitVRLittleEndian, ExplicitVRBigEndian):
        ds = film()
        if syntax == ExplicitVRBigEndian:
            ds.PixelData = ramp().astype(">u2").tobytes()
        whole = written(ds, syntax)
        meta_end = meta_length(whole)
        for data in (whole, whole[132:], whole[meta_end:]):
            assert looks_like_dicom(data)
            np.testing.assert_array_equal(read_dicom(data).pixels, read(film()).pixels)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\x08\x00",
        b"\x89PNG\r\n\x1a\n" + bytes(50),
        b"Name,Age\n" * 40,
        bytes(200),
        b"%PDF-1.7" * 30,
    ],
)
def test_other_files_do_not_look_like_dicom(data):
    assert not looks_like_dicom(data)
    refusal(data)


def samples() -> list[bytes]:
    files = [written(film(WindowCenter=2000, WindowWidth=3000, RescaleSlope=1, RescaleIntercept=0))]
    for syntax in (RLELossless, JPEG2000Lossless, JPEGLSLossless):
        ds = film()
        ds.compress(syntax, generate_instance_uid=False)
        files.append(written(ds))
    files.append(written(film(VOILUTSequence=lut(0, np.arange(4096), 12)), ImplicitVRLittleEndian))
    files.append(written(film(), DeflatedExplicitVRLittleEndian))
    files.append(written(jpeg_film(ramp(8).astype(np.uint8))))
    return files


def assert_reads_or_refuses(data: bytes) -> None:
    try:
        result = read_dicom(data)
    except ReadError as error:
        assert_one_sentence(str(error))
        assert error.__suppress_context__ or error.__context__ is None
    else:
        assert result.pixels.dtype == np.uint8
        assert result.pixels.ndim == 2
        assert "Tremblay" not in repr(result)


@pytest.mark.parametrize("data", samples())
def test_every_prefix_reads_or_refuses(data):
    for end in {*range(0, min(len(data), 1400), 7), *range(1400, len(data), 397)}:
        assert_reads_or_refuses(data[:end])


@pytest.mark.parametrize("data", samples())
def test_damaged_bytes_read_or_refuse(data):
    rng = np.random.default_rng(7)
    for _ in range(150):
        damaged = bytearray(data)
        for position in rng.integers(132, min(len(data), 1600), rng.integers(1, 6)):
            damaged[position] = rng.integers(256)
        assert_reads_or_refuses(bytes(damaged))


def test_random_bytes_are_refused():
    rng = np.random.default_rng(3)
    for size in (0, 1, 16, 140, 500, 3000):
        noise = rng.bytes(size)
        refusal(noise)
        refusal(bytes(128) + b"DICM" + noise)
        refusal(bytes(128) + b"DICM\x02\x00\x10\x00UI\x14\x00" + b"1.2.840.10008.1.2.1\0" + noise)


def test_deeply_nested_sequences_are_refused():
    item = b"\x08\x00\x40\x11SQ\0\0\xff\xff\xff\xff\xfe\xff\x00\xe0\xff\xff\xff\xff"
    refusal(bytes(128) + b"DICM" + item * 20000)


def test_header_bombs_are_refused_early():
    """A million tiny elements in a sequence, and a million numbers in one attribute."""
    tiny = b"".join(struct.pack("<HHI", 0x0011, n % 2**16, 0) for n in range(2**16)) * 16
    nested = struct.pack("<HHIHHI", 0x0008, 0x1140, 0xFFFFFFFF, 0xFFFE, 0xE000, 0xFFFFFFFF)
    meta = bytes(128) + b"DICM\x02\x00\x10\x00UI\x12\x001.2.840.10008.1.2\0"
    started = time.process_time()
    assert "header" in refusal(meta + nested + tiny)
    whole = written(film(), ImplicitVRLittleEndian)
    at = whole.index(struct.pack("<HHI", 0x7FE0, 0x0010, SIZE * SIZE * 2))
    many = b"1\\" * 10**6
    centers = struct.pack("<HHI", 0x0028, 0x1050, len(many)) + many
    result = read_dicom(whole[:at] + centers + whole[at:])
    assert "percentile" in result.window
    assert time.process_time() - started < 5


def test_warnings_of_the_parser_stay_inside():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        read_dicom(
            written(film(WindowCenter="1", WindowWidth="2")).replace(b"CHEST ", b"\xe9hest?")
        )

"""DICOM files made here, each with one thing to get right or wrong."""

from __future__ import annotations

import io
import math
import struct
import time
import warnings
import zlib

import numpy as np
import pytest
from PIL import Image
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.encaps import encapsulate, get_frame
from pydicom.pixels import apply_windowing
from pydicom.sequence import Sequence
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

from lmeran.dicom import looks_like_dicom, read_dicom
from lmeran.radiograph import Radiograph, ReadError
from lmeran.voi import LookUpTable, Window

NAME = "Tremblay^Josephine"
SIZE = 64


def ramp(bits: int = 12) -> np.ndarray:
    """Every gray level once or more, dark to bright, row by row."""
    return np.linspace(0, 2**bits - 1, SIZE * SIZE).round().astype(np.uint16).reshape(SIZE, SIZE)


def film(pixels: np.ndarray | None = None, bits: int = 12, **attributes: object) -> Dataset:
    pixels = ramp(bits) if pixels is None else pixels
    ds = Dataset()
    ds.file_meta = FileMetaDataset()
    ds.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    ds.SOPClassUID = "1.2.840.10008.5.1.4.1.1.1.1"
    ds.SOPInstanceUID = "1.2.3.4"
    ds.PatientName = NAME
    ds.PatientID = "RAMQ-TREJ"
    ds.Modality = "DX"
    ds.BodyPartExamined = "CHEST"
    ds.Rows, ds.Columns = pixels.shape[:2]
    ds.SamplesPerPixel = 1 if pixels.ndim == 2 else 3
    ds.PhotometricInterpretation = "MONOCHROME2" if pixels.ndim == 2 else "RGB"
    if pixels.ndim == 3:
        ds.PlanarConfiguration = 0
    ds.BitsAllocated = pixels.itemsize * 8
    ds.BitsStored = min(bits, ds.BitsAllocated)
    ds.HighBit = ds.BitsStored - 1
    ds.PixelRepresentation = int(pixels.dtype.kind == "i")
    ds.PixelData = pixels.tobytes()
    ds["PixelData"].VR = "OW" if pixels.itemsize == 2 else "OB"
    for keyword, value in attributes.items():
        setattr(ds, keyword, value)
    return ds


def written(ds: Dataset, syntax: str | None = None) -> bytes:
    syntax = syntax or ds.file_meta.TransferSyntaxUID
    ds.file_meta.TransferSyntaxUID = syntax
    out = io.BytesIO()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        ds.save_as(
            out,
            enforce_file_format=True,
            implicit_vr=syntax == ImplicitVRLittleEndian,
            little_endian=syntax != ExplicitVRBigEndian,
        )
    return out.getvalue()


def read(ds: Dataset, syntax: str | None = None) -> Radiograph:
    return read_dicom(written(ds, syntax))


def refusal(data: bytes | Dataset) -> str:
    """The sentence a file is refused with; fails for any other exception, and for a success."""
    with pytest.raises(ReadError) as caught:
        read_dicom(written(data) if isinstance(data, Dataset) else data)
    text = str(caught.value)
    assert_one_sentence(text)
    return text


def assert_one_sentence(text: str) -> None:
    assert text.endswith(".")
    assert ". " not in text
    assert "\n" not in text
    assert "Tremblay" not in text
    assert "RAMQ" not in text


def lut(first: int, entries: np.ndarray, bits: int, signed: bool = False) -> Sequence:
    item = Dataset()
    item.add_new("LUTDescriptor", "SS" if signed else "US", [len(entries) % 2**16, first, bits])
    item.add_new("LUTData", "OW", entries.astype("<u2").tobytes())
    return Sequence([item])


# Polarity


@pytest.mark.parametrize(
    ("kind", "shape", "inverted", "contradiction"),
    [
        ("MONOCHROME2", None, False, False),
        ("MONOCHROME2", "IDENTITY", False, False),
        ("MONOCHROME1", None, True, False),
        ("MONOCHROME1", "INVERSE", True, False),  # the standard's pair: one inversion, not two
        ("MONOCHROME1", "IDENTITY", True, True),
        ("MONOCHROME2", "INVERSE", True, True),
    ],
)
@pytest.mark.parametrize("windowed", [True, False])
def test_polarity_is_turned_exactly_once(kind, shape, inverted, contradiction, windowed):
    attributes = {"WindowCenter": 2048, "WindowWidth": 4096} if windowed else {}
    ds = film(PhotometricInterpretation=kind, **attributes)
    if shape:
        ds.PresentationLUTShape = shape
    result = read(ds)
    assert (result.pixels[0, 0] > result.pixels[-1, -1]) == inverted
    assert any("contradicts" in warning for warning in result.warnings) == contradiction


def test_window_comes_before_the_inversion():
    """A low, narrow window on MONOCHROME1: everything above it is black, not white."""
    result = read(film(PhotometricInterpretation="MONOCHROME1", WindowCenter=500, WindowWidth=400))
    assert result.pixels[0, 0] == 255
    assert result.pixels[-1, -1] == 0
    assert (result.pixels[ramp() > 701] == 0).all()
    assert (result.pixels[ramp() < 299] == 255).all()


# VOI


def brute_force(x: float, center: float, width: float, function: str) -> float:
    """PS3.3 C.11.2.1.2.1, C.11.2.1.3.1 and C.11.2.1.3.2 with an output range of 0 to 1."""
    if function == "SIGMOID":
        return 1 / (1 + math.exp(min(-4 * (x - center) / width, 700)))
    if function == "LINEAR_EXACT":
        if x <= center - width / 2:
            return 0
        if x > center + width / 2:
            return 1
        return (x - center) / width + 0.5
    if x <= center - 0.5 - (width - 1) / 2:
        return 0
    if x > center - 0.5 + (width - 1) / 2:
        return 1
    return (x - (center - 0.5)) / (width - 1) + 0.5


@pytest.mark.parametrize("function", ["LINEAR", "LINEAR_EXACT", "SIGMOID"])
@pytest.mark.parametrize(("center", "width"), [(2048, 4096), (1000.5, 333), (3000, 1), (100, 2000)])
def test_windows_follow_the_standard(function, center, width):
    ours = Window(center, width, function).to_gray(np.arange(4096.0))
    wanted = [brute_force(x, center, width, function) for x in range(4096)]
    np.testing.assert_allclose(ours, wanted, atol=1e-12)


@pytest.mark.parametrize("function", ["LINEAR", "LINEAR_EXACT", "SIGMOID"])
def test_windows_of_a_file_agree_with_pydicom(function):
    ds = film(WindowCenter=1800, WindowWidth=1500, VOILUTFunction=function)
    result = read(ds)
    theirs = apply_windowing(ramp(), ds) * 255 / 4095
    assert np.abs(result.pixels - theirs).max() <= 0.5 + 1e-9
    assert "center 1800, width 1500" in result.window
    assert result.warnings == ()


def test_the_first_of_several_windows_counts():
    several = read(film(WindowCenter=[1000, 3000], WindowWidth=[500, 100]))
    one = read(film(WindowCenter=1000, WindowWidth=500))
    np.testing.assert_array_equal(several.pixels, one.pixels)


def test_voi_table_comes_before_the_window():
    steps = np.where(np.arange(4096) < 2000, 0, 4095)
    result = read(film(VOILUTSequence=lut(0, steps, 12), WindowCenter=100, WindowWidth=50))
    np.testing.assert_array_equal(result.pixels, np.where(ramp() < 2000, 0, 255))
    assert result.window == "VOI table of the file"


@pytest.mark.parametrize("syntax", [ImplicitVRLittleEndian, ExplicitVRLittleEndian])
def test_short_8_bit_voi_table_ends_in_its_first_and_last_entry(syntax):
    result = read(film(VOILUTSequence=lut(1000, np.arange(256), 8)), syntax)
    wanted = np.clip(ramp().astype(int) - 1000, 0, 255)
    np.testing.assert_array_equal(result.pixels, wanted)


def test_voi_table_written_as_numbers():
    item = Dataset()
    item.add_new("LUTDescriptor", "US", [4096, 0, 16])
    item.add_new("LUTData", "US", [x * 16 for x in range(4096)])
    result = read(film(VOILUTSequence=Sequence([item])))
    np.testing.assert_allclose(result.pixels, ramp() * 16.0 * 255 / 65535, atol=0.51)


def test_table_with_negative_start():
    table = LookUpTable(-2, np.array([5.0, 6.0, 7.0]), 8)
    np.testing.assert_array_equal(table.map(np.array([-9, -2, -1, 0, 9])), [5, 5, 6, 7, 7])


def test_no_voi_gives_a_percentile_window_without_warning():
    result = read(film())
    assert "percentile" in result.window
    assert result.warnings == ()
    low, high = np.percentile(ramp(), (0.5, 99.5))
    wanted = np.clip((ramp() - low) / (high - low), 0, 1) * 255
    assert np.abs(result.pixels - wanted).max() < 1


@pytest.mark.parametrize(
    "attributes",
    [
        {"WindowCenter": 2000, "WindowWidth": 0},
        {"WindowCenter": 2000, "WindowWidth": -100},
        {"WindowCenter": 90000, "WindowWidth": 10},
        {"WindowCenter": 2000},
        {"WindowWidth": 2000},
        {"WindowCenter": 2000, "WindowWidth": 500, "VOILUTFunction": "CUBIC"},
        {"VOILUTSequence": lut(0, np.zeros(16), 12)},
        {"VOILUTSequence": Sequence([Dataset()])},
        {"VOILUTSequence": lut(0, np.arange(100), 77)},
    ],
)
def test_unusable_voi_falls_back_and_says_so(attributes):
    result = read(film(**attributes))
    assert "percentile" in result.window
    assert any("window in the file is unusable" in warning for warning in result.warnings)
    np.testing.assert_array_equal(result.pixels, read(film()).pixels)


def test_window_that_is_no_number():
    data = written(film(WindowCenter="2048", WindowWidth="4096"))
    assert "percentile" in read_dicom(data.replace(b"2048", b"abcd")).window


# Modality


def test_rescale_comes_before_the_window():
    result = read(film(RescaleSlope=2, RescaleIntercept=-1000, WindowCenter=3000, WindowWidth=2000))
    wanted = Window(3000, 2000).to_gray(ramp() * 2.0 - 1000) * 255
    np.testing.assert_array_equal(result.pixels, np.rint(wanted))


@pytest.mark.parametrize("attributes", [{}, {"WindowCenter": -2048, "WindowWidth": 4096}])
def test_negative_rescale_slope_turns_the_film(attributes):
    result = read(film(RescaleSlope=-1, RescaleIntercept=0, **attributes))
    assert result.pixels[0, 0] > result.pixels[-1, -1]


def test_modality_table_comes_first():
    turned = lut(0, np.arange(4096)[::-1], 16)
    result = read(film(ModalityLUTSequence=turned, WindowCenter=2048, WindowWidth=4096))
    plain = read(film(np.ascontiguousarray(4095 - ramp()), WindowCenter=2048, WindowWidth=4096))
    np.testing.assert_array_equal(result.pixels, plain.pixels)


def test_broken_modality_table_is_refused_and_broken_rescale_ignored():
    assert "Modality LUT" in refusal(film(ModalityLUTSequence=Sequence([Dataset()])))
    result = read(film(RescaleSlope=0, RescaleIntercept=5))
    assert any("rescale" in warning for warning in result.warnings)


# Stored values


def test_signed_values():
    signed = ramp().astype(np.int16) - 2048
    result = read(film(signed, WindowCenter=0, WindowWidth=4096))
    plain = read(film(WindowCenter=2048, WindowWidth=4096))
    np.testing.assert_array_equal(result.pixels, plain.pixels)


@pytest.mark.parametrize("signed", [False, True])
def test_bits_above_the_stored_ones_are_ignored(signed):
    clean = ramp().astype(np.int16) - 2048 if signed else ramp()
    dirty = (clean.astype(np.uint16) & 0x0FFF) | (np.arange(SIZE, dtype=np.uint16) % 16 << 12)
    window = {"WindowCenter": 0 if signed else 2048, "WindowWidth": 4096}
    result = read(film(dirty.astype(clean.dtype), **window))
    np.testing.assert_array_equal(result.pixels, read(film(clean, **window)).pixels)


def test_padding_is_black_and_left_out_of_the_window():
    pixels = ramp() // 4 + 1000
    pixels[:20] = 4000
    plain = read(film(np.ascontiguousarray(pixels[20:])))
    for extra in ({}, {"PixelPaddingRangeLimit": 4095}):
        for kind in ("MONOCHROME1", "MONOCHROME2"):
            result = read(
                film(pixels, PhotometricInterpretation=kind, PixelPaddingValue=4000, **extra)
            )
            assert (result.pixels[:20] == 0).all()
            seen = result.pixels[20:]
            wanted = 255 - plain.pixels if kind == "MONOCHROME1" else plain.pixels
            np.testing.assert_array_equal(seen, wanted)


@pytest.mark.parametrize(("vr", "value"), [("SS", -2000), ("US", 63536)])
def test_negative_padding_in_either_form(vr, value):
    pixels = ramp().astype(np.int16)
    pixels[:20] = -2000
    ds = film(pixels, bits=16)
    ds.add_new("PixelPaddingValue", vr, value)
    result = read(ds)
    assert (result.pixels[:20] == 0).all()
    np.testing.assert_array_equal(result.pixels[20:], read(film(ramp()[20:])).pixels)


def test_padding_mark_on_every_pixel_is_ignored():
    result = read(film(PixelPaddingValue=0, PixelPaddingRangeLimit=4095))
    assert any("padding" in warning for warning in result.warnings)
    assert result.pixels.max() == 255


@pytest.mark.parametrize(
    "syntax", [ImplicitVRLittleEndian, ExplicitVRBigEndian, DeflatedExplicitVRLittleEndian]
)
@pytest.mark.parametrize("voi", [{}, {"VOILUTSequence": lut(0, np.arange(4096) // 2, 12)}])
def test_native_syntaxes_give_the_same_film(syntax, voi):
    wanted = read(film(**voi))
    ds = film(**voi)
    if syntax == ExplicitVRBigEndian:
        ds.PixelData = ramp().astype(">u2").tobytes()
        if voi:
            table = ds.VOILUTSequence[0]
            table.LUTData = np.frombuffer(table.LUTData, "<u2").astype(">u2").tobytes()
    result = read(ds, syntax)
    np.testing.assert_array_equal(result.pixels, wanted.pixels)
    assert result.pixels.flags.c_contiguous
    assert result.pixels.dtype == np.uint8


@pytest.mark.parametrize("syntax", [RLELossless, JPEG2000Lossless, JPEGLSLossless])
def test_lossless_syntaxes_give_the_same_film(syntax):
    ds = film()
    ds.compress(syntax, generate_instance_uid=False)
    np.testing.assert_array_equal(read(ds).pixels, read(film()).pixels)


def test_8_bit_jpeg():
    gray = (ramp(8)).astype(np.uint8)
    result = read(jpeg_film(gray))
    assert result.bits == 8
    assert result.pixels[0, 0] < result.pixels[-1, -1]


def jpeg_film(gray: np.ndarray) -> Dataset:
    out = io.BytesIO()
    Image.fromarray(gray).save(out, "JPEG", quality=95)
    ds = film(gray, bits=8, PixelData=encapsulate([out.getvalue()]))
    ds["PixelData"].is_undefined_length = True
    ds.file_meta.TransferSyntaxUID = JPEGBaseline8Bit
    return ds


def test_color_becomes_gray_with_a_warning():
    gray = ramp(8).astype(np.uint8)
    result = read(film(np.stack([gray] * 3, axis=-1), bits=8))
    np.testing.assert_array_equal(result.pixels, gray)
    assert any("colour" in warning for warning in result.warnings)


def test_palette_color_becomes_gray_with_a_warning():
    ds = film(ramp(8).astype(np.uint8), bits=8, PhotometricInterpretation="PALETTE COLOR")
    for color in ("Red", "Green", "Blue"):
        ds.add_new(f"{color}PaletteColorLookupTableDescriptor", "US", [256, 0, 16])
        entries = (np.arange(256)[::-1] * 257).astype("<u2").tobytes()
        setattr(ds, f"{color}PaletteColorLookupTableData", entries)
    result = read(ds)
    np.testing.assert_array_equal(result.pixels, 255 - ramp(8))
    assert any("colour" in warning for warning in result.warnings)


# What the header says


@pytest.mark.parametrize("modality", ["CR", "DX", "RG"])
def test_radiographs_read_without_a_warning(modality):
    result = read(film(Modality=modality, ViewPosition="PA"))
    assert (result.modality, result.view, result.warnings) == (modality, "PA", ())
    assert (result.media, result.bits, result.height, result.width) == ("DICOM", 12, SIZE, SIZE)


@pytest.mark.parametrize("modality", ["OT", "SC", "RF", ""])
def test_doubtful_modalities_read_with_a_warning(modality):
    result = read(film(Modality=modality))
    assert "does not say that it is a radiograph" in result.warnings[0]


@pytest.mark.parametrize(
    "modality", ["CT", "MR", "US", "NM", "PT", "MG", "XA", "SEG", "RTDOSE", "SR", "TREMBLAY"]
)
def test_other_modalities_are_refused(modality):
    text = refusal(film(Modality=modality))
    assert "choose a frontal chest X-ray" in text
    assert "TREMBLAY" not in text


@pytest.mark.parametrize("view", ["LL", "LATERAL", "RAO", "LEFT LATERAL"])
def test_other_views_are_warned_about(view):
    result = read(film(ViewPosition=view))
    assert "not a frontal view" in result.warnings[0]


def test_free_text_is_never_echoed():
    result = read(film(ViewPosition="TREMBLAY J", BodyPartExamined="TREMBLAY"))
    assert result.view is None
    assert "TREMBLAY" not in repr(result)
    assert "does not show a chest" in result.warnings[0]


def test_burned_in_text_is_warned_about():
    assert "burned" in read(film(BurnedInAnnotation="YES")).warnings[0]


def test_spacing_and_its_source():
    result = read(film(PixelSpacing=[0.2, 0.2], ImagerPixelSpacing=[0.1, 0.1]))
    assert (result.spacing.row_mm, result.spacing.source) == (0.2, "PixelSpacing")
    result = read(film(ImagerPixelSpacing=[0.1, 0.15]))
    spacing = result.spacing
    assert (spacing.row_mm, spacing.column_mm) == (0.1, 0.15)
    assert spacing.source == "ImagerPixelSpacing"
    assert "not square" in result.warnings[0]
    for broken in ([0, 0.1], [-1, 1], [0.1], [0.1, 0.1, 0.1]):
        assert read(film(PixelSpacing=broken)).spacing is None
    assert "not square" in read(film(PixelAspectRatio=[1, 2])).warnings[0]


# What is refused


def test_several_frames_are_refused():
    ds = film(NumberOfFrames=2)
    ds.PixelData = ds.PixelData * 2
    assert "several frames" in refusal(ds)


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


def encapsulated(frame: bytes, syntax: str, **attributes: object) -> Dataset:
    ds = film(PixelData=encapsulate([frame]), **attributes)
    ds["PixelData"].is_undefined_length = True
    ds.file_meta.TransferSyntaxUID = syntax
    return ds


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
    started = time.perf_counter()
    refusal(encapsulated(frame, syntax))
    assert time.perf_counter() - started < 1


def test_second_frame_header_is_refused():
    sof = b"\xff\xf7" + struct.pack(">HBHHB3B", 11, 12, SIZE, SIZE, 1, 1, 17, 0)
    frame = b"\xff\xd8" + sof + sof + b"\xff\xda" + bytes(8) + b"\xff\xd9"
    assert "damaged" in refusal(encapsulated(frame, JPEGLSLossless))


def test_12_bit_jpeg_names_the_syntax():
    sof = b"\xff\xc1" + struct.pack(">HBHHB3B", 11, 12, SIZE, SIZE, 1, 1, 17, 0)
    frame = b"\xff\xd8" + sof + b"\xff\xda" + bytes(8) + b"\xff\xd9"
    text = refusal(encapsulated(frame, JPEGExtended12Bit))
    assert "12-bit JPEG Extended" in text
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
    ds = encapsulated(b"\xff\xd8" + bytes(50), syntax)
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
    refusal(encapsulated(frame, syntax))


def test_jpeg_2000_with_its_middle_missing_is_refused():
    noise = np.random.default_rng(0).integers(0, 4096, (SIZE, SIZE)).astype(np.uint16)
    ds = film(noise)
    ds.compress(JPEG2000Lossless, generate_instance_uid=False)
    frame = get_frame(ds.PixelData, 0, number_of_frames=1)
    half = frame[: len(frame) // 2] + b"\xff\xd9"
    assert "damaged" in refusal(encapsulated(half, JPEG2000Lossless))


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


def test_a_large_film_is_rendered_in_well_under_a_second():
    rng = np.random.default_rng(1)
    data = written(film(rng.integers(0, 2**16, (3000, 3000), dtype=np.uint16), bits=16))
    started = time.process_time()
    read_dicom(data)
    assert time.process_time() - started < 1

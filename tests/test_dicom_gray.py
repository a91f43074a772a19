"""From stored values to gray: polarity, VOI, modality, padding, syntaxes."""

from __future__ import annotations

import math

import numpy as np
import pytest
from pydicom.dataset import Dataset
from pydicom.pixels import apply_windowing
from pydicom.sequence import Sequence
from pydicom.uid import (
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    JPEG2000Lossless,
    JPEGLSLossless,
    RLELossless,
)

from lmeran.dicom import read_dicom
from lmeran.voi import LookUpTable, Window
from tests.dicom_making import (
    SIZE,
    film,
    jpeg_film,
    lut,
    ramp,
    read,
    refusal,
    written,
)

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

"""From stored values to gray: polarity, modality, padding, syntaxes."""

from __future__ import annotations

import numpy as np
import pytest
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence
from pydicom.uid import (
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ImplicitVRLittleEndian,
    JPEG2000Lossless,
    JPEGLSLossless,
    RLELossless,
)

from lmeran.imaging.window import Window
from tests.support.dicom_making import (
    SIZE,
    film,
    jpeg_film,
    lut,
    ramp,
    read,
    refusal,
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

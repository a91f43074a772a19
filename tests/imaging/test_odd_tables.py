"""Tables and windows that writers declare otherwise than they fill them, from public reports."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence
from pydicom.uid import ExplicitVRLittleEndian, ImplicitVRLittleEndian

from lmeran.imaging.dicom.reader import read_dicom
from lmeran.imaging.files import read_bytes
from tests.imaging.test_files import encoded
from tests.support.dicom_making import film, lut, ramp, read, written

FULL_RANGE = np.rint(ramp() * 255.0 / 4095)


@pytest.mark.parametrize("declared", [8, 10, 12, 14, 16])
def test_a_voi_table_is_scaled_by_its_largest_entry(declared: int) -> None:
    """Agfa CR declares 16 bits and fills 12 (dicom-rs 825, cornerstone 79)."""
    result = read(film(VOILUTSequence=lut(0, np.arange(4096), declared)))
    np.testing.assert_array_equal(result.pixels, FULL_RANGE)
    assert (result.window, result.warnings) == ("VOI table of the file", ())


def test_a_voi_table_that_stays_in_its_declared_range_is_not_stretched() -> None:
    table = np.arange(4096) // 2 + 1000
    result = read(film(VOILUTSequence=lut(0, table, 12)))
    np.testing.assert_array_equal(result.pixels, np.rint(table[ramp()] * 255.0 / 4095))


def palette(entries: np.ndarray, bits: int, packed: bool = False) -> Dataset:
    ds = film(ramp(8).astype(np.uint8), bits=8, PhotometricInterpretation="PALETTE COLOR")
    for color in ("Red", "Green", "Blue"):
        ds.add_new(f"{color}PaletteColorLookupTableDescriptor", "US", [256, 0, bits])
        data = entries.astype("u1" if packed else "<u2").tobytes()
        setattr(ds, f"{color}PaletteColorLookupTableData", data)
    return ds


@pytest.mark.parametrize(
    ("scale", "bits", "packed"), [(1, 16, False), (1, 8, False), (1, 16, True), (257, 8, False)]
)
def test_a_palette_of_8_bit_entries_is_shown_at_full_contrast(
    scale: int, bits: int, packed: bool
) -> None:
    """PS3.3 C.7.6.3.1.5: entries of 8 bits in 16 (OHIF 5823)."""
    result = read(palette(np.arange(256) * scale, bits, packed))
    np.testing.assert_array_equal(result.pixels, ramp(8))


def test_16_bit_colour_with_12_bit_values_is_shown_at_full_contrast() -> None:
    result = read(film(np.stack([ramp()] * 3, axis=-1), bits=16))
    np.testing.assert_array_equal(result.pixels, FULL_RANGE)


@pytest.mark.parametrize("syntax", [ImplicitVRLittleEndian, ExplicitVRLittleEndian])
@pytest.mark.parametrize("intercept", [-1024, 0])
def test_the_first_value_of_a_table_may_be_negative(syntax: str, intercept: int) -> None:
    """Its 16 bits are signed where rescaled values are (dcm4che 1521), whatever the file calls
    them."""
    ds = film(RescaleSlope=1, RescaleIntercept=intercept)
    ds.VOILUTSequence = lut(2**16 - 1024, np.arange(4096), 12)
    result = read(ds, syntax)
    wanted = np.clip(ramp() + 1.0 * intercept + 1024.0, 0, 4095) * 255 / 4095
    np.testing.assert_array_equal(result.pixels, np.rint(wanted))
    assert result.window == "VOI table of the file"


def test_the_first_value_of_a_table_may_be_large() -> None:
    shifted = ramp() + np.uint16(40_000)
    result = read(film(shifted, bits=16, VOILUTSequence=lut(40_000, np.arange(4096), 12)))
    np.testing.assert_array_equal(result.pixels, FULL_RANGE)


@pytest.mark.parametrize(
    "attributes",
    [
        {"VOILUTSequence": Sequence([Dataset()])},
        {"VOILUTSequence": lut(0, np.arange(100), 77)},
        {"VOILUTSequence": lut(0, np.zeros(4096), 12)},
        {"WindowCenter": [90_000, 2048], "WindowWidth": [10, 4096]},
    ],
)
def test_the_next_usable_window_is_taken(attributes: dict[str, object]) -> None:
    window = {"WindowCenter": 2048, "WindowWidth": 4096}
    result = read(film(**{**window, **attributes}))
    np.testing.assert_array_equal(result.pixels, read(film(**window)).pixels)
    assert result.warnings == ()


def test_a_backslash_behind_the_last_value_is_no_value() -> None:
    data = written(film(WindowCenter="180", WindowWidth="150"))
    odd = data.replace(b"180 ", b"180\\").replace(b"150 ", b"150\\")
    assert odd != data
    np.testing.assert_array_equal(read_dicom(odd).pixels, read_dicom(data).pixels)
    assert read_dicom(odd).warnings == ()


def test_an_8_bit_film_under_a_12_bit_window_is_windowed_by_its_values() -> None:
    """Decided: by the letter the film would have 16 levels of gray, and nobody means that."""
    result = read(film(ramp(8).astype(np.uint8), 8, WindowCenter=2048, WindowWidth=4096))
    assert "percentile" in result.window
    assert any("unusable" in warning for warning in result.warnings)
    assert result.pixels.max() == 255


def test_a_padding_value_that_no_pixel_can_have_marks_none() -> None:
    """Decided by PS3.3 C.7.5.1.1.2, which allows only values within Bits Stored."""
    result = read(film(PixelPaddingValue=65535, WindowCenter=2048, WindowWidth=4096))
    assert result.pixels[-1, -1] == 255
    assert any("padding" in warning for warning in result.warnings)


@pytest.mark.parametrize(
    ("pixels", "poor"),
    [
        (np.tile(np.arange(0, 240, 8, np.uint8), (64, 3)), True),
        (np.tile(np.arange(100, 139, dtype=np.uint8), (64, 2)), True),
        (np.tile(np.arange(100, 145, dtype=np.uint8), (64, 2)), False),
    ],
)
def test_a_picture_of_few_or_close_levels_is_never_shown_without_a_word(
    pixels: np.ndarray, poor: bool
) -> None:
    warnings = read_bytes(encoded(Image.fromarray(pixels))).warnings
    assert any("levels of gray" in warning for warning in warnings) == poor

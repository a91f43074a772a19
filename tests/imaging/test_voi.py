"""Windows and tables of a file: by the standard's formulas, and what happens to unusable ones."""

from __future__ import annotations

import math

import numpy as np
import pytest
from pydicom.dataset import Dataset
from pydicom.pixels import apply_windowing
from pydicom.sequence import Sequence
from pydicom.uid import ExplicitVRLittleEndian, ImplicitVRLittleEndian

from lmeran.imaging.dicom.reader import read_dicom
from lmeran.imaging.window import LookUpTable, Window
from tests.support.dicom_making import film, lut, ramp, read, written


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

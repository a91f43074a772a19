"""The values behind the pixels: lossless codes, real values, the file's own windows, transport."""

from __future__ import annotations

import base64
import zlib

import cv2
import numpy as np
import pytest

from app.payload.packing import pack_values, value_facts
from lmeran.imaging.dicom.voi import PERCENTILE
from lmeran.imaging.files import read_bytes
from lmeran.imaging.values import codes_of
from lmeran.imaging.window import LookUpTable, Ramp, Window
from tests.support.dicom_making import film, lut, ramp, read


def unpacked(data: bytes, like: np.ndarray) -> np.ndarray:
    """The way back, written the slow way: differences summed up."""
    planes = np.frombuffer(zlib.decompress(data, 31), np.uint8).reshape(like.itemsize, -1)
    folded = sum(plane.astype(np.int64) << 8 * k for k, plane in enumerate(planes[::-1]))
    steps = (folded >> 1) ^ -(folded & 1)
    return (np.cumsum(steps) % 256**like.itemsize).astype(like.dtype).reshape(like.shape)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@pytest.mark.parametrize("shape", [(1, 1), (7, 5), (1500, 1400)])
def test_packing_loses_nothing(dtype: type, shape: tuple[int, int]) -> None:
    rng = np.random.default_rng(0)
    codes = rng.integers(0, np.iinfo(dtype).max, shape, endpoint=True).astype(dtype)
    np.testing.assert_array_equal(unpacked(pack_values(codes), codes), codes)


def test_a_film_packs_to_less_than_half() -> None:
    smooth = cv2.GaussianBlur(np.random.default_rng(0).random((600, 600)), (0, 0), 8)
    codes = np.rint(4095 * (smooth - smooth.min()) / np.ptp(smooth)).astype(np.uint16)
    assert len(pack_values(codes)) < codes.nbytes / 2


@pytest.mark.parametrize("dtype", [np.uint8, np.int8, np.uint16, np.int16])
@pytest.mark.parametrize("spread", [100, 30_000])
def test_codes_count_from_the_lowest_value(dtype: type, spread: int) -> None:
    limits = np.iinfo(dtype)
    spread = min(spread, limits.max - limits.min)
    low = limits.max - spread
    stored = np.random.default_rng(0).integers(low, limits.max, (9, 7), endpoint=True).astype(dtype)
    codes, first = codes_of(stored)
    assert first == stored.min()
    np.testing.assert_array_equal(codes.astype(np.int64) + first, stored)
    assert codes.dtype == (np.uint8 if np.ptp(stored.astype(np.int64)) < 256 else np.uint16)


@pytest.mark.parametrize("signed", [False, True])
def test_real_values_follow_the_rescale(signed: bool) -> None:
    stored = ramp().astype(np.int16) - 2048 if signed else ramp() // 2 + 7
    values = read(film(stored, RescaleSlope=0.37, RescaleIntercept=-12, RescaleType="HU")).values
    np.testing.assert_allclose(values.real()[values.codes], stored * 0.37 - 12)
    assert values.unit == "HU"


def test_real_values_follow_the_modality_table() -> None:
    entries = np.random.default_rng(0).integers(0, 65535, 4096)
    values = read(film(ModalityLUTSequence=lut(0, entries, 16))).values
    np.testing.assert_array_equal(values.real()[values.codes], entries[ramp()])
    facts = value_facts(values)
    sent = np.frombuffer(base64.b64decode(facts["table"]), "<u2")
    np.testing.assert_array_equal(sent, entries)


@pytest.mark.parametrize("kind", ["MONOCHROME1", "MONOCHROME2"])
def test_the_display_table_gives_the_display_pixels(kind: str) -> None:
    pixels = ramp() // 2 + 100
    pixels[:5] = 4000
    window = {"WindowCenter": 900, "WindowWidth": 1500, "VOILUTFunction": "SIGMOID"}
    result = read(film(pixels, PhotometricInterpretation=kind, PixelPaddingValue=4000, **window))
    table = result.values.display_table()
    np.testing.assert_array_equal(table[result.values.codes], result.pixels)
    assert result.values.padding == (4000 - result.values.first,) * 2
    assert result.values.inverted == (kind == "MONOCHROME1")


def test_all_windows_of_a_file_are_offered_with_their_explanations() -> None:
    explained = ["NORMAL", "Lung 1", "Doe^Jane", ""]
    result = read(
        film(
            WindowCenter=[1000, 3000, 2000, 500],
            WindowWidth=[500, 100, 900, 0],
            WindowCenterWidthExplanation=explained,
            VOILUTFunction="LINEAR_EXACT",
        )
    )
    assert result.values.vois == (
        Window(1000, 500, "LINEAR_EXACT", "File: normal"),
        Window(3000, 100, "LINEAR_EXACT", "File: lung 1"),
        Window(2000, 900, "LINEAR_EXACT", "File: window 3"),
    ), "a name is no explanation, and a broken window is left out"
    assert result.warnings == ()


def test_tables_come_before_windows() -> None:
    tables = lut(0, np.arange(4096), 12)
    tables[0].LUTExplanation = "BONE"
    values = read(film(VOILUTSequence=tables, WindowCenter=2000, WindowWidth=900)).values
    table, window = values.vois
    assert isinstance(table, LookUpTable)
    assert (table.name, window.name) == ("File: bone", "File: window")
    facts = value_facts(values)["vois"]
    assert [f["kind"] for f in facts] == ["table", "window"]
    sent = np.frombuffer(base64.b64decode(facts[0]["entries"]), "<u2")
    np.testing.assert_array_equal(sent, np.arange(4096))


def test_without_a_usable_window_the_percentile_ramp_comes_first() -> None:
    flat = read(film(WindowCenter=[90_000, 80_000], WindowWidth=[10, 900])).values
    assert [voi.name for voi in flat.vois] == [PERCENTILE]
    [only] = read(film()).values.vois
    assert isinstance(only, Ramp)


def test_16_bit_png_keeps_its_values() -> None:
    stored = np.random.default_rng(0).integers(500, 60_000, (50, 40)).astype(np.uint16)
    result = read_bytes(cv2.imencode(".png", stored)[1].tobytes())
    np.testing.assert_array_equal(result.values.real()[result.values.codes], stored)
    low, high = np.percentile(stored, (0.5, 99.5))
    [voi] = result.values.vois
    assert (voi.low, voi.high) == pytest.approx((low, high))
    shown = result.values.display_table()[result.values.codes].astype(int)
    assert np.abs(shown - result.pixels).max() <= 1


def test_an_8_bit_picture_is_its_own_values() -> None:
    gray = np.random.default_rng(0).integers(0, 255, (50, 40)).astype(np.uint8)
    result = read_bytes(cv2.imencode(".png", gray)[1].tobytes())
    assert result.values.codes is result.pixels
    np.testing.assert_array_equal(result.values.display_table()[gray], gray)

"""Windowing on the real page: on the film's own values, by the formulas, without loss."""

from __future__ import annotations

import re
from pathlib import Path

import cv2
import numpy as np
import pytest
from playwright.sync_api import Page, expect
from pydicom import dcmread
from pydicom.pixels import apply_modality_lut

from lmeran.imaging.dicom.reader import read_dicom
from lmeran.imaging.window import Window
from tests.support.browsing import drag, film_under, keys, middle_of, screen_of, upload
from tests.support.dicom_making import film as dicom_film
from tests.support.dicom_making import lut, written

pytest_plugins = ["tests.support.browsing_fixtures"]

HEIGHT, WIDTH = 240, 300


def stored_values() -> np.ndarray:
    """A 12-bit film with detail that 8 bits would lose."""
    rng = np.random.default_rng(0)
    smooth = cv2.GaussianBlur(rng.random((HEIGHT, WIDTH)), (0, 0), 12)
    smooth = (smooth - smooth.min()) / np.ptp(smooth)
    noise = rng.integers(0, 40, (HEIGHT, WIDTH))
    return np.clip(smooth * 4000 + noise, 0, 4095).astype(np.uint16)


def open_film(page: Page, folder: Path, **attributes: object) -> bytes:
    """A film at one film pixel to one screen pixel, without its map; its bytes."""
    data = written(dicom_film(stored_values(), **attributes))
    (folder / "film.dcm").write_bytes(data)
    upload(page, folder / "film.dcm")
    page.locator(".lm-first > canvas").focus()
    keys(page, "m a")
    return data


def film_shown(page: Page) -> np.ndarray:
    """The film's pixels as they stand on the screen, uint8 (H, W)."""
    screen = screen_of(page)
    assert (screen.max(axis=2) == screen.min(axis=2)).all(), "the film is gray"
    # The film lies in the middle, to the next whole pixel.
    top, left = (screen.shape[0] - HEIGHT + 1) // 2, (screen.shape[1] - WIDTH + 1) // 2
    return screen[top : top + HEIGHT, left : left + WIDTH, 0]


def gray_of(window: Window, inverted: bool = False) -> np.ndarray:
    gray = window.to_gray(stored_values().astype(np.float64))
    return np.rint((1 - gray if inverted else gray) * 255).astype(np.uint8)


@pytest.mark.parametrize("function", ["LINEAR", "LINEAR_EXACT", "SIGMOID"])
@pytest.mark.parametrize("kind", ["MONOCHROME1", "MONOCHROME2"])
def test_a_drag_shows_what_the_formula_says(
    page: Page, tmp_path: Path, function: str, kind: str
) -> None:
    """Right widens by e for 220 px, down darkens by a window for 260 px."""
    first = {"WindowCenter": 1800, "WindowWidth": 1500, "VOILUTFunction": function}
    data = open_film(page, tmp_path, PhotometricInterpretation=kind, **first)
    inverted = kind == "MONOCHROME1"
    np.testing.assert_array_equal(film_shown(page), read_dicom(data).pixels)
    drag(page, middle_of(page), (-110, 52), "left")
    width = 1500 * np.exp(-110 / 220)
    center = 1800 + 52 / 260 * 1500 * (-1 if inverted else 1)
    expect(page.locator(".lm-first .lm-look")).to_contain_text(f"C {center:g} W {width:.4g}"[:14])
    wanted = gray_of(Window(center, width, function), inverted)
    np.testing.assert_array_equal(film_shown(page), wanted)
    assert len(np.unique(wanted)) > 100
    page.keyboard.press("i")
    np.testing.assert_allclose(film_shown(page), 255 - wanted.astype(int), atol=1)
    page.keyboard.press("r")
    keys(page, "a")
    np.testing.assert_array_equal(film_shown(page), read_dicom(data).pixels)


def test_a_table_of_the_file_is_kept_and_stretched(page: Page, tmp_path: Path) -> None:
    steps = np.sqrt(np.arange(4096) / 4095) * 4095
    data = open_film(page, tmp_path, VOILUTSequence=lut(0, np.rint(steps), 12))
    np.testing.assert_array_equal(film_shown(page), read_dicom(data).pixels)
    drag(page, middle_of(page), (-220 * np.log(2), 0), "left")
    squeezed = (stored_values() - 1024.0) * 2
    wanted = np.rint(255 * np.rint(steps)[np.clip(np.rint(squeezed), 0, 4095).astype(int)] / 4095)
    np.testing.assert_allclose(film_shown(page), wanted, atol=2)


def test_padding_stays_black_whatever_the_window(page: Page, tmp_path: Path) -> None:
    stored = stored_values()
    open_film(page, tmp_path, PixelPaddingValue=int(stored[0, 0]))
    padded = stored == stored[0, 0]
    keys(page, "i")
    shown = film_shown(page)
    assert (shown[padded] == 0).all()
    assert shown[~padded].max() == 255


def test_presets_are_the_files_own_then_shares_of_the_pixels(page: Page, tmp_path: Path) -> None:
    open_film(
        page,
        tmp_path,
        WindowCenter=[1800, 900],
        WindowWidth=[1500, 700],
        WindowCenterWidthExplanation=["NORMAL", "LUNG"],
        PhotometricInterpretation="MONOCHROME1",
    )
    options = page.locator(".lm-preset option:not([hidden])")
    expect(options).to_have_count(6)
    assert options.all_inner_texts()[:2] == ["File: normal", "File: lung"]
    look = page.locator(".lm-first .lm-look")
    keys(page, "1")
    expect(look).to_contain_text("C 900 W 700 · File: lung")
    keys(page, "1")
    expect(look).to_contain_text("C 1800 W 1500 · File: normal")
    for key, name in (("2", "Full range"), ("3", "Lung"), ("4", "Soft tissue"), ("5", "Bone")):
        keys(page, key)
        expect(look).to_contain_text(name)
        text = page.locator(".lm-preset option:checked").inner_text()
        low, high = (float(x) for x in re.findall(r"[\d.]+", text))
        # MONOCHROME1: what is dark has the high values
        shares = (100 - high, 100 - low)
        ends = np.percentile(stored_values(), shares, method="inverted_cdf").astype(float)
        shown = re.match(r"C ([\d.]+) W ([\d.]+)", look.inner_text())
        assert shown is not None
        found = [float(shown[1]) - float(shown[2]) / 2, float(shown[1]) + float(shown[2]) / 2]
        np.testing.assert_allclose(found, ends, atol=8)
    page.locator(".lm-preset").select_option("1")
    expect(look).to_contain_text("File: lung")
    drag(page, middle_of(page), (20, 0), "left")
    expect(page.locator(".lm-preset")).to_have_value("")


@pytest.mark.parametrize("signed", [False, True])
def test_values_under_the_pointer_are_pydicoms(page: Page, tmp_path: Path, signed: bool) -> None:
    stored = stored_values().astype(np.int16) - 2048 if signed else stored_values()
    ds = dicom_film(stored, RescaleSlope=3, RescaleIntercept=-1024)
    (tmp_path / "film.dcm").write_bytes(written(ds))
    upload(page, tmp_path / "film.dcm")
    read = dcmread(tmp_path / "film.dcm")
    real = apply_modality_lut(read.pixel_array, read)
    x, y = middle_of(page)
    for dx, dy in ((0, 0), (-90, 60), (77, -41)):
        column, row = film_under(page, (x + dx, y + dy))
        text = page.locator(".lm-first .lm-cursor").inner_text()
        assert f"value {real[row, column]:g} " in text
        assert re.search(r"map \S+ logits", text)


BOTH_RENDERERS = """async () => {
  const [{ GpuRenderer }, { SoftRenderer }, { levelFor }, { FilmValues }, { inverse, toDevice }] =
    await Promise.all(["renderer_gpu", "renderer_soft", "renderer", "values", "camera"].map(
      (name) => import(new URL(`lmeran/static/viewer/${name}.js`, document.baseURI))));
  const gpu = GpuRenderer.make({ evenWithoutGpu: true }), soft = new SoftRenderer();
  if (!gpu) return null;
  const width = 157, height = 211, wide = 130, high = 90;
  const facts = { first: 0, slope: 1, intercept: 0, padding: null };
  const wave = (i) => Math.sin((i % width) / 9) + Math.cos(i / width / 7) + 2;
  const read = (source) => {
    const context = new OffscreenCanvas(wide, high).getContext("2d");
    context.drawImage(source, 0, 0, wide, high, 0, 0, wide, high);
    return context.getImageData(0, 0, wide, high).data;
  };
  const compare = (job) => {
    const a = read(gpu.paint(job)), b = read(soft.paint(job));
    let most = 0, edge = 0, shown = 0;
    for (let i = 0; i < a.length; i += 4) {
      if (a[i + 3] !== b[i + 3]) edge += 1;
      else most = Math.max(most, Math.abs(a[i] - b[i]));
      shown += b[i + 3] > 0;
    }
    return { most, edge, shown };
  };
  const found = [];
  for (const [kind, high8] of [[Uint8Array, 60], [Uint16Array, 1000]]) {
    const codes = kind.from({ length: width * height }, (_, i) => wave(i) * high8);
    const film = new FilmValues(facts, codes, width, height);
    const table = Uint8Array.from({ length: 65536 }, (_, c) => (high8 === 60 ? c : c >> 4));
    for (const zoom of [0.2, 1, 3.3]) {
      for (let k = 0; k < 8; k++) {
        const camera = { zoom, centre: [0.45, 0.6], turn: k % 4, flip: k > 3 };
        const back = inverse(toDevice(camera, film, [wide, high], 1));
        found.push(compare(
          { film, table, back, width: wide, height: high, level: levelFor(film, back) }));
      }
    }
  }
  return found;
}"""


def test_the_gpu_and_the_plain_canvas_show_the_same(page: Page) -> None:
    found = page.evaluate(BOTH_RENDERERS)
    if found is None:
        pytest.skip("this Chromium has no WebGL2")
    assert len(found) == 48
    for each in found:
        assert each["most"] <= 2
        assert each["edge"] <= 130 + 90, "a row and a column at the film's edge"
        assert each["shown"] > 150

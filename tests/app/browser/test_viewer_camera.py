"""Zoom, move, turn, flip and measure on the real page: everything stays locked to the pixels."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
from playwright.sync_api import Page, expect

from tests.app.browser.test_viewer_window import stored_values
from tests.support.browsing import (
    choose,
    drag,
    film_under,
    keys,
    middle_of,
    press,
    screen_of,
    two_frames,
    upload,
    why_settled,
)
from tests.support.dicom_making import film as dicom_film
from tests.support.dicom_making import written

pytest_plugins = ["tests.support.browsing_fixtures"]


def open_film(page: Page, film: Path) -> None:
    """And wait until nothing on the page moves any more."""
    upload(page, film)
    why_settled(page)
    two_frames(page)


def wheel(page: Page, at: tuple[float, float], amount: float) -> None:
    page.mouse.move(*at)
    page.mouse.wheel(0, amount)
    two_frames(page)


def zoom(page: Page) -> float:
    found = re.search(r"zoom (\d+) %", page.locator(".lm-first .lm-look").inner_text())
    assert found is not None
    return float(found[1])


def test_zoom_keeps_the_point_under_the_cursor(page: Page, film: Path) -> None:
    open_film(page, film)
    x, y = middle_of(page)
    at = (x + 90, y - 70)
    before, size = film_under(page, at), zoom(page)
    for amount in (-300, -500, 200):
        wheel(page, at, amount)
        assert np.abs(np.subtract(film_under(page, at), before)).max() <= 1
    assert zoom(page) > 2 * size
    keys(page, "f")
    assert zoom(page) == size


def test_middle_drag_moves_and_right_drag_zooms(page: Page, film: Path) -> None:
    open_film(page, film)
    middle = middle_of(page)
    size = zoom(page)
    drag(page, middle, (0, -60), "right")
    assert zoom(page) == pytest.approx(size * np.exp(60 * 0.008), rel=0.02)
    scale = zoom(page) / 100
    column, row = film_under(page, middle)
    drag(page, middle, (40, -30), "middle")
    moved = film_under(page, middle)
    wanted = (column - 40 / scale, row + 30 / scale)
    np.testing.assert_allclose(moved, wanted, atol=1.5)
    page.locator("[name=lm-tool][value=pan]").check(force=True)
    drag(page, middle, (-40, 30), "left")
    np.testing.assert_allclose(film_under(page, middle), (column, row), atol=1.5)
    page.mouse.dblclick(*middle)
    assert zoom(page) == size


def test_two_fingers_zoom_between_them(page: Page, film: Path) -> None:
    open_film(page, film)
    x, y = middle_of(page)
    before, size = film_under(page, (x, y)), zoom(page)
    page.evaluate(
        """([x, y]) => {
          const canvas = document.querySelector(".lm-first > canvas");
          const send = (type, pointerId, clientX, clientY) => canvas.dispatchEvent(
            new PointerEvent(type, { pointerId, clientX, clientY, pointerType: "touch",
                                     bubbles: true, button: 0 }));
          canvas.setPointerCapture = () => {};
          send("pointerdown", 1, x - 40, y);
          send("pointerdown", 2, x + 40, y);
          for (let k = 1; k <= 40; k++) {
            send("pointermove", 1, x - 40 - k, y);
            send("pointermove", 2, x + 40 + k, y);
          }
          send("pointerup", 1, x - 80, y);
          send("pointerup", 2, x + 80, y);
        }""",
        [x, y],
    )
    two_frames(page)
    assert zoom(page) == pytest.approx(2 * size, rel=0.03)
    assert np.abs(np.subtract(film_under(page, (x, y)), before)).max() <= 2


def film_region(page: Page, side: int) -> np.ndarray:
    """The middle square of the first view, as signed numbers."""
    screen = screen_of(page).astype(int)
    top, left = (screen.shape[0] - side) // 2, (screen.shape[1] - side) // 2
    return screen[top : top + side, left : left + side]


def test_map_contour_and_box_turn_and_flip_with_the_film(page: Page, tmp_path: Path) -> None:
    square = stored_values()[:240, :240]
    (tmp_path / "film.dcm").write_bytes(written(dicom_film(np.ascontiguousarray(square))))
    open_film(page, tmp_path / "film.dcm")
    choose(page, ".lm-scale", "relative")
    page.locator(".lm-first > canvas").focus()
    page.locator("tr[data-finding='4'] .lm-select").click()
    keys(page, "v a b")  # attention: of this film it colours more than the class activation map
    x, y = middle_of(page)
    drag(page, (x - 70, y - 30), (40, 90), "left")
    page.mouse.move(x, y + 1000)
    upright = film_region(page, 220)
    assert (np.ptp(upright, axis=2) > 40).mean() > 0.2, "the map is seen"
    for pressed, wanted in (
        ("]", np.rot90(upright, -1)),
        ("]", np.rot90(upright, -2)),
        ("h", np.fliplr(np.rot90(upright, -2))),
        ("[", np.rot90(np.fliplr(np.rot90(upright, -2)))),
    ):
        keys(page, pressed)
        off = np.abs(film_region(page, 220) - wanted).max(axis=2)
        # texts stay upright, and a box's line may lie half a pixel beside
        assert (off > 40).mean() < 0.04
        assert np.abs(np.roll(wanted, 12, axis=0) - wanted).max(axis=2).mean() > 4 * off.mean()
    keys(page, "r a")
    assert (np.abs(film_region(page, 220) - upright).max(axis=2) > 40).mean() < 0.001


@pytest.mark.parametrize("source", ["PixelSpacing", "ImagerPixelSpacing", ""])
def test_lengths_in_mm_say_where_the_spacing_is_from(
    page: Page, tmp_path: Path, source: str
) -> None:
    spacing = {source: [0.3, 0.2]} if source else {}
    (tmp_path / "film.dcm").write_bytes(written(dicom_film(stored_values(), **spacing)))
    open_film(page, tmp_path / "film.dcm")
    page.locator(".lm-first > canvas").focus()
    keys(page, "] l a m")
    x, y = middle_of(page)
    ends = [film_under(page, (x - 60, y - 20)), film_under(page, (x + 50, y + 45))]
    drag(page, (x - 60, y - 20), (110, 65), "left")
    columns, rows = np.subtract(ends[1], ends[0])
    said = page.locator(".lm-live")
    if source:
        expect(said).to_contain_text(f"mm ({source})")
        wanted = np.hypot(columns * 0.2, rows * 0.3)
    else:
        expect(said).to_contain_text(" px")
        wanted = np.hypot(columns, rows)
    found = re.search(r"Length ([\d.]+)", said.inner_text())
    assert found is not None
    assert float(found[1]) == pytest.approx(wanted, abs=0.2 if source else 0.8)
    marked = screen_of(page).astype(int)
    assert ((marked[:, :, 0] - marked[:, :, 2]) > 90).sum() > 60, "the line is drawn"
    page.keyboard.press("Delete")
    marked = screen_of(page).astype(int)
    assert not ((marked[:, :, 0] - marked[:, :, 2]) > 90).any()


def test_one_film_pixel_to_one_screen_pixel(page: Page, film: Path) -> None:
    open_film(page, film)
    press(page, "View", "One film pixel to one screen pixel")
    assert zoom(page) == 100
    x, y = middle_of(page)
    left, right = film_under(page, (x - 50, y)), film_under(page, (x + 50, y))
    assert right[0] - left[0] == 100


@pytest.mark.parametrize("name", ["zoomedAt", "panned"])
def test_the_geometry_is_undone_by_its_inverse(page: Page, name: str) -> None:
    """The pure functions, on random places."""
    off = page.evaluate(
        """async (name) => {
          const camera = await import(new URL("lmeran/static/viewer/camera.js", document.baseURI));
          const film = { width: 300, height: 500, aspect: 1.4 }, view = [640, 480];
          let worst = 0;
          for (let k = 0; k < 200; k++) {
            const r = () => Math.random();
            const at = { zoom: 1.5 + 4 * r(), centre: [0.3 + 0.4 * r(), 0.3 + 0.4 * r()],
                         turn: k % 4, flip: k % 3 === 0 };
            const point = [220 + 200 * r(), 180 + 120 * r()];
            const seen = (p) =>
              camera.apply(camera.inverse(camera.toViewport(p, film, view)), point);
            const before = seen(at);
            const moved = camera.toViewport(camera.panned(at, film, view, 9, -7), film, view);
            const after = name === "zoomedAt"
              ? seen(camera.zoomedAt(at, film, view, point, 0.8 + r() * 2))
              : camera.apply(moved, before).map((v, i) => v - [9, -7][i]);
            const wanted = name === "zoomedAt" ? before : point;
            worst = Math.max(worst, ...after.map((v, i) => Math.abs(v - wanted[i])));
          }
          return worst;
        }""",
        name,
    )
    assert off < 1e-6


def test_pixels_that_are_not_square_are_shown_in_their_true_shape(
    page: Page, tmp_path: Path
) -> None:
    data = written(dicom_film(stored_values(), PixelSpacing=[0.3, 0.2]))
    (tmp_path / "film.dcm").write_bytes(data)
    open_film(page, tmp_path / "film.dcm")
    expect(page.locator(".lm-warnings")).to_contain_text("not square")
    x, y = middle_of(page)
    columns, rows = np.subtract(film_under(page, (x + 80, y + 80)), film_under(page, (x, y)))
    assert columns / rows == pytest.approx(1.5, abs=0.06)


def test_sides_of_the_patient_stay_with_the_film(page: Page, film: Path, tmp_path: Path) -> None:
    path = tmp_path / "film.dcm"
    path.write_bytes(written(dicom_film(PatientOrientation=["L", "F"])))
    open_film(page, path)
    sides = page.locator(".lm-first .lm-side")
    expect(sides).to_have_text(["R", "L"])
    keys(page, "h")
    expect(sides).to_have_text(["L", "R"])
    keys(page, "h ]")  # what was at the bottom is on the left now
    expect(sides).to_have_text(["F", "H"])
    keys(page, "]")
    expect(sides).to_have_text(["L", "R"])
    open_film(page, film)
    expect(sides).to_have_text(["", ""])

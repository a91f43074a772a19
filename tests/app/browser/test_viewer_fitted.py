"""Calibrated values, operating points, percentiles and the input gate on the real page."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import pytest
from playwright.sync_api import Browser, Locator, Page, expect

from lmeran.checkpoint import load_checkpoint
from lmeran.findings import FINDINGS, Pins, State
from lmeran.imaging.radiograph import Radiograph
from lmeran.ood import UNLIKE
from lmeran.predictor import Predictor, Reading
from tests.conftest import film_pixels
from tests.support.browsing import as_percent, pin, press, settled, upload, watch
from tests.support.fitting import UNCALIBRATED, a_calibration, fitted_copy, without_maps
from tests.support.serving import Viewer, running_viewer

pytest_plugins = ["tests.support.browsing_fixtures"]

ABOVE, BELOW, NONE = "\u25b2", "\u25bd", "\u2013"


@dataclass(frozen=True, eq=False)
class Fitted:
    """A viewer on a calibrated checkpoint whose gate accepts the first picture alone."""

    viewer: Viewer
    predictor: Predictor
    like: np.ndarray
    unlike: np.ndarray

    def reading(self, pixels: np.ndarray, pins: Pins) -> Reading:
        encoded = self.predictor.encode(Radiograph(pixels, "PNG", 8))
        return self.predictor.read(encoded, pins)


@pytest.fixture(scope="module")
def fitted(checkpoint_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Fitted]:
    folder = tmp_path_factory.mktemp("fitted")
    probe = Predictor(load_checkpoint(fitted_copy(checkpoint_folder, folder / "probe")))
    noise = np.random.default_rng(0).integers(0, 256, (300, 240), np.uint8)
    scored = [
        (probe.encode(Radiograph(pixels, "PNG", 8)).gate.score, pixels)
        for pixels in (film_pixels(300, 240), noise)
    ]
    (low, like), (high, unlike) = sorted(scored, key=lambda pair: pair[0])
    strict = fitted_copy(checkpoint_folder, folder / "strict", gate_threshold=(low + high) / 2)
    with running_viewer(folder / "run", "--checkpoint", str(strict)) as viewer:
        yield Fitted(viewer, Predictor(load_checkpoint(strict)), like, unlike)


@pytest.fixture()
def opened(browser: Browser, fitted: Fitted) -> Iterator[Page]:
    context = browser.new_context(viewport={"width": 1440, "height": 900})
    context.set_default_timeout(60_000)
    page, trouble = context.new_page(), []
    watch(page, fitted.viewer.url, trouble)
    page.goto(fitted.viewer.url)
    page.wait_for_selector(".lm[data-ready]")
    yield page
    context.close()
    assert trouble == []


def line(page: Page, finding: str) -> Locator:
    return page.locator(f"tr[data-finding='{FINDINGS.index(finding)}']")


def assert_row(page: Page, finding: str, reading: Reading) -> None:
    """Raw, calibrated and side of the operating points of one row."""
    i = FINDINGS.index(finding)
    row = line(page, finding)
    fitted = reading.calibration.findings[i]
    raw, calibrated = reading.conditioned[i], reading.calibrated[i]
    expect(row.locator(".lm-free")).to_have_text(as_percent(reading.free[i]))
    if np.isnan(raw):
        expect(row.locator(".lm-cond")).to_have_text("pinned")
        expect(row.locator(".lm-cal")).to_have_text("")
        return
    assert as_percent(raw) in row.locator(".lm-cond").inner_text()
    shown = NONE if np.isnan(calibrated) else as_percent(calibrated)
    expect(row.locator(".lm-cal")).to_have_text(shown)
    mark = ""
    if fitted.youden is not None:
        above, below = raw >= fitted.youden.threshold, raw < fitted.sensitive.threshold
        mark = ABOVE if above else BELOW if below else ""
    expect(row.locator(".lm-point")).to_have_text(mark)


def test_raw_calibrated_and_operating_point_are_three_things(
    opened: Page, fitted: Fitted, tmp_path: Path
) -> None:
    cv2.imwrite(str(tmp_path / "film.png"), fitted.like)
    upload(opened, tmp_path / "film.png")
    free = fitted.reading(fitted.like, {})
    marks = set()
    for finding in FINDINGS:
        assert_row(opened, finding, free)
        marks.add(line(opened, finding).locator(".lm-point").inner_text())
    assert len(marks) > 1, "the film must lie on both sides of some point"
    expect(opened.locator(".lm-gate")).to_be_hidden()
    names = opened.locator(".lm-names")
    expect(names).to_contain_text("Free and With pins are raw probabilities")
    expect(names).to_contain_text(f"calibration {free.calibration.identity}")

    i = FINDINGS.index("Mass")
    line(opened, "Mass").locator(".lm-select").click()
    detail = opened.locator(".lm-detail")
    expect(detail).to_contain_text(f"calibrated {as_percent(free.calibrated[i])}")
    expect(detail).to_contain_text(f"free above {round(free.percentile[i])} % of validation films")
    expect(detail).to_contain_text("raw ")
    line(opened, UNCALIBRATED).locator(".lm-select").click()
    expect(detail).to_contain_text("not calibrated: only 1 of the validation films had it")

    pin(opened, "Effusion", "positive")
    settled(opened)
    pinned = fitted.reading(fitted.like, {"Effusion": State.POSITIVE})
    for finding in FINDINGS:
        assert_row(opened, finding, pinned)


def test_the_gate_speaks_hides_nothing_and_fits_a_narrow_screen(
    opened: Page, fitted: Fitted, tmp_path: Path
) -> None:
    cv2.imwrite(str(tmp_path / "noise.png"), fitted.unlike)
    upload(opened, tmp_path / "noise.png")
    gate = opened.locator(".lm-gate")
    expect(gate).to_be_visible()
    expect(gate).to_have_text(UNLIKE)
    reading = fitted.reading(fitted.unlike, {})
    assert_row(opened, "Mass", reading)
    opened.set_viewport_size({"width": 390, "height": 844})
    cell = line(opened, "Mass").locator(".lm-cal")
    expect(cell).to_be_visible()
    expect(gate).to_be_visible()
    assert opened.evaluate("document.documentElement.scrollWidth") <= 390
    press(opened, "File", "Forget film")
    expect(gate).to_be_hidden()


def test_a_calibration_that_changes_nothing_has_no_column(
    browser: Browser, checkpoint_folder: Path, tmp_path: Path
) -> None:
    folder = fitted_copy(
        checkpoint_folder, tmp_path / "raw", calibration=without_maps(a_calibration())
    )
    film = tmp_path / "film.png"
    cv2.imwrite(str(film), film_pixels(300, 240))
    page = browser.new_page(viewport={"width": 1440, "height": 900})
    page.set_default_timeout(60_000)
    with running_viewer(tmp_path / "run", "--checkpoint", str(folder)) as viewer:
        page.goto(viewer.url)
        page.wait_for_selector(".lm[data-ready]")
        upload(page, film)
        expect(page.locator(".lm-detail")).to_contain_text("of validation films")
        expect(page.locator(".lm-cal, .lm-calhead")).to_have_count(0)
        assert "alibrated" not in page.locator(".lm").inner_text()
    page.close()

"""Numbers beside what validation and test films gave, on the real page: rank, operating points,
whether a shift is usual, calibrated values, chance, the input gate."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import pytest
from playwright.sync_api import BrowserContext, Locator, Page, expect

from lmeran.checkpoint import load_checkpoint, record_metrics
from lmeran.findings import FINDINGS, Pins, State, display_name
from lmeran.imaging.radiograph import Radiograph
from lmeran.ood import UNLIKE
from lmeran.predictor import Predictor, Reading
from lmeran.reference import percent_below
from tests.conftest import film_pixels
from tests.support.browsing import as_percent, opened, pin, press, settled, upload
from tests.support.fitting import UNCALIBRATED, a_calibration, fitted_copy, without_maps
from tests.support.serving import launched

pytest_plugins = ["tests.support.browsing_fixtures"]

NONE = "\u2013"


@dataclass(frozen=True, eq=False)
class Fitted:
    """A viewer on a calibrated checkpoint whose gate accepts the first picture alone."""

    url: str
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
    with launched(strict) as (url, _):
        yield Fitted(url, Predictor(load_checkpoint(strict)), like, unlike)


@pytest.fixture()
def page(window: BrowserContext, fitted: Fitted) -> Iterator[Page]:
    with opened(window, fitted.url) as page:
        yield page


def line(page: Page, finding: str) -> Locator:
    return page.locator(f"tr[data-finding='{FINDINGS.index(finding)}']")


def assert_row(page: Page, finding: str, reading: Reading) -> None:
    """Raw and calibrated values of one row."""
    i = FINDINGS.index(finding)
    row = line(page, finding)
    raw, calibrated = reading.conditioned[i], reading.calibrated[i]
    expect(row.locator(".lm-free")).to_have_text(as_percent(reading.free[i]))
    if np.isnan(raw):
        expect(row.locator(".lm-cond")).to_have_text("pinned")
        expect(row.locator(".lm-cal")).to_have_text("")
        return
    expect(row.locator(".lm-cond")).to_have_text(as_percent(raw))
    shown = NONE if np.isnan(calibrated) else as_percent(calibrated)
    expect(row.locator(".lm-cal")).to_have_text(shown)


def share(percentage: float, films: str) -> str:
    """As the page says it, of a percentage that was sent with one decimal."""
    tenths = round(percentage, 1)
    if tenths >= 99.95:
        return f"all {films}"
    if tenths > 99:
        return f"over 99 % of {films}"
    return f"{'under 1' if tenths < 1 else math.floor(tenths + 0.5)} % of {films}"


def assert_detail(page: Page, finding: str, reading: Reading) -> str:
    """What is said of a finding: its calibrated value, its rank, its side of the operating points.
    Returns the side."""
    i = FINDINGS.index(finding)
    line(page, finding).locator(".lm-select").click()
    detail = page.locator(".lm-detail")
    expect(detail.locator("strong")).to_have_text(display_name(finding))
    if finding == UNCALIBRATED:
        expect(detail).to_contain_text("not calibrated: only 1 of the validation films had it")
        expect(detail).not_to_contain_text("threshold")
        return ""
    expect(detail).to_contain_text(f"calibrated {as_percent(reading.calibrated[i])}")
    absent, present = (
        float(percent_below(quantiles, reading.free)[i])
        for quantiles in (reading.reference.absent, reading.reference.present)
    )
    expect(detail).to_contain_text(
        f"higher than in {share(absent, 'validation films without it')}, "
        f"and {share(present, 'those with it')}"
    )
    point, raw = reading.calibration.findings[i], reading.conditioned[i]
    side = (
        "above the balanced threshold of 50.0 %, which finds 70 % of films with it and clears 80 %"
    )
    if raw < point.sensitive.threshold:
        side = "below 25.0 %, the threshold that finds 91 % of films with it"
    elif raw < point.youden.threshold:
        side = (
            "between 25.0 %, the threshold that finds 91 % of films with it, and the balanced one"
        )
    expect(detail).to_contain_text(side)
    return side


def test_numbers_stand_beside_what_films_gave(page: Page, fitted: Fitted, tmp_path: Path) -> None:
    cv2.imwrite(str(tmp_path / "film.png"), fitted.like)
    upload(page, tmp_path / "film.png")
    free = fitted.reading(fitted.like, {})
    sides = {assert_detail(page, finding, free) for finding in FINDINGS}
    assert len(sides) > 2, "the film must lie on both sides of some point"
    expect(page.locator(".lm-gate")).to_be_hidden()
    names = page.locator(".lm-names")
    expect(names).to_contain_text("Free and Now are raw probabilities")
    expect(names).to_contain_text(f"calibration {free.calibration.identity}")

    pin(page, "Effusion", "positive")
    settled(page)
    pinned = fitted.reading(fitted.like, {"Effusion": State.POSITIVE})
    for finding in FINDINGS:
        assert_row(page, finding, pinned)
    i = int(np.nanargmin(pinned.shift))  # the reference moves by 0 to 1: a fall is below all
    line(page, FINDINGS[i]).locator(".lm-select").click()
    detail = page.locator(".lm-detail")
    expect(detail).to_contain_text("an unusually large fall: more than in all 100 validation films")
    i = int(np.nanargmax(pinned.shift))
    line(page, FINDINGS[i]).locator(".lm-select").click()
    films, below = "100 validation films with this pin", 100 * float(pinned.shift[i])
    words = f"rise: more than in {share(below, films)}"
    if below <= 5:
        words = f"an unusually small rise: less than in {share(100 - round(below, 1), films)}"
    expect(detail).to_contain_text(words)
    pin(page, "Edema", "negative")
    settled(page)
    expect(detail).not_to_contain_text("with this pin")


def test_the_gate_speaks_hides_nothing_and_fits_a_narrow_screen(
    page: Page, fitted: Fitted, tmp_path: Path
) -> None:
    cv2.imwrite(str(tmp_path / "noise.png"), fitted.unlike)
    upload(page, tmp_path / "noise.png")
    gate = page.locator(".lm-gate")
    expect(gate).to_be_visible()
    expect(gate).to_have_text(UNLIKE)
    values = line(page, "Mass").locator(".lm-free")
    expect(values).to_have_text(as_percent(fitted.reading(fitted.unlike, {}).free[4]))
    plot = line(page, "Mass").locator(".lm-plot")
    expect(plot).to_have_css("opacity", "0.35")
    page.set_viewport_size({"width": 390, "height": 844})
    cell = line(page, "Mass").locator(".lm-cal")
    expect(cell).to_be_visible()
    expect(gate).to_be_visible()
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    press(page, "File", "Forget film")
    expect(gate).to_be_hidden()
    expect(plot).to_have_css("opacity", "1")


def test_a_measured_checkpoint_dims_chance_and_opens_its_best_map(
    window: BrowserContext, checkpoint_folder: Path, tmp_path: Path
) -> None:
    """And a calibration that changes nothing has no column."""
    folder = fitted_copy(
        checkpoint_folder, tmp_path / "raw", calibration=without_maps(a_calibration())
    )
    aucs = {f: {"value": 0.6, "low": 0.55, "high": 0.65} for f in FINDINGS}
    aucs["Mass"]["low"] = 0.45
    maps = {"attention": {"IoU": 0.2, "pointing": 0.31}, "cam": {"IoU": 0.1, "pointing": 0.5}}
    report = {"auc": aucs, "boxes": 40, "maps": maps, "best_map": "attention"}
    record_metrics(folder, "report", report)
    film = tmp_path / "film.png"
    cv2.imwrite(str(film), film_pixels(300, 240))
    with launched(folder) as (url, _), opened(window, url) as page:
        upload(page, film)
        expect(page.locator(".lm-detail")).to_contain_text("validation films without it")
        chance = "not better than chance on test films"
        expect(page.locator(".lm-chancenote")).to_have_text(f"Dimmed: {chance} (Mass).")
        expect(page.locator(".lm-row[data-chance] .lm-select")).to_have_text(["Mass"])
        line(page, "Mass").locator(".lm-select").click()
        expect(page.locator(".lm-detail")).to_contain_text(f"0.60 (0.45 to 0.65): {chance}")
        expect(page.locator(".lm-kind")).to_have_value("attention")
        trust = page.locator(".lm-trust")
        expect(trust).to_contain_text("inside 31 % of 40 boxes on test films")
        page.keyboard.press("v")
        expect(page.locator(".lm-kind")).to_have_value("cam")
        expect(trust).to_contain_text("inside 50 % of 40 boxes on test films")
        page.keyboard.press("v")
        expect(page.locator(".lm-kind")).to_have_value("attention")
        expect(page.locator(".lm-cal, .lm-calhead")).to_have_count(0)
        assert "alibrated" not in page.locator(".lm").inner_text()

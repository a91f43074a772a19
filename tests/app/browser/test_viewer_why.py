"""The explanation on the real page: parts of a logit, influence, next finding, figures as files."""

from __future__ import annotations

import csv
import re
from pathlib import Path

import numpy as np
import pytest
from playwright.sync_api import Page, expect

from lmeran.findings import FINDINGS, State
from lmeran.imaging.radiograph import Radiograph
from lmeran.predictor import Predictor
from tests.conftest import film_pixels
from tests.support.browsing import as_percent, as_points, pin, settled, upload, why_settled

pytest_plugins = ["tests.support.browsing_fixtures"]

MINUS = "\u2212"


def test_the_decomposition_adds_up_and_follows_the_selected_finding(
    page: Page, film: Path, predictor: Predictor
) -> None:
    upload(page, film)
    for finding, state in (("Effusion", "positive"), ("Mass", "negative")):
        pin(page, finding, state)
        settled(page)
    page.locator("tr[data-finding='9'] .lm-select").click()
    why_settled(page)
    expect(page.locator(".lm-why h3").first).to_contain_text("Edema")
    reading = predictor.read(
        predictor.encode(Radiograph(film_pixels(300, 240), "PNG", 8)),
        {"Effusion": State.POSITIVE, "Mass": State.NEGATIVE},
    )
    by = as_points(reading.shift[9])
    lead = page.locator(".lm-lead")
    expect(lead).to_contain_text(f"The image says {as_percent(reading.free[9])}; your pins ")
    expect(lead).to_contain_text(f"{'take away' if by[0] == MINUS else 'add'} {by[1:]} points")
    figure = page.locator(".lm-whybody svg")
    expect(figure).to_have_attribute("aria-label", re.compile("Mass negative"))
    label = figure.get_attribute("aria-label") or ""
    parts = [float(x.replace("\u2212", "-")) for x in re.findall(r"[+\u2212]\d+\.\d\d", label)]
    bias, image, branch, free, *pins, total = parts
    assert bias + image + branch == pytest.approx(free, abs=0.021)
    assert free + sum(pins) == pytest.approx(total, abs=0.031)
    assert len(pins) == 2
    names = ("Effusion", "Mass")
    most = names[int(np.argmax(pins) if total > free else np.argmin(pins))]
    expect(lead).to_contain_text(f"points, most from {most}.")
    page.locator("tr[data-finding='4'] .lm-select").click()
    expect(lead).to_contain_text("You pinned it absent")


def test_the_influence_matrix_pins_on_click(page: Page, film: Path) -> None:
    upload(page, film)
    why_settled(page)
    page.get_by_role("tab", name="Influence").click()
    page.get_by_role("button", name="if negative").click()
    hernia = FINDINGS.index("Hernia")
    page.locator(f"rect[data-row='{hernia}'][data-column='0']").first.click()
    settled(page)
    group = page.get_by_role("radiogroup", name="Hernia")
    expect(group.get_by_role("radio", name="negative")).to_have_attribute("aria-checked", "true")


def test_what_next_selects_and_figures_are_saved(page: Page, film: Path) -> None:
    upload(page, film)
    why_settled(page)
    page.get_by_role("tab", name="What next").click()
    first = page.locator(".lm-next button").first
    name = first.inner_text()
    first.click()
    expect(page.locator("tr.lm-selected .lm-select")).to_have_text(name)
    page.locator(".lm-save > summary").click()
    with page.expect_download() as download:
        page.get_by_role("button", name="as CSV").click()
    rows = list(csv.reader(Path(download.value.path()).read_text().splitlines()))
    assert rows[0][:2] == ["finding", "expected change"]
    assert len(rows) == 15
    page.get_by_role("tab", name="Attention").click()
    for form, magic in (("PNG", b"\x89PNG"), ("SVG", b"<svg")):
        page.locator(".lm-save > summary").first.click()
        with page.expect_download() as download:
            page.get_by_role("button", name=f"as {form}").first.click()
        assert Path(download.value.path()).read_bytes().startswith(magic)

"""Films, pins and their explanation on the real page: numbers, rapid clicks, errors, figures."""

from __future__ import annotations

import csv
import re
from pathlib import Path

import cv2
import numpy as np
import pytest
from playwright.sync_api import BrowserContext, Page, expect

from lmeran.findings import FINDINGS, Pins, State, display_name
from lmeran.imaging.radiograph import Radiograph
from lmeran.predictor import Predictor, Reading
from tests.conftest import film_pixels
from tests.support.browsing import (
    as_percent,
    as_points,
    goto,
    pin,
    row,
    settled,
    upload,
    why_settled,
)
from tests.support.serving import Viewer

pytest_plugins = ["tests.support.browsing_fixtures"]


def shown(predictor: Predictor, pins: Pins) -> Reading:
    """The reading of the `film` fixture."""
    encoded = predictor.encode(Radiograph(film_pixels(300, 240), "PNG", 8))
    return predictor.read(encoded, pins)


def test_upload_shows_the_models_own_numbers(page: Page, film: Path, predictor: Predictor) -> None:
    upload(page, film)
    reading = shown(predictor, {})
    for i, finding in enumerate(FINDINGS):
        assert row(page, finding)["free"] == as_percent(reading.free[i])
    expect(page.locator(".lm-facts")).to_contain_text("240 x 300 px")


def test_an_upload_is_sent_without_its_name_and_gone_once_read(
    page: Page, viewer: Viewer, tmp_path: Path
) -> None:
    named = tmp_path / "Doe_John.png"
    cv2.imwrite(str(named), film_pixels(300, 240))
    bodies: list[bytes] = []
    page.on("request", lambda r: bodies.append(r.url.encode() + (r.post_data_buffer or b"")))
    upload(page, named)
    assert not any(b"Doe" in body for body in bodies)
    expect(page.locator(".lm-filmname").first).to_have_text("Doe_John.png")  # for its reader alone
    assert [p for p in viewer.temp.rglob("*") if p.is_file() and p.stat().st_size] == []


def test_a_pin_changes_the_others_keeps_the_selection_and_can_be_undone(
    page: Page, film: Path, predictor: Predictor
) -> None:
    upload(page, film)
    assert row(page, "Mass") == {"free": row(page, "Mass")["free"], "cond": "", "delta": ""}
    expect(page.locator(".lm-freehead")).to_have_text("Probability")
    page.locator(f"tr[data-finding='{FINDINGS.index('Mass')}'] .lm-select").click()
    pin(page, "Effusion", "positive")
    settled(page)
    expect(page.locator("tr.lm-selected .lm-select")).to_have_text("Mass")
    expect(page.locator(".lm-freehead")).to_have_text("Free")
    reading = shown(predictor, {"Effusion": State.POSITIVE})
    for i, finding in enumerate(FINDINGS):
        texts = row(page, finding)
        if finding == "Effusion":
            assert texts["cond"] == "pinned"
            assert texts["delta"] == ""
        else:
            assert texts["cond"] == as_percent(reading.conditioned[i])
    expect(page.locator(".lm-count")).to_have_text("1 pinned")
    payoff = page.locator(".lm-payoff p")
    expect(payoff).to_have_text(f"Effusion present: {movers(reading.shift)}.")

    pin(page, "Edema", "negative")
    settled(page)
    both = shown(predictor, {"Effusion": State.POSITIVE, "Edema": State.NEGATIVE})
    expect(payoff).to_have_text(f"Edema absent: {movers(both.conditioned - reading.conditioned)}.")
    assert row(page, "Mass")["delta"] == as_points(both.shift[FINDINGS.index("Mass")])
    page.keyboard.press("Control+z")
    settled(page)
    expect(page.locator(".lm-count")).to_have_text("1 pinned")
    expect(payoff).to_contain_text("Edema open again: ")
    page.keyboard.press("Control+Shift+Z")
    settled(page)
    expect(page.locator(".lm-count")).to_have_text("2 pinned")
    expect(page.get_by_role("button", name="Redo pin")).to_be_disabled()
    page.get_by_role("button", name="Clear pins").click()
    settled(page)
    expect(payoff).to_contain_text("All pins cleared")
    assert row(page, "Effusion")["cond"] == ""
    page.get_by_role("button", name="Undo pin").click()
    settled(page)
    page.keyboard.press("Control+z")
    settled(page)
    expect(page.locator(".lm-count")).to_have_text("1 pinned")
    page.keyboard.press("Control+y")
    settled(page)
    expect(page.locator(".lm-count")).to_have_text("2 pinned")


def movers(moved: np.ndarray) -> str:
    """The three findings that moved most, as the page says it."""
    order = np.argsort(-np.nan_to_num(np.abs(moved)))[:3]
    return ", ".join(f"{display_name(FINDINGS[i])} {as_points(moved[i])}" for i in order)


def test_rapid_clicks_end_at_the_last_pins(page: Page, film: Path, predictor: Predictor) -> None:
    upload(page, film)
    page.evaluate(
        """() => document.querySelectorAll(".lm-seg").forEach((group, i) =>
          setTimeout(() => group.children[i % 2 ? 0 : 2].click(), 15 * i))"""
    )
    page.wait_for_timeout(300)
    settled(page)
    page.get_by_role("radiogroup", name="Hernia").get_by_role("radio", name="unknown").click()
    settled(page)
    pins = {f: State.NEGATIVE if i % 2 else State.POSITIVE for i, f in enumerate(FINDINGS[:-1])}
    assert row(page, "Hernia")["cond"] == as_percent(shown(predictor, pins).conditioned[-1])
    expect(page.locator(".lm-warnings")).to_contain_text("13 findings are pinned")


def test_rows_sort_by_probability_and_by_change(page: Page, film: Path) -> None:
    upload(page, film)
    pin(page, "Mass", "positive")
    settled(page)

    def column(selector: str) -> list[float]:
        texts = page.locator(f".lm-table tbody {selector}").all_inner_texts()
        digits = (t.replace("\u2212", "-").replace("%", "").replace("+", "") for t in texts)
        return [float(t) for t in digits if t.strip() not in ("", "pinned")]

    page.locator(".lm-sort").select_option("probability")
    shown = column(".lm-cond")
    assert shown == sorted(shown, reverse=True)
    page.locator(".lm-sort").select_option("change")
    sizes = [abs(x) for x in column(".lm-delta")]
    assert sizes == sorted(sizes, reverse=True)


def test_a_bad_file_says_why_and_leaves_the_screen(page: Page, film: Path, tmp_path: Path) -> None:
    upload(page, film)
    pin(page, "Mass", "negative")
    settled(page)
    before = row(page, "Hernia")
    bad = tmp_path / "bad.dcm"
    bad.write_bytes(b"no film at all")
    page.set_input_files(".lm-file", bad)
    said = page.locator(".lm-alert")
    expect(said).to_contain_text("bad.dcm could not be read; still showing film.png. ")
    expect(said).to_contain_text("not a DICOM, PNG or JPEG")
    assert row(page, "Hernia") == before
    expect(page.locator(".lm-count")).to_have_text("1 pinned")


def test_too_large_a_file_is_refused_before_it_is_sent(page: Page, tmp_path: Path) -> None:
    big = tmp_path / "big.dcm"
    with big.open("wb") as file:
        file.truncate(65 * 2**20)
    sent: list[str] = []
    page.on("request", lambda r: sent.append(r.url) if r.method == "POST" else None)
    page.set_input_files(".lm-file", big)
    expect(page.locator(".lm-alert")).to_contain_text("the limit is 64 MB")
    expect(page.locator(".lm-busy")).to_be_hidden()
    assert sent == []


def test_film_bytes_need_their_token_and_go_when_the_reader_leaves(
    window: BrowserContext, viewer: Viewer, film: Path
) -> None:
    page = window.new_page()
    films: list[str] = []
    page.on("request", lambda r: films.append(r.url) if "/lmeran/film/" in r.url else None)
    upload(goto(page, viewer.url), film)
    assert page.request.get(films[0]).status == 200
    other = window.new_page()
    assert other.request.get(f"{viewer.url}/lmeran/film/guess").status == 404
    page.close()
    for _ in range(50):
        if other.request.get(films[0]).status == 404:
            break
        other.wait_for_timeout(200)
    assert other.request.get(films[0]).status == 404
    other.close()


# The explanation


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
    reading = shown(predictor, {"Effusion": State.POSITIVE, "Mass": State.NEGATIVE})
    by = as_points(reading.shift[9])
    lead = page.locator(".lm-lead")
    expect(lead).to_contain_text(f"The image says {as_percent(reading.free[9])}; your pins ")
    expect(lead).to_contain_text(f"{'add' if by[0] == '+' else 'take away'} {by[1:]} points")
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

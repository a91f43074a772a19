"""Taking along on the real page: each file of the menu saved and opened again, links, replay."""

from __future__ import annotations

import csv
import io
import json
import re
from pathlib import Path
from urllib.parse import unquote

import cv2
import numpy as np
import pypdf
from playwright.sync_api import Browser, BrowserContext, Page, expect

from lmeran.findings import FINDINGS
from tests.conftest import film_pixels
from tests.support.browsing import choose, goto, pin, press, row, settled, upload
from tests.support.serving import Viewer

pytest_plugins = ["tests.support.browsing_fixtures"]

MASS = FINDINGS.index("Mass")


def menu(page: Page, item: str) -> None:
    page.locator(".lm-take summary").click()
    page.get_by_role("button", name=item).click()


def saved(page: Page, item: str) -> tuple[str, bytes]:
    """Name and bytes of the file that an item of the menu saves."""
    with page.expect_download() as download:
        menu(page, item)
    return download.value.suggested_filename, Path(download.value.path()).read_bytes()


def read_with_pins(page: Page, film: Path) -> None:
    upload(page, film)
    pin(page, "Effusion", "positive")
    settled(page)
    page.locator(f"tr[data-finding='{MASS}'] .lm-select").click()


def open_reading(page: Page, file: Path) -> None:
    with page.expect_file_chooser() as chooser:
        menu(page, "Open a reading file")
    chooser.value.set_files(file)


def test_the_menu_waits_for_a_film_and_says_where_dicom_is_made(page: Page) -> None:
    page.locator(".lm-take summary").click()
    for button in page.locator(".lm-take button").all():
        if button.inner_text() == "Open a reading file":
            expect(button).to_be_enabled()
        else:
            expect(button).to_be_disabled()
    expect(page.locator(".lm-take p")).to_contain_text("python -m lmeran export")
    page.keyboard.press("Escape")
    expect(page.locator(".lm-take p")).to_be_hidden()


def test_tables_and_report_say_what_the_screen_says(page: Page, film: Path) -> None:
    read_with_pins(page, film)
    name, data = saved(page, "Table (CSV)")
    table = {r["finding"]: r for r in csv.DictReader(io.StringIO(data.decode()))}
    assert re.fullmatch(r"lmeran-[0-9a-f]{8}-mass-[0-9a-f]{6}\.csv", name)
    shown = float(row(page, "Hernia")["cond"].removesuffix(" %"))
    assert abs(100 * float(table["Hernia"]["conditioned"]) - shown) < 0.06
    assert table["Effusion"]["state"] == "positive"
    name, data = saved(page, "Report (PDF)")
    text = " ".join(pypdf.PdfReader(io.BytesIO(data)).pages[0].extract_text().split())
    assert "Pinned by the reader: Effusion positive" in text
    for finding in ("Hernia", "Mass"):
        texts = row(page, finding)
        assert f"{finding} {texts['free']} {texts['cond']} {texts['delta']}" in text
    name, data = saved(page, "Reading (JSON)")
    assert json.loads(data)["finding"] == "Mass"
    name, data = saved(page, "Boxes of the map (CSV)")
    assert data.decode().splitlines()[1].startswith("Mass,peak,")
    assert name.endswith("-boxes.csv")


def test_the_picture_of_the_view_has_the_view_and_its_words_below(page: Page, film: Path) -> None:
    read_with_pins(page, film)
    name, data = saved(page, "Picture of the view (PNG)")
    picture = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)
    canvas = page.evaluate(
        """() => { const c = document.querySelector(".lm-first > canvas");
          return [c.height, c.width]; }"""
    )
    assert picture.shape[1] == canvas[1]
    assert picture.shape[0] > canvas[0] + 60
    assert picture[: canvas[0]].max() > 100
    assert picture[canvas[0] :].max() == 255
    assert re.fullmatch(r"lmeran-view-\d+\.png", name)
    choose(page, ".lm-beside", "cam")
    page.wait_for_timeout(300)
    _, data = saved(page, "Picture of the view (PNG)")
    beside = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)
    assert beside.shape[1] > 0.9 * canvas[1]


def test_a_reading_file_brings_back_pins_finding_and_view(
    page: Page, film: Path, tmp_path: Path
) -> None:
    read_with_pins(page, film)
    choose(page, ".lm-kind", "attention")
    choose(page, ".lm-layer", "1")
    choose(page, ".lm-scale", "relative")
    settled(page)
    page.keyboard.press("i")
    before = {f: row(page, f) for f in ("Hernia", "Mass")}
    name, data = saved(page, "Reading file, to open here again")
    assert name.endswith(".reading.json")
    file = tmp_path / name
    file.write_bytes(data)
    press(page, "File", "Forget film")
    page.reload()
    page.wait_for_selector(".lm[data-ready]")
    upload(page, film)
    assert row(page, "Effusion")["cond"] != "pinned"
    open_reading(page, file)
    expect(page.locator(".lm-count")).to_have_text("1 pinned")
    settled(page)
    assert {f: row(page, f) for f in ("Hernia", "Mass")} == before
    expect(page.locator("tr.lm-selected .lm-select")).to_have_text("Mass")
    expect(page.locator(".lm-caption1 .lm-mapname")).to_contain_text("layer 1")
    assert page.locator(".lm-layer").input_value() == "1"
    assert page.locator(".lm-scale").input_value() == "relative"
    expect(page.locator(".lm-invert")).to_have_attribute("aria-pressed", "true")
    confirmed = page.locator(".lm-live")
    expect(confirmed).to_have_text("The reading comes out as it was recorded.")
    expect(confirmed).to_have_attribute("data-shown", "")
    assert confirmed.bounding_box()["height"] > 20, "seen, not only heard"
    expect(page.locator(".lm-alert")).to_be_hidden()

    press(page, "File", "Forget film")
    page.reload()  # the file first, then its film, after another one
    page.wait_for_selector(".lm[data-ready]")
    open_reading(page, file)
    expect(page.locator(".lm-alert")).to_contain_text("now open the film it is about")
    upload(page, film)
    expect(page.locator(".lm-count")).to_have_text("1 pinned")
    settled(page)
    assert {f: row(page, f) for f in ("Hernia", "Mass")} == before
    expect(page.locator(".lm-alert")).to_be_hidden()


def test_a_view_of_another_shape_leaves_the_screen_as_it_is(
    page: Page, film: Path, tmp_path: Path
) -> None:
    read_with_pins(page, film)
    content = json.loads(saved(page, "Reading file, to open here again")[1])
    choose(page, ".lm-kind", "attention")
    content["view"] = {"selected": 99, "zoom": "large", "centre": [1], "window": 5, "map": [1]}
    file = tmp_path / "odd.json"
    file.write_text(json.dumps(content))
    page.get_by_role("button", name="Clear pins").click()
    settled(page)
    open_reading(page, file)
    expect(page.locator(".lm-count")).to_have_text("1 pinned")
    settled(page)
    expect(page.locator("tr.lm-selected .lm-select")).to_have_text("Mass")
    expect(page.locator(".lm-caption1 .lm-mapname")).to_contain_text("layer 3, mean of heads")


def test_a_file_of_another_image_or_none_is_refused_in_words(
    window: BrowserContext, viewer: Viewer, film: Path, tmp_path: Path
) -> None:
    page = goto(window.new_page(), viewer.url)
    read_with_pins(page, film)
    _, data = saved(page, "Reading file, to open here again")
    (tmp_path / "reading.json").write_bytes(data)
    (tmp_path / "none.json").write_text("{}")
    cv2.imwrite(str(tmp_path / "other.png"), film_pixels(300, 240, seed=5))
    open_reading(page, tmp_path / "none.json")
    expect(page.locator(".lm-alert")).to_contain_text("not a reading file")
    expect(page.locator(".lm-count")).to_have_text("1 pinned")
    upload(page, tmp_path / "other.png")
    expect(page.locator(".lm-count")).to_have_text("nothing pinned")
    open_reading(page, tmp_path / "reading.json")
    expect(page.locator(".lm-alert")).to_contain_text("belongs to another image")
    expect(page.locator(".lm-alert")).to_have_attribute("data-kind", "hint")
    upload(page, film)
    expect(page.locator(".lm-count")).to_have_text("1 pinned")
    page.close()


def test_a_link_carries_pins_and_finding_into_the_next_film(
    browser: Browser, viewer: Viewer, film: Path
) -> None:
    context = browser.new_context(viewport={"width": 1440, "height": 900})
    context.grant_permissions(["clipboard-read", "clipboard-write"], origin=viewer.url)
    given = "pins=Effusion:positive,Pleural_Thickening:negative&finding=mass"
    page = goto(context.new_page(), f"{viewer.url}/#{given}")
    words = "The link pins Effusion positive, Pleural Thickening negative"
    expect(page.locator(".lm-alert")).to_contain_text(words)
    expect(page.locator(".lm-alert")).to_have_attribute("data-kind", "hint")
    upload(page, film)
    expect(page.locator(".lm-count")).to_have_text("2 pinned")
    settled(page)
    assert row(page, "Effusion")["cond"] == "pinned"
    expect(page.locator("tr.lm-selected .lm-select")).to_have_text("Mass")
    pin(page, "Edema", "negative")
    settled(page)
    menu(page, "Copy link")
    expect(page.locator(".lm-live")).to_have_text("Link copied")
    link = page.evaluate("navigator.clipboard.readText()")
    assert unquote(link.split("#")[1]) == (
        "pins=Effusion:positive,Edema:negative,Pleural_Thickening:negative&finding=Mass"
    )
    page.evaluate("window.location.hash = 'pins=Mass:negative&finding=Hernia'")
    expect(page.locator(".lm-count")).to_have_text("1 pinned")
    page.evaluate("window.location.hash = 'pins=Masses:negative'")
    expect(page.locator(".lm-alert")).to_contain_text("not known here: Masses:negative")
    expect(page.locator(".lm-count")).to_have_text("1 pinned")
    context.close()

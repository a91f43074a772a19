"""The worklist on the real page: read, cancelled, sorted, filtered, walked through, saved."""

from __future__ import annotations

import csv
import io
import re
from pathlib import Path

import numpy as np
import pytest
from playwright.sync_api import Browser, BrowserContext, Page, Route, expect

from lmeran.findings import FINDINGS
from lmeran.predictor import Predictor
from tests.support.browsing import (
    as_percent,
    counted,
    films,
    free,
    give,
    goto,
    keys,
    numbers,
    pin,
    press,
    read_through,
    row,
    rows,
    settled,
    upload,
    walked_to,
)
from tests.support.serving import Viewer

pytest_plugins = ["tests.support.browsing_fixtures"]

EFFUSION = FINDINGS.index("Effusion")


def test_several_files_are_read_sorted_and_walked_and_pins_come_back(
    page: Page, viewer: Viewer, tmp_path: Path, predictor: Predictor
) -> None:
    bad = tmp_path / "Doe_bad.dcm"
    bad.write_bytes(b"no film at all")
    bodies: list[bytes] = []
    page.on("request", lambda r: bodies.append(r.url.encode() + (r.post_data_buffer or b"")))
    give(page, [*films(tmp_path / "f", 4), bad])
    counted(page, "5 films, 1 cannot be read")
    assert numbers(page) == [1, 2, 3, 4, 5]
    readings = [free(predictor, k) for k in range(4)]
    for k, reading in enumerate(readings):
        top = int(np.argmax(reading))
        words = f"{FINDINGS[top].replace('_', ' ')} {as_percent(reading[top])} raw"
        name = f"Doe_{k}.png"  # seen by its reader, and by nobody else: see below
        expect(rows(page).filter(has_text=name)).to_contain_text(words)
    expect(rows(page).filter(has_text="Doe_bad")).to_contain_text("not a DICOM, PNG or JPEG")

    page.locator(".lm-wlsort").select_option(label="Effusion")
    order = [1 + k for k in np.argsort([-r[EFFUSION] for r in readings], kind="stable")]
    expect(rows(page).first).to_contain_text("Effusion")
    assert numbers(page) == [*order, 5]
    first, second = order[0], order[1]
    page.locator(f"#lm-wlrow-{first}").click()
    walked_to(page, first)
    assert row(page, "Effusion")["free"] == as_percent(readings[first - 1][EFFUSION])
    pin(page, "Mass", "positive")
    settled(page)
    moved = row(page, "Effusion")
    expect(page.locator(f"#lm-wlrow-{first}")).to_contain_text("1 pinned")
    keys(page, "n")
    walked_to(page, second)
    expect(page.locator(".lm-count")).to_have_text("nothing pinned")
    keys(page, "N")
    walked_to(page, first)
    expect(page.locator(".lm-count")).to_have_text("1 pinned")
    settled(page)
    assert row(page, "Effusion") == {**moved}
    keys(page, "n n n n n")
    walked_to(page, order[-1])
    expect(page.locator(".lm-live")).to_have_text("This is the last film of the list")

    page.locator(".lm-wlfilter").select_option("failed")
    expect(rows(page)).to_have_count(1)
    rows(page).click()
    expect(page.locator(".lm-alert")).to_contain_text("not a DICOM, PNG or JPEG")
    walked = page.locator(".lm-facts")
    expect(walked).to_contain_text(f"{order[-1]} of the worklist")  # what was open stays
    page.locator(".lm-wlfilter").select_option("pinned")
    expect(rows(page)).to_have_count(1)
    page.locator(".lm-wlfilter").select_option("all")
    page.locator(".lm-wltext").fill("doe_2")
    expect(rows(page)).to_have_count(1)

    assert not any(b"Doe" in body for body in bodies)
    assert [p for p in viewer.temp.rglob("*") if p.is_file() and p.stat().st_size] == []
    assert "Doe" not in viewer.log.read_text()


def test_a_run_is_cancelled_continued_and_forgotten(page: Page, tmp_path: Path) -> None:
    held: list[Route] = []
    page.route("**/rows", lambda route: held.append(route))
    give(page, films(tmp_path, 6))
    expect(page.locator(".lm-wlrow[data-state=reading]")).to_have_count(2)
    expect(page.get_by_role("progressbar", name="Films read")).to_have_attribute(
        "aria-valuetext", "0 of 6"
    )
    # A film opened meanwhile does not wait behind the list.
    page.locator("#lm-wlrow-5").click()
    walked_to(page, 5)
    counted(page, "1 of 6")
    pin(page, "Edema", "positive")
    settled(page)
    page.get_by_role("button", name="Cancel").click()
    expect(page.locator(".lm-wlrow[data-state=waiting]")).to_have_count(5)
    page.unroute("**/rows")
    page.wait_for_timeout(300)
    counted(page, "1 of 6")
    page.get_by_role("button", name="Continue").click()
    read_through(page)
    expect(page.locator(".lm-live")).to_have_text("Worklist read: 6 films")

    tokens: list[str] = []
    page.on("request", lambda r: tokens.append(r.url) if "/lmeran/film/" in r.url else None)
    keys(page, "n")
    walked_to(page, 6)
    clear = page.locator(".lm-wlclear")
    clear.click()  # there are pins in the list: once more is asked for
    expect(clear).to_have_text("Clear, with pins?")
    expect(rows(page)).to_have_count(6)
    press(page, "File", "Forget all")
    page.wait_for_selector(".lm[data-state=empty]")
    expect(rows(page)).to_have_count(0)
    expect(page.locator(".lm-forget")).to_be_disabled()
    assert page.request.get(tokens[0]).status == 404
    give(page, films(tmp_path, 2))
    counted(page, "2 films")
    page.get_by_role("button", name="Clear", exact=True).click()
    expect(page.locator(".lm-worklist")).to_be_hidden()


def test_a_list_waits_for_a_program_that_does_not_answer(
    window: BrowserContext, viewer: Viewer, tmp_path: Path
) -> None:
    # without the fixture: the failed requests are wanted here
    page = goto(window.new_page(), viewer.url)
    page.route("**/rows", lambda route: route.abort())
    give(page, films(tmp_path, 3))
    expect(page.locator(".lm-away")).to_be_visible()
    page.wait_for_timeout(1500)
    page.unroute("**/rows")
    counted(page, "3 films")
    expect(page.locator(".lm-away")).to_be_hidden()
    page.close()


def test_two_readers_have_lists_and_films_of_their_own(
    page: Page, window: BrowserContext, viewer: Viewer, tmp_path: Path, predictor: Predictor
) -> None:
    other = window.new_page()
    theirs: list[str] = []
    other.on("request", lambda r: theirs.append(r.url) if "/lmeran/film/" in r.url else None)
    goto(other, viewer.url)
    give(page, films(tmp_path / "mine", 3))
    give(other, films(tmp_path / "yours", 2, start=7))
    for reader, count, seed in ((page, 3, 0), (other, 2, 7)):
        read_through(reader)
        assert len(numbers(reader)) == count
        walked_to(reader, 1)
        assert row(reader, "Mass")["free"] == as_percent(
            free(predictor, seed)[FINDINGS.index("Mass")]
        )
    pin(page, "Edema", "negative")
    settled(page)
    expect(other.locator(".lm-count")).to_have_text("nothing pinned")
    assert page.request.get(theirs[0]).status == 200
    other.close()
    for _ in range(50):  # who leaves takes the films along
        answer = page.request.get(theirs[0])
        if answer.status == 404:
            break
        page.wait_for_timeout(200)
    assert answer.status == 404


def test_the_table_of_the_list_names_no_file_unless_wanted(
    page: Page, tmp_path: Path, predictor: Predictor
) -> None:
    bad = tmp_path / "=1+1.dcm"
    bad.write_bytes(b"no film")
    give(page, [*films(tmp_path / "f", 2), bad])
    read_through(page)
    walked_to(page, 2)
    pin(page, "Edema", "negative")
    settled(page)
    tables = []
    for named in (False, True):
        page.locator(".lm-wlnames").set_checked(named)
        with page.expect_download() as download:
            page.get_by_role("button", name="Save CSV").click()
        assert "Doe" not in download.value.suggested_filename
        text = Path(download.value.path()).read_text()
        tables.append(list(csv.DictReader(io.StringIO(text))))
        assert ("Doe" in text) is named
    plain, named_rows = tables
    assert [line["state"] for line in plain] == ["cannot be read", "read", "read"]
    assert "not a DICOM" in plain[0]["error"]
    for k in range(2):
        values = [float(plain[1 + k][f"{finding}_raw_free"]) for finding in FINDINGS]
        assert values == pytest.approx(free(predictor, k), abs=2e-6)
    assert (plain[1]["pins"], plain[2]["pins"]) == ("Edema=negative", "")
    assert named_rows[0]["file"] == "'=1+1.dcm"  # a name, not a formula
    assert named_rows[1]["file"] == "Doe_0.png"


def test_hundreds_of_rows_draw_only_what_is_seen_and_hear_the_keys(
    page: Page, tmp_path: Path
) -> None:
    paths = []
    for k in range(400):
        paths.append(tmp_path / f"{k}.png")
        paths[-1].write_bytes(b"no film")
    give(page, paths)
    box = page.get_by_role("listbox")
    expect(page.locator(".lm-wlsome")).to_have_text("400 shown")
    assert len(numbers(page)) < 40
    box.focus()
    keys(page, "ArrowDown End ArrowUp")
    expect(box).to_have_attribute("aria-activedescendant", "lm-wlrow-399")
    active = page.locator("#lm-wlrow-399")
    expect(active).to_have_attribute("aria-posinset", "399")
    expect(active).to_have_attribute("aria-setsize", "400")
    expect(active).to_be_in_viewport()
    expect(page.locator("tr.lm-selected .lm-select")).to_have_text("Atelectasis")
    assert len(numbers(page)) < 40
    page.get_by_role("button", name="Cancel").click()
    expect(page.get_by_role("option", name=re.compile(r"^Film 399, 398\.png"))).to_be_visible()
    box.focus()
    keys(page, "Home Enter")
    expect(page.locator(".lm-alert")).to_contain_text("0.png could not be read")
    page.get_by_role("button", name="Dismiss").click()
    keys(page, "q")
    expect(page.locator(".lm-worklist")).to_be_hidden()
    expect(page.locator(".lm-wltoggle")).to_have_accessible_name(re.compile("Worklist, .* of 400"))
    keys(page, "q")
    expect(box).to_be_focused()
    keys(page, "Escape")
    expect(page.locator(".lm-wltoggle")).to_be_focused()


def test_on_a_phone_the_list_is_a_drawer_that_makes_way(
    browser: Browser, viewer: Viewer, tmp_path: Path
) -> None:
    page = browser.new_page(viewport={"width": 390, "height": 844}, has_touch=True)
    goto(page, viewer.url)
    give(page, films(tmp_path, 3))
    read_through(page)
    walked_to(page, 1)
    expect(page.locator(".lm-worklist")).to_be_hidden()
    page.get_by_role("button", name="Next film").tap()
    walked_to(page, 2)
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    page.locator(".lm-wltoggle").tap()
    small = page.evaluate(
        """() => [...document.querySelectorAll(".lm-worklist button, .lm-wlwalk button")]
          .map((b) => b.getBoundingClientRect()).filter((b) => b.width && b.height < 40).length"""
    )
    assert small == 0
    page.close()


def test_a_film_of_another_way_is_not_of_the_list(page: Page, film: Path, tmp_path: Path) -> None:
    give(page, films(tmp_path / "f", 2))
    read_through(page)
    walked_to(page, 1)
    pin(page, "Mass", "negative")
    settled(page)
    upload(page, film)
    expect(page.locator(".lm-facts")).to_contain_text("240 x 300 px")
    expect(page.locator(".lm-wlrow[aria-selected=true]")).to_have_count(0)
    pin(page, "Hernia", "negative")
    settled(page)
    keys(page, "n")
    walked_to(page, 1)
    expect(page.locator(".lm-count")).to_have_text("1 pinned")
    settled(page)
    assert row(page, "Mass")["cond"] == "pinned"

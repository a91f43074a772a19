"""Keys on the real page, their list, visible focus, and contrast."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from tests.conftest import ROOT
from tests.support.browsing import keys, pin, press, row, settled, upload

pytest_plugins = ["tests.support.browsing_fixtures"]


def test_the_whole_reading_works_from_the_keyboard(page: Page, film: Path) -> None:
    upload(page, film)
    page.locator("tr[data-finding='0'] .lm-select").focus()
    page.locator("tr[data-finding='0'] .lm-select").press("Enter")
    page.keyboard.press("ArrowDown")
    page.keyboard.press("+")
    settled(page)
    assert row(page, "Cardiomegaly")["cond"] == "pinned"
    group = page.get_by_role("radiogroup", name="Cardiomegaly")
    group.get_by_role("radio", name="positive").focus()
    page.keyboard.press("ArrowLeft")
    settled(page)
    expect(group.get_by_role("radio", name="unknown")).to_be_focused()
    assert row(page, "Cardiomegaly")["cond"] != "pinned"


ALL_KEYS = """async () => (await import(
  new URL("lmeran/static/controls/keys.js", document.baseURI))).KEYS"""


def test_every_key_is_in_the_list_and_only_one_command_hears_it(page: Page) -> None:
    page.keyboard.press("?")
    dialog = page.get_by_role("dialog", name="Keys and mouse")
    expect(dialog).to_be_visible()
    bound: set[tuple[str, bool, bool]] = set()
    for entry in page.evaluate(ALL_KEYS):
        line = dialog.locator("dt", has=page.get_by_text(entry["show"], exact=True))
        expect(line.locator("+ dd").filter(has_text=entry["text"])).to_have_count(1)
        for key in entry["keys"]:
            pressed = (key, "shift" in entry, "ctrl" in entry)
            assert pressed not in bound
            bound.add(pressed)
    page.keyboard.press("Escape")
    expect(dialog).to_be_hidden()


def test_without_a_film_only_the_keys_that_need_none_act(page: Page) -> None:
    page.evaluate(
        """() => { window.steps = [];
          window.addEventListener("lmeran:step", (e) => window.steps.push(e.detail.step)); }"""
    )
    keys(page, "m i b 1 Delete n N")
    assert page.evaluate("window.steps") == [1, -1]
    expect(page.locator(".lm-map")).to_be_checked()


def test_each_key_does_what_the_list_says(page: Page, film: Path) -> None:
    upload(page, film)
    page.locator("tr[data-finding='4'] .lm-select").click()
    look = page.locator(".lm-first .lm-look")
    keys(page, "ArrowDown ArrowDown ArrowUp -")
    settled(page)
    expect(page.locator("tr.lm-selected .lm-select")).to_have_text("Nodule")
    assert row(page, "Nodule")["cond"] == "pinned"
    keys(page, "0")
    settled(page)
    assert row(page, "Nodule")["cond"] != "pinned"
    pin(page, "Mass", "positive")
    settled(page)
    keys(page, "Backspace")
    settled(page)
    expect(page.locator(".lm-count")).to_have_text("nothing pinned")
    keys(page, "c m")
    expect(page.locator(".lm-contour")).not_to_be_checked()
    expect(page.locator(".lm-map")).not_to_be_checked()
    keys(page, "i h t T")
    expect(look).to_contain_text("flipped left to right · inverted")
    for held in ({"ctrlKey": True, "altKey": True}, {"altKey": True}):  # AltGr, and Option of a Mac
        page.evaluate(
            """(held) => document.body.dispatchEvent(
              new KeyboardEvent("keydown", { key: "]", bubbles: true, ...held }))""",
            held,
        )
    keys(page, "[")
    expect(look).to_contain_text("flipped left to right, turned by 90 degrees clockwise")
    expect(look).to_contain_text("inverted")
    for key, tool in (("p", "pan"), ("l", "measure"), ("b", "box"), ("w", "window")):
        keys(page, key)
        expect(page.locator(f"[name=lm-tool][value={tool}]")).to_be_checked()
    before = look.inner_text()
    keys(page, "Shift+ArrowRight Shift+ArrowDown")
    expect(look).not_to_have_text(before)
    keys(page, "r")
    expect(look).to_contain_text("C 127.5 W 255")
    expect(look).not_to_contain_text("turned")


def test_keys_stay_letters_where_one_types_or_reads_the_list(page: Page, film: Path) -> None:
    upload(page, film)
    page.locator(".lm-sort").focus()
    keys(page, "m")
    expect(page.locator(".lm-map")).to_be_checked()
    page.locator(".lm-first > canvas").focus()
    keys(page, "? m")
    expect(page.locator(".lm-map")).to_be_checked()


def test_the_film_is_told_to_those_who_hear_it(page: Page, film: Path) -> None:
    upload(page, film)
    canvas = page.locator(".lm-first > canvas")
    expect(canvas).to_have_role("img")
    expect(canvas).to_have_attribute("aria-label", re.compile("^Film with map. .*Strongest at"))
    expect(canvas).to_have_accessible_description(re.compile("C 127.5 W 255"))
    press(page, "View", "Invert black and white")
    expect(page.locator(".lm-live")).to_have_text("Inverted")
    page.get_by_role("radio", name="Measure a length").check(force=True)
    expect(page.locator(".lm-live")).to_have_text("Drag measures a length")
    unnamed = page.evaluate(
        """() => [...document.querySelectorAll(".lm button, .lm select, .lm input")]
          .filter((e) => !(e.getAttribute("aria-label") || e.textContent.trim()
            || e.closest("label")?.textContent.trim())).map((e) => e.outerHTML)"""
    )
    assert unnamed == []


def test_focus_is_seen_wherever_the_tab_key_goes(page: Page, film: Path) -> None:
    upload(page, film)
    page.locator(".lm-open").focus()
    page.keyboard.press("Shift+Tab")
    seen = set()
    for _ in range(24):
        page.keyboard.press("Tab")
        name, outline = page.evaluate(
            """() => { const e = document.activeElement;
              const shown = [e, e.closest("label")].filter(Boolean).map((n) => getComputedStyle(n));
              return [e.ariaLabel || e.textContent.trim() || e.className, Math.max(...shown.map(
                (s) => (s.outlineStyle === "none" ? 0 : parseFloat(s.outlineWidth))))]; }"""
        )
        assert outline >= 2, name
        seen.add(name)
    assert len(seen) > 12


def luminance(colour: str) -> float:
    """Relative luminance of WCAG 2.2 of #rgb or #rrggbb."""
    digits = colour.lstrip("#")
    pairs = [c * 2 for c in digits] if len(digits) == 3 else re.findall("..", digits)
    parts = [int(pair, 16) / 255 for pair in pairs]
    linear = [p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one: str, other: str) -> float:
    high, low = sorted((luminance(one), luminance(other)), reverse=True)
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("theme", ["dark", "light"])
def test_colours_meet_wcag_aa(theme: str) -> None:
    css = (ROOT / "app" / "static" / "page.css").read_text(encoding="utf-8")
    blocks = re.findall(r":root(\[data-lm-theme=\"light\"\])? \{([^}]*--lm-bg[^}]*)\}", css)
    found = {
        bool(light): dict(re.findall(r"--lm-([\w-]+): (#\w+)", body)) for light, body in blocks
    }
    colours = {**found[False], **(found[True] if theme == "light" else {})}
    grounds = ("bg", "panel", "field", "select")
    texts = [(text, ground) for text in ("text", "quiet") for ground in grounds]
    texts += [("warn", "bg"), ("warn", "panel"), ("alert-text", "alert")]
    texts += [("accent", "field"), ("up", "panel"), ("down", "panel"), ("up", "select")]
    texts += [("down", "select"), ("on", "accent"), ("on", "up"), ("on", "down")]
    for text, ground in texts:
        assert contrast(colours[text], colours[ground]) >= 4.5, (text, ground)
    lines = [("accent", ground) for ground in ("bg", "panel", "select")]
    lines += [("edge", ground) for ground in grounds]
    for line, ground in lines:
        assert contrast(colours[line], colours[ground]) >= 3, (line, ground)

"""The screen: how large the film is and stays, what covers it, what a finger does, WCAG."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, CDPSession, Page, expect

from tests.support.browsing import drag, goto, keys, middle_of, pin, settled, upload, why_settled
from tests.support.serving import Viewer

pytest_plugins = ["tests.support.browsing_fixtures"]

Box = dict[str, float]


def box(page: Page, selector: str) -> Box:
    found = page.locator(selector).first.bounding_box()
    assert found is not None, selector
    return found


def apart(one: Box, other: Box) -> bool:
    return (
        one["y"] + one["height"] <= other["y"] + 0.5
        or other["y"] + other["height"] <= one["y"] + 0.5
        or one["x"] + one["width"] <= other["x"] + 0.5
        or other["x"] + other["width"] <= one["x"] + 0.5
    )


@pytest.mark.parametrize("size", [(1440, 900), (1366, 768), (1920, 1080)])
def test_the_film_is_large_and_nothing_resizes_or_covers_it(
    page: Page, film: Path, tmp_path: Path, size: tuple[int, int]
) -> None:
    page.set_viewport_size({"width": size[0], "height": size[1]})
    upload(page, film)
    why_settled(page)
    seen = box(page, ".lm-first > canvas")
    assert seen["height"] >= 0.7 * size[1]
    tools = page.locator(".lm-bar > :is(button, select, details, .lm-toolset):visible").all()
    row = [tool.bounding_box() for tool in tools]
    assert len(row) == 8
    assert max(each["y"] for each in row) < min(each["y"] + each["height"] for each in row)
    assert row[-1]["x"] + row[-1]["width"] <= seen["x"] + seen["width"] + 1, "one row of tools"

    def stays() -> None:
        assert box(page, ".lm-first > canvas") == seen

    for finding in ("Mass", "Edema", "Hernia"):
        pin(page, finding, "positive")
    settled(page)
    stays()
    keys(page, "b")
    x, y = middle_of(page)
    drag(page, (x - 60, y - 50), (80, 100), "left")
    expect(page.locator(".lm-truth")).to_be_visible()
    stays()
    (tmp_path / "bad.dcm").write_bytes(b"no film")
    page.set_input_files(".lm-file", tmp_path / "bad.dcm")
    expect(page.locator(".lm-alert")).to_be_visible()
    stays()
    assert apart(box(page, ".lm-alert"), seen)
    page.mouse.move(x, y)
    for texts in (".lm-look", ".lm-cursor", ".lm-filmname"):
        assert apart(box(page, texts), seen), f"{texts} hides a side marker"
    why_settled(page)
    page.get_by_role("tab", name="Influence").click()
    page.locator(".lm-whybody").evaluate("body => body.scrollIntoView({ block: 'end' })")
    stays()
    assert page.evaluate("[scrollX, scrollY]") == [0, 0]


SHOWN = """() => [...document.querySelectorAll(
    ":is(button, select, input, summary):not(.lm-table *, .lm-why *)")]
  .filter((e) => e.checkVisibility() && e.getClientRects().length)
  .map((e) => e.getAttribute("aria-label") || e.textContent.trim() || e.className)"""


def test_few_controls_are_seen_at_first(page: Page, film: Path) -> None:
    upload(page, film)
    shown = page.evaluate(SHOWN)
    assert len(shown) <= 16, shown  # 33 before the menus


@pytest.fixture()
def phone(browser: Browser, viewer: Viewer, film: Path) -> Iterator[Page]:
    context = browser.new_context(
        viewport={"width": 390, "height": 844}, has_touch=True, is_mobile=True
    )
    page = context.new_page()
    page.on("dialog", lambda dialog: dialog.accept())
    upload(goto(page, viewer.url), film)
    why_settled(page)
    yield page
    context.close()


SMALL = """() => [...document.querySelectorAll(".lm :is(button, select, input, summary)")]
  .filter((e) => e.checkVisibility() && e.getClientRects().length)
  .map((e) => [e, (e.closest("label") ?? e).getBoundingClientRect()])
  .filter(([, r]) => r.width < 40 || r.height < 40)
  .map(([e]) => e.outerHTML.slice(0, 90))"""


def test_a_phone_has_pins_under_the_film_and_room_for_fingers(phone: Page, tmp_path: Path) -> None:
    assert phone.evaluate("document.documentElement.scrollWidth") == 390
    assert phone.evaluate(SMALL) == []
    stage, first = box(phone, ".lm-first"), box(phone, ".lm-seg")
    assert 0 < first["y"] - stage["y"] - stage["height"] < 140
    for menu in (".lm-viewmenu", ".lm-mapmenu", ".lm-take"):
        phone.locator(f"{menu} > summary").tap()
        assert phone.evaluate(SMALL) == []
        inside = box(phone, f"{menu} > div")
        assert inside["x"] >= 0
        assert inside["x"] + inside["width"] <= 390
        phone.locator(f"{menu} > summary").tap()
    (tmp_path / "bad.dcm").write_bytes(b"no film")
    phone.set_input_files(".lm-file", tmp_path / "bad.dcm")
    expect(phone.locator(".lm-alert")).to_be_visible()
    assert apart(box(phone, ".lm-alert"), box(phone, ".lm-first > canvas"))
    phone.get_by_role("button", name="Dismiss").tap()
    pin(phone, "Edema", "positive")
    settled(phone)
    phone.locator("tr[data-finding='13']").scroll_into_view_if_needed()
    assert box(phone, ".lm-first")["y"] == pytest.approx(0, abs=1), "the film stays in view"


def swipe(devtools: CDPSession, start: tuple[float, float], by: tuple[float, float]) -> None:
    """One finger, as the browser hears it of a screen."""
    x, y = start
    devtools.send("Input.dispatchTouchEvent", {"type": "touchStart", "touchPoints": [at(x, y)]})
    for k in range(1, 11):
        point = at(x + by[0] * k / 10, y + by[1] * k / 10)
        devtools.send("Input.dispatchTouchEvent", {"type": "touchMove", "touchPoints": [point]})
    devtools.send("Input.dispatchTouchEvent", {"type": "touchEnd", "touchPoints": []})


STANDS_STILL = """() => new Promise((resolve) => {
  let last = window.scrollY, same = 0;
  const timer = setInterval(() => {
    same = window.scrollY === last ? same + 1 : 0;
    last = window.scrollY;
    if (same < 5) return;
    clearInterval(timer);
    resolve();
  }, 60);
})"""
"""Scrolling goes on for a while after the finger has left."""


def at(x: float, y: float) -> dict[str, float]:
    return {"x": x, "y": y}


def test_a_finger_scrolls_or_moves_and_windows_only_when_told(phone: Page) -> None:
    devtools = phone.context.new_cdp_session(phone)
    look = phone.locator(".lm-first .lm-look")
    centre = "JSON.stringify(document.querySelector('.lm-first .lm-look').textContent)"
    before = phone.evaluate(centre)
    x, y = middle_of(phone)
    swipe(devtools, (x, y + 60), (0, -150))
    phone.wait_for_function("() => window.scrollY > 50")
    assert phone.evaluate(centre) == before, "the page has scrolled, the film is as it was"
    phone.evaluate(STANDS_STILL)
    phone.evaluate("window.scrollTo(0, 0)")

    phone.locator(".lm-first > canvas").focus()
    keys(phone, "z z z")
    closer = phone.screenshot(clip=box(phone, ".lm-first > canvas"))
    swipe(devtools, middle_of(phone), (60, -80))
    assert phone.evaluate("window.scrollY") == 0
    expect(look).to_contain_text("C 127.5 W 255")
    assert phone.screenshot(clip=box(phone, ".lm-first > canvas")) != closer, "the film has moved"

    phone.get_by_role("radio", name="Window", exact=True).check(force=True)
    swipe(devtools, middle_of(phone), (60, -80))
    expect(look).not_to_contain_text("C 127.5 W 255")


@pytest.mark.parametrize("look", ["dark", "light"])
def test_axe_finds_nothing_serious(page: Page, film: Path, look: str) -> None:
    page.emulate_media(color_scheme=look)
    upload(page, film)
    pin(page, "Mass", "positive")
    why_settled(page)
    opened = [[], [".lm-take", ".lm-meaning"], [".lm-viewmenu"], [".lm-mapmenu"]]
    for width in (1440, 390):
        page.set_viewport_size({"width": width, "height": 900})
        for menus in opened:
            page.evaluate(
                "all => { for (const m of all) document.querySelector(m).open = true; }", menus
            )
            found = Axe().run(page).response["violations"]
            serious = [v["id"] for v in found if v["impact"] in ("serious", "critical")]
            assert serious == [], [v["nodes"] for v in found]
            page.evaluate(
                "all => { for (const m of all) document.querySelector(m).open = false; }", menus
            )

"""What a newcomer meets on the real page: an open film, one pin to try, words that are seen."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import cv2
import pytest
from playwright.sync_api import Browser, Page, expect

from app.examples import BUNDLED
from lmeran.findings import FINDINGS
from tests.conftest import ROOT, film_pixels
from tests.support.browsing import goto, pin, press, row, settled, upload
from tests.support.serving import Viewer, launched

pytest_plugins = ["tests.support.browsing_fixtures"]

EXAMPLES = json.loads((BUNDLED / "examples.json").read_text())
TRIED = next(example for example in EXAMPLES if "pin" in example)
"""The film that a newcomer finds open."""


@pytest.fixture(scope="module")
def welcoming(checkpoint_folder: Path) -> Iterator[str]:
    """The address of a viewer with the bundled films on offer."""
    with launched(checkpoint_folder, offering=True) as (url, _):
        yield url


def first_film(page: Page, url: str) -> None:
    page.goto(url)
    expect(page.locator(".lm-first .lm-filmname")).to_have_text(TRIED["title"])


def test_a_film_is_open_and_its_pin_is_one_click_away(browser: Browser, welcoming: str) -> None:
    page = browser.new_page(viewport={"width": 1440, "height": 900})
    asked: list[str] = []
    page.on("dialog", lambda dialog: asked.append(dialog.type) or dialog.accept())
    first_film(page, welcoming)
    assert "synthetic" in TRIED["title"].lower()
    expect(page.locator(".lm-idea")).to_have_text(
        "Tell the model what you already know (\u2212 / +) and see what else moves."
    )
    finding, state = TRIED["pin"]["finding"], TRIED["pin"]["state"]
    before = {other: row(page, other) for other in FINDINGS if other != finding}
    suggestion = page.get_by_role("button", name="Try: ")
    word = {"positive": "present", "negative": "absent"}[state]
    expect(suggestion).to_have_text(f"Try: {finding.replace('_', ' ')} is {word}")
    suggestion.click()
    settled(page)
    pinned = page.get_by_role("radiogroup", name=finding.replace("_", " "))
    expect(pinned.get_by_role("radio", name=state)).to_have_attribute("aria-checked", "true")
    assert {other: row(page, other) for other in before} != before
    expect(suggestion).to_be_hidden()
    page.get_by_role("button", name="Clear pins").click()
    expect(suggestion).to_be_visible()

    # the other examples are folded away until they are wanted
    strip = page.locator(".lm-examples")
    expect(strip).to_be_hidden()
    page.get_by_role("button", name="Examples").click()
    other = next(k for k, example in enumerate(EXAMPLES) if example != TRIED)
    strip.get_by_role("button").nth(other).click()
    expect(page.locator(".lm-first .lm-filmname")).to_have_text(EXAMPLES[other]["title"])
    expect(strip).to_be_hidden()
    tried = EXAMPLES[other]["pin"]["finding"].replace("_", " ")
    expect(suggestion).to_have_text(f"Try: {tried} is present")

    page.reload()  # an example is no work of the reader's
    assert asked == []
    first_film(page, welcoming)
    press(page, "File", "Forget film")
    page.wait_for_selector(".lm[data-state=empty]")
    expect(strip).to_be_visible()
    page.close()


def test_a_reload_brings_an_example_and_its_pins_back(browser: Browser, welcoming: str) -> None:
    page = browser.new_page(viewport={"width": 1440, "height": 900})
    page.on("dialog", lambda dialog: dialog.accept())
    first_film(page, welcoming)
    page.get_by_role("button", name="Examples").click()
    last = len(EXAMPLES) - 1
    page.locator(".lm-examples button").nth(last).click()
    expect(page.locator(".lm-first .lm-filmname")).to_have_text(EXAMPLES[last]["title"])
    pin(page, "Edema", "positive")
    settled(page)
    before = row(page, "Hernia")
    page.reload()
    expect(page.locator(".lm-first .lm-filmname")).to_have_text(EXAMPLES[last]["title"])
    expect(page.locator(".lm-count")).to_have_text("1 pinned")
    settled(page)
    assert row(page, "Hernia") == before
    page.get_by_role("button", name="Clear pins").click()
    page.reload()
    first_film(page, welcoming)
    page.close()


def test_a_reload_keeps_the_pins_of_a_readers_own_film_and_not_the_film(
    page: Page, film: Path, tmp_path: Path
) -> None:
    other = tmp_path / "other.png"
    cv2.imwrite(str(other), film_pixels(300, 240, seed=1))
    upload(page, film)
    for finding, state in (("Mass", "positive"), ("Edema", "positive"), ("Hernia", "negative")):
        pin(page, finding, state)
    settled(page)
    before = row(page, "Effusion")
    page.reload()
    page.wait_for_selector(".lm[data-ready]")
    expect(page.locator(".lm-alert")).to_contain_text(
        "Open your film again, and its pins come back"
    )
    kept = page.evaluate("Object.values({ ...localStorage, ...sessionStorage }).join()")
    assert film.stem not in kept
    upload(page, other)
    expect(page.locator(".lm-count")).to_have_text("nothing pinned")
    upload(page, film)
    expect(page.locator(".lm-live")).to_have_text("The pins from before the reload are back")
    expect(page.locator(".lm-count")).to_have_text("3 pinned")
    settled(page)
    assert row(page, "Effusion") == before
    press(page, "File", "Forget film")
    assert page.evaluate("sessionStorage.length") == 0
    page.reload()
    page.wait_for_selector(".lm[data-ready]")
    upload(page, film)
    expect(page.locator(".lm-count")).to_have_text("nothing pinned")


def test_without_examples_or_with_a_link_the_page_waits_for_a_film(
    page: Page, welcoming: str
) -> None:
    expect(page.locator(".lm-prompt")).to_contain_text("Open a frontal chest X-ray")
    expect(page.get_by_role("button", name="Examples")).to_be_hidden()
    expect(page.get_by_role("button", name="Try: ")).to_be_hidden()
    other = page.context.new_page()
    opened: list[str] = []
    other.on("request", lambda r: opened.append(r.url) if r.method == "POST" else None)
    goto(other, f"{welcoming}/#finding=mass")
    other.wait_for_timeout(300)
    assert opened == []
    other.close()


def test_the_look_follows_the_system_until_one_is_chosen(
    browser: Browser, viewer: Viewer, film: Path
) -> None:
    context = browser.new_context(color_scheme="dark")
    page = context.new_page()
    html = page.locator("html")

    goto(page, viewer.url)
    expect(html).to_have_attribute("data-lm-theme", "dark")
    page.emulate_media(color_scheme="light")
    expect(html).to_have_attribute("data-lm-theme", "light")
    page.get_by_role("button", name="About").click()
    page.get_by_role("combobox", name="Look").select_option("dark")
    expect(html).to_have_attribute("data-lm-theme", "dark")
    page.keyboard.press("Escape")
    upload(page, film)
    kept = page.evaluate("Object.values({ ...localStorage, ...sessionStorage })")
    assert kept == ["dark"], "nothing of the film"
    press(page, "File", "Forget film")
    goto(page, viewer.url)
    expect(html).to_have_attribute("data-lm-theme", "dark")
    page.get_by_role("button", name="About").click()
    page.get_by_role("combobox", name="Look").select_option("")
    expect(html).to_have_attribute("data-lm-theme", "light")
    assert page.evaluate("localStorage.length") == 0
    context.close()


def test_the_product_has_one_name(page: Page) -> None:
    name = page.get_by_role("heading", level=1).inner_text()
    assert name == page.title() == "LMeRAN viewer"
    assert f"\n# {name}\n" in (ROOT / "README.md").read_text(encoding="utf-8")

"""What a newcomer meets on the real page: an open film, one pin to try, words that are seen."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from app.examples import BUNDLED
from lmeran.findings import FINDINGS
from tests.conftest import ROOT
from tests.support.browsing import goto, press, row, settled, upload
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

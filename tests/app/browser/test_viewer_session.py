"""On the real page: what is held and for how long, signing in, a demonstration, frames."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from playwright.sync_api import Browser, Page, expect

from tests.support.browsing import (
    drag,
    goto,
    middle_of,
    pin,
    press,
    row,
    screen_of,
    settled,
    upload,
    why_settled,
)
from tests.support.dicom_making import film as dicom_film
from tests.support.dicom_making import written
from tests.support.serving import Viewer, running_viewer

pytest_plugins = ["tests.support.browsing_fixtures"]

PASSWORD = "correct horse battery"


@pytest.fixture(scope="module")
def strict(tmp_path_factory: pytest.TempPathFactory, checkpoint_folder: Path) -> Iterator[Viewer]:
    """A demonstration behind a password that holds films for twelve seconds."""
    options = ["--user", "ann", "--demo", "--idle-minutes", "0.2"]
    with running_viewer(
        tmp_path_factory.mktemp("strict"),
        "--checkpoint",
        str(checkpoint_folder),
        *options,
        examples=True,
        LMERAN_PASSWORD=PASSWORD,
    ) as running:
        yield running


def test_signing_in_a_demonstration_and_a_film_that_idles(browser: Browser, strict: Viewer) -> None:
    wrong = browser.new_context(http_credentials={"username": "ann", "password": "a guess"})
    page = wrong.new_page()
    page.goto(strict.url)
    expect(page.get_by_role("link")).to_have_text("open the viewer in a page of its own")
    wrong.close()
    context = browser.new_context(
        viewport={"width": 1440, "height": 900},
        http_credentials={"username": "ann", "password": PASSWORD},
    )
    context.set_default_timeout(60_000)
    page = goto(context.new_page(), f"{strict.url}/#finding=mass")

    # no way to give a file, and words that say so
    expect(page.locator(".lm-prompt")).to_contain_text("takes no files")
    expect(page.get_by_role("button", name="Open film")).to_be_hidden()
    expect(page.get_by_role("button", name="Worklist", exact=True)).to_be_hidden()
    expect(page.locator(".lm-beside option[value=prior]")).to_have_count(0)
    page.evaluate(
        """() => { const carried = new DataTransfer();
          carried.items.add(new File(["x"], "film.dcm"));
          document.querySelector(".lm-left").dispatchEvent(
            new DragEvent("drop", { dataTransfer: carried, bubbles: true })); }"""
    )
    expect(page.locator(".lm-alert")).to_contain_text("takes no files")

    page.locator(".lm-examples button").first.click()
    page.wait_for_selector(".lm[data-state=open]")
    expect(page.locator("tr.lm-selected .lm-select")).to_have_text("Mass")
    pin(page, "Mass", "positive")
    settled(page)
    assert row(page, "Mass")["cond"] == "pinned"

    # looking at the film is use; doing nothing is not
    said = page.locator(".lm-idle")
    for _ in range(3):
        page.wait_for_timeout(5000)
        drag(page, middle_of(page), (5, 5), "left")
    expect(said).to_be_hidden()
    expect(said).to_contain_text(re.compile(r"dropped in \d seconds"), timeout=20_000)
    page.get_by_role("button", name="Keep it open").click()
    expect(said).to_be_hidden()
    before = row(page, "Hernia")
    expect(said).to_contain_text("has dropped this film after 12 seconds", timeout=30_000)
    page.get_by_role("button", name="About").click()
    dialog = page.get_by_role("dialog", name="About this viewer")
    for words in ("No film.", "12 seconds without use", "Bundled films only", "60 films a minute"):
        expect(dialog).to_contain_text(words)
    page.keyboard.press("Escape")
    assert row(page, "Hernia") == before, "what was on the screen stays"
    assert screen_of(page).max() > 50

    # the next pin has the film read once more, and nothing is lost
    pin(page, "Edema", "positive")
    settled(page)
    expect(page.locator(".lm-count")).to_have_text("2 pinned")
    expect(said).to_be_hidden()
    assert row(page, "Mass")["cond"] == "pinned"
    context.close()
    log = strict.log.read_text()
    assert PASSWORD not in log
    assert "a guess" not in log


def test_what_is_held_is_said_and_forgetting_takes_all_of_it(
    page: Page, film: Path, viewer: Viewer
) -> None:
    upload(page, film)
    why_settled(page)
    page.get_by_role("button", name="About").click()
    dialog = page.get_by_role("dialog", name="About this viewer")
    expect(dialog).to_contain_text("One film, 1 MB of memory.")
    expect(dialog).to_contain_text("64 MB and 50 million pixels a film; 60 films a minute")
    link = dialog.get_by_role("link", name="their description").get_attribute("href")
    described = page.request.get(link).json()["named_endpoints"]
    assert set(described) == {"/predict", "/explain"}
    page.keyboard.press("Escape")
    files = [path for path in viewer.temp.rglob("*") if path.is_file()]
    assert not any(path.stat().st_size for path in files)
    press(page, "File", "Forget film")
    page.wait_for_selector(".lm[data-state=empty]")
    assert screen_of(page).max() == 0
    page.get_by_role("button", name="About").click()
    expect(dialog).to_contain_text("No film.")


def test_a_frame_of_several_is_chosen_and_nothing_is_kept(
    page: Page, tmp_path: Path, viewer: Viewer
) -> None:
    rng = np.random.default_rng(0)
    pictures = rng.integers(0, 4096, (3, 64, 64)).astype("<u2")
    ds = dicom_film(pictures[0], NumberOfFrames=3)
    ds.PixelData = pictures.tobytes()
    (tmp_path / "run.dcm").write_bytes(written(ds))
    upload(page, tmp_path / "run.dcm")
    facts, field = page.locator(".lm-facts"), page.get_by_role("spinbutton", name="Frame")
    expect(facts).to_contain_text("1 of 3")
    expect(page.get_by_role("button", name="Frame before")).to_be_disabled()
    first = row(page, "Mass")
    page.get_by_role("button", name="Frame after").click()
    expect(facts).to_contain_text("2 of 3")
    assert row(page, "Mass")["free"] != first["free"]
    expect(page.locator(".lm-warnings")).to_contain_text("frame 2 of 3")
    field.fill("3")
    field.press("Enter")
    expect(facts).to_contain_text("3 of 3")
    expect(field).to_have_value("3")
    expect(page.get_by_role("button", name="Frame after")).to_be_disabled()
    files = [path for path in viewer.temp.rglob("*") if path.is_file()]
    assert not any(path.stat().st_size for path in files)

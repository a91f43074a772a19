"""The real page in headless Chromium.

Test files name this module in `pytest_plugins`; they share one viewer and one browser.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import cv2
import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect, sync_playwright

from tests.conftest import film_pixels
from tests.support.browsing import CHROMIUM, FLAGS, opened
from tests.support.serving import Viewer, running_viewer

PATIENCE = 30_000
"""ms that what is expected may take, on a machine that does other things too."""


@pytest.fixture(scope="session")
def viewer(tmp_path_factory: pytest.TempPathFactory, checkpoint_folder: Path) -> Iterator[Viewer]:
    folder = tmp_path_factory.mktemp("viewer")
    with running_viewer(folder, "--checkpoint", str(checkpoint_folder)) as running:
        yield running


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    if CHROMIUM is None:
        pytest.skip("needs Debian's chromium")
    expect.set_options(timeout=PATIENCE)
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=CHROMIUM, args=list(FLAGS))
        yield chromium
        chromium.close()


@pytest.fixture(scope="session")
def window(browser: Browser) -> BrowserContext:
    """Where pages are opened: its cache keeps the modules, so that a page takes half the time."""
    context = browser.new_context(viewport={"width": 1440, "height": 900})
    context.set_default_timeout(60_000)
    return context


@pytest.fixture()
def page(window: BrowserContext, viewer: Viewer) -> Iterator[Page]:
    """A fresh reader: a tab has a session of its own."""
    with opened(window, viewer.url) as page:
        yield page


@pytest.fixture()
def film(tmp_path: Path) -> Path:
    path = tmp_path / "film.png"
    cv2.imwrite(str(path), film_pixels(300, 240))
    return path

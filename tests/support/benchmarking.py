"""What benchmarks begin with: their options, and a page of the real viewer."""

from __future__ import annotations

import argparse
import contextlib
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from playwright.sync_api import Browser, Page, sync_playwright

from tests.support.browsing import CHROMIUM, FLAGS
from tests.support.serving import running_viewer


def options(doc: str, **defaults: Any) -> argparse.Namespace:
    """The command line's options: a flag where the default is False, a text where it is None."""
    parser = argparse.ArgumentParser(description=doc.splitlines()[0])
    for name, default in defaults.items():
        if default is False:
            parser.add_argument(f"--{name}", action="store_true")
        else:
            kind = str if default is None else type(default)
            parser.add_argument(f"--{name}", type=kind, default=default)
    return parser.parse_args()


@contextlib.contextmanager
def browser_at(
    checkpoint: str | None, *arguments: str, examples: bool = True, flags: Sequence[str] = FLAGS
) -> Iterator[tuple[Browser, str]]:
    """Chromium, and the address of a viewer that runs as its users start it."""
    arguments += ("--checkpoint", checkpoint) if checkpoint else ()
    with (
        tempfile.TemporaryDirectory() as folder,
        running_viewer(Path(folder) / "viewer", *arguments, examples=examples) as viewer,
        sync_playwright() as playwright,
    ):
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=list(flags))
        yield browser, viewer.url
        browser.close()


@contextlib.contextmanager
def page_at(
    checkpoint: str | None, *arguments: str, width: int = 1440, height: int = 900, **more: Any
) -> Iterator[Page]:
    """Its page, once it is ready; with examples, once one of them is open."""
    with browser_at(checkpoint, *arguments, **more) as (browser, url):
        page = browser.new_page(viewport={"width": width, "height": height})
        page.set_default_timeout(300_000)
        page.goto(url)
        page.wait_for_selector(".lm[data-ready]")
        if more.get("examples", True):
            page.wait_for_selector(".lm[data-state=open]")
        yield page

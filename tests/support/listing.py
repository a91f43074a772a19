"""What a reader does with a worklist on the real page, and what it shows."""

from __future__ import annotations

import re
from pathlib import Path

import cv2
import numpy as np
from playwright.sync_api import Locator, Page, expect

from lmeran.imaging.radiograph import Radiograph
from lmeran.predictor import Predictor
from tests.conftest import film_pixels
from tests.support.browsing import middle_of

DONE = re.compile(r"^\d+ films?(, \d+ cannot be read)?$")


def films(folder: Path, count: int, start: int = 0) -> list[Path]:
    """Small films that differ, named after patients."""
    folder.mkdir(parents=True, exist_ok=True)
    paths = [folder / f"Doe_{k}.png" for k in range(start, start + count)]
    for k, path in enumerate(paths, start):
        cv2.imwrite(str(path), film_pixels(120, 100, k))
    return paths


def free(predictor: Predictor, seed: int) -> np.ndarray:
    return predictor.read(
        predictor.encode(Radiograph(film_pixels(120, 100, seed), "PNG", 8)), {}
    ).free


def give(page: Page, paths: list[Path] | Path, button: str = "Open film") -> None:
    with page.expect_file_chooser() as chooser:
        page.locator(".lm").get_by_role("button", name=button, exact=True).click()
    chooser.value.set_files(paths)


def drop_on_film(page: Page, path: Path) -> None:
    """A file or folder dragged in from outside of the browser and let go over the film."""
    x, y = middle_of(page)
    devtools = page.context.new_cdp_session(page)
    data = {"items": [], "files": [str(path)], "dragOperationsMask": 1}
    for kind in ("dragEnter", "dragOver", "drop"):
        devtools.send("Input.dispatchDragEvent", {"type": kind, "x": x, "y": y, "data": data})


def read_through(page: Page) -> None:
    """The list has been read to its end."""
    counted(page, DONE)


def counted(page: Page, text: str | re.Pattern[str]) -> None:
    """The list says so of how far it is."""
    expect(page.locator(".lm-wlcount")).to_have_text(text)


def rows(page: Page) -> Locator:
    return page.get_by_role("option", include_hidden=False).and_(page.locator(".lm-wlrow"))


def numbers(page: Page) -> list[int]:
    """Film numbers as the list shows them, from above."""
    return page.evaluate(
        """() => [...document.querySelectorAll(".lm-wlrow")]
          .sort((a, b) => parseFloat(a.style.top) - parseFloat(b.style.top))
          .map((row) => Number(row.dataset.number))"""
    )


def labels(page: Page) -> list[str]:
    """What the rows that are drawn are called."""
    titles = page.locator(".lm-wltop").evaluate_all("all => all.map((top) => top.title)")
    return [title.removesuffix(" (opened)") for title in titles]


def walked_to(page: Page, number: int) -> None:
    """The film of that number is open and marked in the list."""
    expect(page.locator(".lm-facts")).to_contain_text(f"{number} of the worklist")
    expect(page.locator(f"#lm-wlrow-{number}")).to_have_attribute("aria-selected", "true")

"""What a reader does on the real page and with its worklist, and what is on its screen."""

from __future__ import annotations

import base64
import contextlib
import os
import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
from playwright.sync_api import BrowserContext, ConsoleMessage, Locator, Page, expect

from lmeran.findings import FINDINGS
from lmeran.imaging.radiograph import Radiograph
from lmeran.predictor import Predictor
from tests.conftest import film_pixels

CHROMIUM = os.environ.get("LMERAN_CHROMIUM") or shutil.which("chromium")
FLAGS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)


def upload(page: Page, film: Path) -> None:
    page.set_input_files(".lm-file", film)
    expect(page.locator(".lm-first .lm-filmname")).to_have_text(film.name)


def choose(page: Page, selector: str, option: str) -> None:
    """An option in the menu of the map."""
    summary = page.locator(".lm-mapmenu > summary")
    summary.click()
    page.locator(selector).select_option(option)
    summary.click()


def press(page: Page, menu: str, button: str) -> None:
    """A button in a menu."""
    page.locator(f".lm-menu > summary:text-is('{menu}')").click()
    page.get_by_role("button", name=button).click()
    page.keyboard.press("Escape")


def pin(page: Page, finding: str, state: str) -> None:
    page.get_by_role("radiogroup", name=finding).get_by_role("radio", name=state).click()


def settled(page: Page) -> None:
    page.wait_for_selector(".lm:not([data-pending])")


def row(page: Page, finding: str) -> dict[str, str]:
    """The texts of a row that are seen; empty where the column is not."""
    line = page.locator(f"tr[data-finding='{FINDINGS.index(finding)}']")
    cells = {"free": ".lm-free", "cond": ".lm-cond", "delta": ".lm-delta"}
    found = {name: line.locator(selector) for name, selector in cells.items()}
    return {name: cell.inner_text() if cell.is_visible() else "" for name, cell in found.items()}


def film_colours(page: Page) -> int:
    """Number of canvas pixels that are not gray: where the map is seen."""
    return page.evaluate(
        """() => { const c = document.querySelector(".lm-first > canvas");
          const d = c.getContext("2d").getImageData(0, 0, c.width, c.height).data;
          let n = 0;
          for (let i = 0; i < d.length; i += 4)
            if (Math.abs(d[i] - d[i + 2]) > 4 || Math.abs(d[i] - d[i + 1]) > 4) n++;
          return n; }"""
    )


def as_percent(p: float) -> str:
    return f"{100 * p:.{2 if 100 * p < 1 else 1}f} %"


def as_points(change: float) -> str:
    size = 100 * abs(change)
    if size < 0.01:  # as the page: no change
        return "0"
    sign = "\u2212" if change < 0 else "+"
    return f"{sign}{size:.{2 if size < 1 else 1}f}"


def why_settled(page: Page) -> None:
    """The explanation of the reading on the screen has come."""
    settled(page)
    page.wait_for_selector(".lm-why:not(.lm-stale) .lm-figurehead")


def keys(page: Page, pressed: str) -> None:
    """Keys pressed one after the other, given as names with blanks between."""
    for key in pressed.split():
        page.keyboard.press(key)


def two_frames(page: Page) -> None:
    """What was changed has been drawn."""
    page.evaluate("new Promise((r) => requestAnimationFrame(() => requestAnimationFrame(r)))")


def screen_of(page: Page, view: str = ".lm-first") -> np.ndarray:
    """The pixels of a view's canvas, uint8 (H, W, 3)."""
    two_frames(page)
    size = page.evaluate(
        """(view) => { const c = document.querySelector(`${view} > canvas`);
          return [c.height, c.width]; }""",
        view,
    )
    encoded = page.evaluate(
        """(view) => document.querySelector(`${view} > canvas`).toDataURL("image/png")""", view
    )
    data = np.frombuffer(base64.b64decode(encoded.split(",")[1]), np.uint8)
    picture = cv2.imdecode(data, cv2.IMREAD_COLOR)
    assert picture.shape[:2] == tuple(size)
    return picture[:, :, ::-1]


def middle_of(page: Page, view: str = ".lm-first") -> tuple[float, float]:
    """The middle of a view, in pixels of the page."""
    box = page.locator(f"{view} > canvas").bounding_box()
    assert box is not None
    return box["x"] + box["width"] / 2, box["y"] + box["height"] / 2


def drag(page: Page, start: tuple[float, float], by: tuple[float, float], button: str) -> None:
    """One straight drag in a single step."""
    page.mouse.move(*start)
    page.mouse.down(button=button)
    page.mouse.move(start[0] + by[0], start[1] + by[1])
    page.mouse.up(button=button)


def film_under(page: Page, at: tuple[float, float]) -> tuple[int, int]:
    """Column and row of the film under a point of the page, as the page says."""
    page.mouse.move(at[0] + 3, at[1])
    page.mouse.move(*at)
    text = page.locator(".lm-first .lm-cursor").inner_text()
    found = re.match(r"x (-?\d+), y (-?\d+)", text)
    assert found is not None, text
    return int(found[1]), int(found[2])


def goto(page: Page, url: str) -> Page:
    """The page, once it is ready."""
    page.goto(url)
    page.wait_for_selector(".lm[data-ready]")
    return page


@contextlib.contextmanager
def opened(window: BrowserContext, url: str) -> Iterator[Page]:
    """A new tab. A request to another host or an error on the page fails the test."""
    page, trouble = window.new_page(), []
    watch(page, url, trouble)
    page.on("dialog", lambda dialog: dialog.accept())  # of leaving an open film
    yield goto(page, url)
    page.close()
    assert trouble == []


REFUSALS = re.compile(r"/lmeran/(films|rows|pins|why|session|export|reading)\b")
"""Addresses whose refusals the page puts in words; the browser notes each in its console too."""


def watch(page: Page, url: str, trouble: list[str]) -> None:
    """Note requests to other hosts, and errors but for refusals in words."""
    own = (url, "data:", "blob:")

    def said(message: ConsoleMessage) -> None:
        refusal = "Failed to load resource" in message.text
        if message.type == "error" and not (refusal and REFUSALS.search(message.location["url"])):
            trouble.append(message.text)

    page.on("request", lambda r: None if r.url.startswith(own) else trouble.append(r.url))
    page.on("pageerror", lambda error: trouble.append(str(error)))
    page.on("console", said)


# The worklist

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

"""A worklist read behind an open film, in headless Chromium.

    python -m tests.benchmarks.worklist [--checkpoint C] [--films 60] [--clicks 20]

Starts the real viewer, opens a bundled film, times clicks on pins (as `tests.benchmarks.clicks`
does), then gives the bundled films again and again as a worklist and times, while it is read: the
same clicks, opening a film of the list, and the list's films a minute. The same films read one by
one in this process, without page and server, are what they are compared with. Prints ratios too:
both sides share one machine and one run.
"""

from __future__ import annotations

import shutil
import statistics
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from playwright.sync_api import Page

from app.examples import BUNDLED
from lmeran.hub import open_checkpoint
from lmeran.imaging.files import FILM_SUFFIXES, read_file
from lmeran.predictor import Predictor
from tests.benchmarks.clicks import TIMED_CLICK
from tests.support.benchmarking import options, page_at

DONE = "() => /^[0-9]+ film/.test(document.querySelector('.lm-wlcount').textContent)"


def copies(folder: Path, count: int) -> list[Path]:
    """The bundled films, again and again."""
    films = sorted(path for path in BUNDLED.iterdir() if path.suffix in FILM_SUFFIXES)
    paths = [folder / f"{k}{films[k % len(films)].suffix}" for k in range(count)]
    for k, path in enumerate(paths):
        shutil.copy(films[k % len(films)], path)
    return paths


def clicks(page: Page, count: int) -> float:
    """Median ms from a click on a pin to the reading and map drawn."""
    times = []
    for click in range(count + 4):
        row, state = click % 4, 2 - (click // 4) % 3
        page.wait_for_selector(".lm:not([data-pending])")
        pinned = page.locator(f"tr[data-finding='{row}'] [data-state='{state}']")
        if pinned.get_attribute("aria-checked") != "true":
            times.append(page.evaluate(TIMED_CLICK, [row, state]))
    return statistics.median(times[4:])


def opened(page: Page, numbers: Iterator[int]) -> float:
    """Seconds from asking for the next film of the list to seeing it."""
    begun, number = time.monotonic(), next(numbers)
    page.keyboard.press("n")
    seen = ".lm-facts:has(dd:text-is('{} of the worklist'))"
    page.wait_for_selector(seen.format(number))
    return time.monotonic() - begun


def bare(paths: list[Path], checkpoint: str | None) -> float:
    """Films a minute of the predictor alone."""
    predictor = Predictor(open_checkpoint(checkpoint))
    predictor.encode(read_file(paths[0]))
    begun = time.monotonic()
    for path in paths:
        predictor.read(predictor.encode(read_file(path)), {})
    return 60 * len(paths) / (time.monotonic() - begun)


def main() -> None:
    given = options(__doc__, checkpoint=None, films=60, clicks=20)
    with tempfile.TemporaryDirectory() as folder, page_at(given.checkpoint) as page:
        paths = copies(Path(folder), given.films)
        idle = clicks(page, given.clicks)

        def give() -> float:
            with page.expect_file_chooser() as chooser:
                page.locator(".lm-open").click()
            chooser.value.set_files(paths)
            return time.monotonic()

        begun = give()
        page.wait_for_function(DONE, timeout=600_000)
        alone = 60 * len(paths) / (time.monotonic() - begun)
        page.locator(".lm-wlclear").click()
        give()
        page.wait_for_selector(".lm-wlrow[data-state=read]")
        behind = clicks(page, given.clicks)
        numbers = iter(range(2, given.films + 1))  # the first opens by itself
        opening = statistics.median(opened(page, numbers) for _ in range(5))
        still = not page.evaluate(DONE)
        if still:
            page.locator(".lm-wlstop").click()
        page.wait_for_timeout(1000)
        rest = statistics.median(opened(page, numbers) for _ in range(5))
        # In a thread, as the server reads: on busy cores the main thread fares otherwise.
        with ThreadPoolExecutor(1) as pool:
            rate = pool.submit(bare, paths, given.checkpoint).result()
    print(f"list alone      {alone:6.0f} films a minute, {alone / rate:.2f} of the predictor alone")
    print(f"click on a pin  {behind:6.0f} ms while it is read, {behind / idle:.2f} of idle")
    print(f"open a film     {opening:6.2f} s while it is read, {opening / rest:.2f} of idle")
    if not still:
        print("The list was read before the films were opened: give more --films.")


if __name__ == "__main__":
    main()

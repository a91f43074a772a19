"""From a click to what it changes on the screen, in headless Chromium: pins, and regions.

    python -m tests.benchmarks.clicks [--checkpoint C] [--clicks 50] [--film FILE] [--regions 14]

Starts the real viewer on the bundled checkpoint, opens a bundled film, and clicks pins of changing
findings with 0 to 3 others pinned, one after the other: each click is timed inside the page, from
the event until the frame after the new reading and its map were drawn. It waits for the
explanation between clicks (a reader looks before the next pin); --hurry does not wait.

Regions: what the contour encloses, of one finding after the other, from the click to the number
without it and to the whole sentence, also in passes of the backbone in the same run. Last, how far
bfloat16, in which all but that number is read, is from full precision on the bundled films.
"""

from __future__ import annotations

import statistics
import time
from pathlib import Path

import numpy as np
from playwright.sync_api import Page

from lmeran.explain.region import Region, read_beside
from lmeran.findings import Pins, State
from lmeran.imaging.files import FILM_SUFFIXES, read_file
from lmeran.predictor import EncodedRadiograph, Predictor
from tests.conftest import ROOT
from tests.support.benchmarking import options, page_at
from tests.support.browsing import upload

EXAMPLES = ROOT / "assets" / "examples"
TIMED_CLICK = """([row, state]) => new Promise((resolve) => {
  const room = document.querySelector(".lm");
  const start = performance.now();
  const watcher = new MutationObserver(() => {
    if (room.dataset.pending) return;
    watcher.disconnect();
    requestAnimationFrame(() => requestAnimationFrame(() => resolve(performance.now() - start)));
  });
  document.querySelector(`tr[data-finding='${row}'] [data-state='${state}']`).click();
  watcher.observe(room, { attributes: true, attributeFilter: ["data-pending"] });
})"""

TIMED_REGION = """() => new Promise((resolve) => {
  const line = document.querySelector(".lm-without span"), start = performance.now(), times = [];
  const watcher = new MutationObserver(() => {
    if (!line.textContent.startsWith("Without")) return;
    times.push(performance.now() - start);
    if (line.textContent.includes("are being read")) return;
    watcher.disconnect();
    resolve(times);
  });
  watcher.observe(line, { childList: true });
  document.querySelectorAll(".lm-without button")[1].click();
  if (!line.textContent) resolve(null);
})"""
REGIONS_A_FILM = 8
PINNED: tuple[Pins, ...] = ({}, {"Effusion": State.POSITIVE, "Mass": State.NEGATIVE})


def region_times(page: Page, count: int) -> np.ndarray:
    """Milliseconds (N, 2) to the number without a finding's contour, and to the sentence; of those
    findings whose map has one."""
    times = []
    for _ in range(count):
        times.append(page.evaluate(TIMED_REGION))
        page.keyboard.press("ArrowDown")
    return np.array([found for found in times if found])


def backbone_ms(predictor: Predictor, film: EncodedRadiograph, rounds: int = 15) -> float:
    """Median of encoding one film."""
    spent = []
    for _ in range(rounds):
        start = time.perf_counter()
        predictor.encode_many(film.square[None], [(1, 1)])
        spent.append(1000 * (time.perf_counter() - start))
    return statistics.median(spent)


def rounding(predictor: Predictor, films: list[EncodedRadiograph]) -> np.ndarray:
    """Differences of probabilities in points, bfloat16 less full precision, of random regions."""
    rng, found = np.random.default_rng(0), []
    for film in films:
        for width, height, x, y in rng.random((REGIONS_A_FILM, 4)):
            wide, high = 0.08 + 0.32 * width, 0.08 + 0.32 * height
            left, top = x * (1 - wide), y * (1 - high)
            region = Region(left, top, left + wide, top + high)
            for pins in PINNED:
                quick, full = (
                    np.vstack([*read_beside(predictor, film, region, pins, bfloat16).values()])
                    for bfloat16 in (True, False)
                )
                found.append(100 * (quick - full))
    differences = np.concatenate(found)
    return np.abs(differences[np.isfinite(differences)])


def main() -> None:
    given = options(__doc__, checkpoint=None, film=None, clicks=50, hurry=False, regions=14)
    with page_at(given.checkpoint) as page:
        if given.film:
            upload(page, Path(given.film))
        times = []
        for click in range(given.clicks + 5):
            row, state = click % 4, 2 - (click // 4) % 3
            if not given.hurry:
                page.wait_for_selector(".lm-why:not(.lm-stale) .lm-figurehead")
            pinned = page.locator(f"tr[data-finding='{row}'] [data-state='{state}']")
            if pinned.get_attribute("aria-checked") == "true":
                continue
            elapsed = page.evaluate(TIMED_CLICK, [row, state])
            if click >= 5:
                times.append(elapsed)
        page.keyboard.press("Backspace")
        page.wait_for_selector(".lm-why:not(.lm-stale) .lm-figurehead")
        regions = region_times(page, given.regions)
    times.sort()
    print(f"{len(times)} clicks: median {statistics.median(times):.0f} ms, ", end="")
    print(f"95th percentile {times[int(0.95 * (len(times) - 1))]:.0f} ms, ", end="")
    print(f"largest {times[-1]:.0f} ms")
    predictor = Predictor.from_pretrained(given.checkpoint)
    paths = sorted(path for path in EXAMPLES.iterdir() if path.suffix in FILM_SUFFIXES)
    films = [predictor.encode(read_file(path)) for path in paths]
    backbone = backbone_ms(predictor, films[0])
    print(f"one pass of the backbone: {backbone:.0f} ms")
    for name, spent in zip(("number", "sentence"), np.median(regions, axis=0), strict=True):
        print(f"without a region, {name}: {spent:.0f} ms, {spent / backbone:.1f} passes")
    off = rounding(predictor, films)
    print(f"bfloat16 in {REGIONS_A_FILM * len(films)} regions: ", end="")
    print(f"at most {off.max():.2f} points off, mean {off.mean():.3f}")


if __name__ == "__main__":
    main()

"""A large film from its choice to the first reading on the screen, part by part.

    python -m tests.benchmarks.opening [--checkpoint C] [--side 3000] [--times 5]

Draws a 16-bit DICOM of side x side pixels (12 bits used, noisy, uncompressed) and measures, in one
run, what any viewer of this model would have to do (decode the file, one pass of the backbone),
what this one does besides, and in headless Chromium the whole way through the page, without a GPU.
Each part is the least of --times openings after a first one, since what else the machine does only
adds; the last column is its ratio to decoding plus backbone. The viewer's own share of the way is
what "chosen to first reading" has above 1.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from playwright.sync_api import Page

from app.payload.explanation import cam_facts
from app.payload.facts import reading_facts
from app.payload.packing import pack_values
from app.sessions import PrintPreview
from lmeran.hub import open_checkpoint
from lmeran.imaging.files import read_file
from lmeran.predictor import Predictor
from tests.benchmarks.canvas import large_film
from tests.support.benchmarking import options, page_at
from tests.support.browsing import press

WATCH = """() => {
  const at = { };
  window.openingTimes = at;
  document.addEventListener("change", () => { at.chosen = performance.now(); }, true);
}"""
OPENED = """() => new Promise((resolve) => requestAnimationFrame(() => requestAnimationFrame(() => {
  const at = window.openingTimes, end = performance.now();
  const of = (part) => performance.getEntriesByType("resource")
    .filter((e) => e.name.includes(part)).at(-1);
  const answer = of("lmeran/films"), film = of("lmeran/film/");
  performance.clearResourceTimings();
  resolve({ "sent, read and answered": answer.responseEnd - at.chosen,
            "film's values sent": film.responseEnd - answer.responseEnd,
            "unpacked and drawn": end - film.responseEnd,
            "chosen to first reading": end - at.chosen });
})))"""


def server_parts(predictor: Predictor, path: Path, times: int) -> dict[str, float]:
    """Least milliseconds of each thing that `ReadingService.open_film` does."""
    film = read_file(path)
    encoded = predictor.encode(film)
    reading = predictor.read(encoded, {})
    parts: dict[str, Callable[[], Any]] = {
        "decode the file": lambda: read_file(path),
        "backbone": lambda: predictor.encode(film),
        "pack the values": lambda: pack_values(film.values.codes),
        "picture for reports": lambda: PrintPreview.of(film),
        "label branch": lambda: predictor.read(encoded, {}),
        "maps": lambda: [
            reading_facts(reading, reading.maps(free=True), reading.maps()),
            cam_facts(predictor, encoded),
        ],
    }
    return {name: least_ms(part, times) for name, part in parts.items()}


def least_ms(act: Callable[[], Any], times: int) -> float:
    spent = []
    for _ in range(times):
        begun = time.perf_counter()
        act()
        spent.append(1000 * (time.perf_counter() - begun))
    return min(spent)


def page_parts(page: Page, path: Path, times: int) -> dict[str, float]:
    """Least milliseconds of each step of the page."""
    page.evaluate(WATCH)
    runs: list[dict[str, float]] = []
    for _ in range(times + 1):
        page.set_input_files(".lm-file", path)
        page.wait_for_selector(".lm[data-state=open]")
        page.wait_for_function("() => document.querySelector('.lm-free').textContent.includes('%')")
        runs.append(page.evaluate(OPENED))
        page.wait_for_selector(".lm-why:not(.lm-stale) .lm-figurehead")
        press(page, "File", "Forget film")
        page.wait_for_selector(".lm[data-state=empty]")
    return {name: min(run[name] for run in runs[1:]) for name in runs[0]}


def main() -> None:
    given = options(__doc__, checkpoint=None, side=3000, times=5)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "film.dcm"
        path.write_bytes(large_film(given.side))
        size = path.stat().st_size / 2**20
        print(f"{size:.1f} MB, {given.side} x {given.side} pixels", flush=True)
        parts = server_parts(Predictor(open_checkpoint(given.checkpoint)), path, given.times)
        bare = parts["decode the file"] + parts["backbone"]
        show(parts, bare)
        with page_at(given.checkpoint, "--films-per-minute", "0", examples=False) as page:
            show(page_parts(page, path, given.times), bare)


def show(parts: dict[str, float], bare: float) -> None:
    for name, spent in parts.items():
        print(f"{name:26}{spent:8.0f} ms {spent / bare:7.2f}", flush=True)


if __name__ == "__main__":
    main()

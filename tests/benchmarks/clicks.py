"""From a click on a pin to all numbers and the map changed, in headless Chromium.

    python -m tests.benchmarks.clicks [--checkpoint C] [--clicks 50] [--film FILE]

Starts the real viewer on the bundled checkpoint, opens a bundled film, and clicks pins of changing
findings with 0 to 3 others pinned, one after the other: each click is timed inside the page, from
the event until the frame after the new reading and its map were drawn. It waits for the
explanation between clicks (a reader looks before the next pin); --hurry does not wait.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
from pathlib import Path

from playwright.sync_api import sync_playwright

from tests.support.browsing import CHROMIUM, FLAGS, upload
from tests.support.serving import running_viewer

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


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--checkpoint")
    parser.add_argument("--film", type=Path)
    parser.add_argument("--clicks", type=int, default=50)
    parser.add_argument("--hurry", action="store_true")
    given = parser.parse_args()
    arguments = ["--checkpoint", given.checkpoint] if given.checkpoint else []
    with (
        tempfile.TemporaryDirectory() as folder,
        running_viewer(Path(folder) / "viewer", *arguments, examples=True) as viewer,
        sync_playwright() as playwright,
    ):
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=list(FLAGS))
        page = browser.new_page(viewport={"width": 1440, "height": 900})
        page.goto(viewer.url)
        page.wait_for_selector(".lm[data-ready]")
        page.wait_for_selector(".lm[data-state=open]")
        if given.film:
            upload(page, given.film)
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
        browser.close()
    times.sort()
    print(f"{len(times)} clicks: median {statistics.median(times):.0f} ms, ", end="")
    print(f"95th percentile {times[int(0.95 * (len(times) - 1))]:.0f} ms, ", end="")
    print(f"largest {times[-1]:.0f} ms")


if __name__ == "__main__":
    main()

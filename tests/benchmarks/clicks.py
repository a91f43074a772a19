"""From a click on a pin to all numbers and the map changed, in headless Chromium.

    python -m tests.benchmarks.clicks [--checkpoint C] [--clicks 50] [--film FILE]

Starts the real viewer on the bundled checkpoint, opens a bundled film, and clicks pins of changing
findings with 0 to 3 others pinned, one after the other: each click is timed inside the page, from
the event until the frame after the new reading and its map were drawn. It waits for the
explanation between clicks (a reader looks before the next pin); --hurry does not wait.
"""

from __future__ import annotations

import statistics
from pathlib import Path

from tests.support.benchmarking import options, page_at
from tests.support.browsing import upload

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
    given = options(__doc__, checkpoint=None, film=None, clicks=50, hurry=False)
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
    times.sort()
    print(f"{len(times)} clicks: median {statistics.median(times):.0f} ms, ", end="")
    print(f"95th percentile {times[int(0.95 * (len(times) - 1))]:.0f} ms, ", end="")
    print(f"largest {times[-1]:.0f} ms")


if __name__ == "__main__":
    main()

"""The first sight of the page: how large the film is, and what comes before the first pin.

    python -m tests.benchmarks.screen [--checkpoint C] [--pictures FOLDER]

Starts the real viewer with its bundled films, waits until one is open in headless Chromium at four
sizes, and prints the film's share of the window's height, the controls seen outside the table (a
menu is one), the words seen outside the table, the clicks to the first pin, and the serious
violations that axe-core finds in either look. --pictures also keeps the screens.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page

from tests.support.benchmarking import browser_at, options

SIZES = ((1440, 900), (1366, 768), (1920, 1080), (390, 844))
SEEN = """() => {
  const seen = (box) => box.width && box.height && box.top < innerHeight && box.left < innerWidth;
  const outside = (e) => !e.closest(".lm-table, .lm-sr, script");
  const controls = [...document.querySelectorAll(".lm :is(button, select, input, summary)")]
    .filter((e) => outside(e) && e.checkVisibility() && seen(e.getBoundingClientRect()));
  const walk = document.createTreeWalker(document.querySelector(".lm"), NodeFilter.SHOW_TEXT);
  let words = 0;
  for (let node = walk.nextNode(); node; node = walk.nextNode()) {
    const range = document.createRange();
    range.selectNodeContents(node);
    const e = node.parentElement, isShown = outside(e) && !e.closest("option")
      && e.checkVisibility() && [...range.getClientRects()].some(seen);
    if (isShown) words += (node.data.match(/\\S+/g) ?? []).length;
  }
  const film = document.querySelector(".lm-first > canvas").getBoundingClientRect();
  return { controls: controls.length, words,
           film: (Math.min(film.bottom, innerHeight) - Math.max(film.top, 0)) / innerHeight };
}"""


def first_sight(browser: Browser, url: str, size: tuple[int, int], pictures: Path | None) -> str:
    """One line of the table."""
    is_phone = size[0] < 500
    context = browser.new_context(
        viewport={"width": size[0], "height": size[1]}, has_touch=is_phone, is_mobile=is_phone
    )
    page = context.new_page()
    page.goto(url)
    page.wait_for_selector(".lm[data-state=open] .lm-figurehead")
    found: dict[str, Any] = page.evaluate(SEEN)
    clicks = 1 if page.locator(".lm-try").is_visible() else 2
    serious = {look: serious_violations(page, look) for look in ("dark", "light")}
    for look in serious if pictures else ():
        page.emulate_media(color_scheme=look)
        page.screenshot(path=pictures / f"{size[0]}-{look}.png")
    context.close()
    return (
        f"{size[0]:4} x {size[1]:4}  {found['film']:5.0%}  {found['controls']:8}"
        f"  {found['words']:5}  {clicks:6}  {sum(serious.values()):7}"
    )


def serious_violations(page: Page, look: str) -> int:
    page.emulate_media(color_scheme=look)
    found = Axe().run(page).response["violations"]
    return sum(violation["impact"] in ("serious", "critical") for violation in found)


def main() -> None:
    given = options(__doc__, checkpoint=None, pictures=None)
    pictures = given.pictures and Path(given.pictures)
    with browser_at(given.checkpoint) as (browser, url):
        print("window        film  controls  words  clicks  serious")
        for size in SIZES:
            print(first_sight(browser, url, size, pictures))


if __name__ == "__main__":
    main()

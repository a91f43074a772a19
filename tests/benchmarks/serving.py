"""Cold start, navigation and memory of the viewer, and many readers at once.

    python -m tests.benchmarks.serving [--checkpoint C] [--readers 20]

Prints the seconds from starting `app.py` to a page that answers, the milliseconds from navigation
to a usable page in headless Chromium, and what readers get who each open three films of their own
and pin each five times, all at once: how many answers are not those of the predictor for that film
and those pins, and the memory of the viewer's process (Linux: VmRSS, VmHWM) before, with and after.
"""

from __future__ import annotations

import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import cv2
import httpx
import numpy as np
from playwright.sync_api import sync_playwright

from lmeran.findings import FINDINGS, Pins, State
from lmeran.hub import open_checkpoint
from lmeran.imaging.files import read_bytes
from lmeran.predictor import Predictor
from tests.conftest import film_pixels
from tests.support.benchmarking import options
from tests.support.browsing import CHROMIUM, FLAGS
from tests.support.serving import Viewer, running_viewer, session

FILMS, PINS = 3, 5
TOLERANCE = 1e-5
"""Between probabilities that are sent with six decimals; two films differ by far more."""

WATCH = """new MutationObserver((_, watcher) => {
  if (!document.querySelector(".lm[data-ready]")) return;
  watcher.disconnect();
  window.readyAfter = performance.now();
}).observe(document, { subtree: true, childList: true, attributes: true });"""


def memory(viewer: Viewer) -> str:
    """Present and largest resident memory of the viewer's process."""
    status = Path(f"/proc/{viewer.process.pid}/status").read_text()
    fields = dict(line.split(":", 1) for line in status.splitlines() if ":" in line)
    now, peak = (int(fields[name].split()[0]) / 1024 for name in ("VmRSS", "VmHWM"))
    return f"{now:6.0f} MB now, {peak:6.0f} MB at most"


def navigation(viewer: Viewer, times: int = 5) -> list[float]:
    """Milliseconds to a page that is ready, in a fresh browser profile each."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=list(FLAGS))
        spent = []
        for _ in range(times):
            page = browser.new_context().new_page()
            page.add_init_script(WATCH)
            page.goto(f"{viewer.url}/")
            spent.append(page.wait_for_function("window.readyAfter").json_value())
            page.context.close()
        browser.close()
    return sorted(spent)


def film_of(reader: int, film: int) -> bytes:
    pixels = film_pixels(512, 448, seed=FILMS * reader + film)
    return cv2.imencode(".png", pixels)[1].tobytes()


def pins_of(reader: int, film: int, count: int) -> Pins:
    """The first `count` pins that a reader sets on a film, one after the other."""
    findings = np.random.default_rng([reader, film]).permutation(FINDINGS)[:count]
    return {str(f): State.POSITIVE if k % 2 else State.NEGATIVE for k, f in enumerate(findings)}


def read(viewer: Viewer, reader: int) -> list[list[float | None]]:
    """A reader opens films and pins them; the answers in turn. Leaves at the end."""
    answers = []
    headers = session(f"reader-{reader}")
    with httpx.Client(base_url=f"{viewer.url}/lmeran", headers=headers, timeout=600) as client:
        for film in range(FILMS):
            opened = client.post("/films", content=film_of(reader, film)).raise_for_status().json()
            for count in range(1, PINS + 1):
                pins = pins_of(reader, film, count)
                states = [int(pins.get(f, State.UNKNOWN)) for f in FINDINGS]
                asked = {"token": opened["token"], "pins": states}
                answer = client.post("/pins", json=asked).raise_for_status().json()
                answers.append(answer["conditioned"])
    return answers


def expected(predictor: Predictor, reader: int) -> list[np.ndarray]:
    films = [predictor.encode(read_bytes(film_of(reader, film))) for film in range(FILMS)]
    return [
        predictor.read(encoded, pins_of(reader, film, count)).conditioned
        for film, encoded in enumerate(films)
        for count in range(1, PINS + 1)
    ]


def main() -> None:
    given = options(__doc__, checkpoint=None, readers=20)
    arguments = ["--films-per-minute", "0"]
    arguments += ["--checkpoint", given.checkpoint] if given.checkpoint else []
    with tempfile.TemporaryDirectory() as folder:
        start = time.monotonic()
        with running_viewer(Path(folder) / "viewer", *arguments, examples=True) as viewer:
            print(f"cold start      {time.monotonic() - start:5.1f} s")
            times = navigation(viewer)
            print(f"navigation      {times[len(times) // 2]:5.0f} ms, at most {times[-1]:.0f} ms")
            print(f"after start     {memory(viewer)}", flush=True)
            begun = time.monotonic()
            with ThreadPoolExecutor(given.readers) as pool:
                answers = list(pool.map(partial(read, viewer), range(given.readers)))
            spent = time.monotonic() - begun
            print(f"with readers    {memory(viewer)}", flush=True)
            for reader in range(given.readers):
                headers = session(f"reader-{reader}")
                httpx.delete(f"{viewer.url}/lmeran/session", headers=headers).raise_for_status()
            print(f"after readers   {memory(viewer)}")
    predictor = Predictor(open_checkpoint(given.checkpoint))
    wrong = sum(
        not np.allclose(np.array(answer, float), wanted, atol=TOLERANCE, equal_nan=True)
        for reader, of_reader in enumerate(answers)
        for answer, wanted in zip(of_reader, expected(predictor, reader), strict=True)
    )
    films = given.readers * FILMS
    print(f"{given.readers} readers, {films} films, {films * PINS} pins in {spent:.0f} s: ", end="")
    print(f"{wrong} answers of another film or other pins")


if __name__ == "__main__":
    main()

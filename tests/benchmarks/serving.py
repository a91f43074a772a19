"""Cold start and memory of the viewer.

    python -m tests.benchmarks.serving [--checkpoint C] [--films 100]

Prints the seconds from starting `app.py` to a page that answers, and the memory of its process
(Linux: VmRSS, VmHWM) after the start, after the first film and after many films of many readers.
"""

from __future__ import annotations

import tempfile
import time
from pathlib import Path

import httpx

from app.page import SESSION
from tests.support.benchmarking import options
from tests.support.serving import Viewer, running_viewer


def memory(viewer: Viewer) -> str:
    """Present and largest resident memory of the viewer's process."""
    status = Path(f"/proc/{viewer.process.pid}/status").read_text()
    fields = dict(line.split(":", 1) for line in status.splitlines() if ":" in line)
    now, peak = (int(fields[name].split()[0]) / 1024 for name in ("VmRSS", "VmHWM"))
    return f"{now:6.0f} MB now, {peak:6.0f} MB at most"


def open_example(viewer: Viewer, position: int, reader: str) -> None:
    headers = {SESSION: reader.ljust(32, "-")}
    address = f"{viewer.url}/lmeran/examples/{position}"
    httpx.post(address, headers=headers, timeout=60).raise_for_status()


def main() -> None:
    given = options(__doc__, checkpoint=None, films=100)
    arguments = ["--films-per-minute", "0"]
    arguments += ["--checkpoint", given.checkpoint] if given.checkpoint else []
    with tempfile.TemporaryDirectory() as folder:
        start = time.monotonic()
        with running_viewer(Path(folder) / "viewer", *arguments) as viewer:
            print(f"cold start      {time.monotonic() - start:5.1f} s")
            print(f"after start     {memory(viewer)}")
            begun = time.monotonic()
            open_example(viewer, 0, "first")
            print(f"first film      {time.monotonic() - begun:5.1f} s")
            print(f"after one film  {memory(viewer)}")
            begun = time.monotonic()
            for film in range(given.films):
                open_example(viewer, film % 6, f"reader-{film // 10}")
            each = (time.monotonic() - begun) / given.films
            print(f"after {given.films:>3} more  {memory(viewer)}, {each:.2f} s a film")


if __name__ == "__main__":
    main()

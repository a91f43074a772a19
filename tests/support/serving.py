"""A running viewer for tests: the real `app.py` in a process of its own."""

from __future__ import annotations

import contextlib
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tests.conftest import ROOT


@dataclass(frozen=True)
class Viewer:
    """url: without trailing slash; temp: the TMPDIR it was given; log: what it printed."""

    url: str
    temp: Path
    log: Path
    process: subprocess.Popen[bytes]


@contextlib.contextmanager
def running_viewer(
    folder: Path, *arguments: str, examples: bool = False, **environment: str
) -> Iterator[Viewer]:
    """Start `app.py` on a free port with its own TMPDIR under `folder`; stop it politely.

    examples: with the bundled films, of which the page opens one by itself. environment: variables
    to set besides.
    """
    temp, log = folder / "tmp", folder / "log.txt"
    temp.mkdir(parents=True)
    if not examples:
        (folder / "no_films").mkdir()
        arguments = ("--examples", str(folder / "no_films"), *arguments)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with log.open("wb") as stream:
        process = subprocess.Popen(
            [sys.executable, "app.py", "--port", str(port), *arguments],
            cwd=ROOT,
            env={**os.environ, "TMPDIR": str(temp), **environment},
            stdout=stream,
            stderr=subprocess.STDOUT,
        )
    viewer = Viewer(f"http://127.0.0.1:{port}", temp, log, process)
    try:
        _wait_until_ready(viewer)
        yield viewer
    finally:
        process.terminate()
        process.wait(30)


def _wait_until_ready(viewer: Viewer, seconds: float = 120) -> None:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if viewer.process.poll() is not None:
            raise RuntimeError(viewer.log.read_text())
        # Said once all of the page answers, also where one has to sign in first.
        if "LMeRAN viewer at" in viewer.log.read_text():
            return
        time.sleep(0.3)
    raise TimeoutError(viewer.log.read_text())

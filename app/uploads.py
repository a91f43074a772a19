"""Files that readers upload: removed as soon as they have been read.

Gradio stores an upload under the hash of its content and its name. The page sends every file under
a fresh name, so that its path is its own and can go at once (and no name that may be a patient's
ever reaches the disk). Clients of the API send names of their own: the same film sent twice shares
a path, so it stays a few seconds for those still waiting in the queue.
"""

from __future__ import annotations

import contextlib
import re
import threading
import time
from collections.abc import Callable
from pathlib import Path

SHARED_SECONDS = 15.0
EMPTY_SECONDS = 60.0
ORPHAN_SECONDS = 15 * 60.0
"""A file so old was sent, but never asked to be read."""
SWEEP_SECONDS = 5.0
_FRESH = re.compile(r"(film|prior)-[0-9a-f]{36}")
"""Names that the page gives (`static/files.js`)."""


class Uploads:
    """The uploads in `folder`, and which of them are due to go."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._lock = threading.Lock()
        self._due: dict[Path, float] = {}

    def discard(self, path: str | None) -> None:
        """An upload has been read. A path outside the folder is left alone."""
        if path is None or self.folder not in Path(path).parents:
            return
        if _FRESH.fullmatch(Path(path).name):
            self._remove(Path(path))
            return
        with self._lock:
            self._due[Path(path)] = time.monotonic() + SHARED_SECONDS

    def sweep(self) -> None:
        """Remove what is due, the empty files Gradio leaves for each upload it hands over, and
        files that nobody came back for."""
        now = time.monotonic()
        with self._lock:
            due = [path for path, when in self._due.items() if when <= now]
            for path in due:
                del self._due[path]
        for path in due:
            self._remove(path)
        files: list[Path] = []
        with contextlib.suppress(OSError):  # a folder went meanwhile
            files = [path for path in self.folder.rglob("*") if path.is_file()]
        for file in files:
            with contextlib.suppress(OSError):
                facts = file.stat()
                most = ORPHAN_SECONDS if facts.st_size else EMPTY_SECONDS
                if time.time() - facts.st_mtime > most:
                    self._remove(file)

    def _remove(self, upload: Path) -> None:
        """The file, and the folder made for it."""
        with contextlib.suppress(OSError):
            upload.unlink(missing_ok=True)
            if upload.parent != self.folder:
                upload.parent.rmdir()


def sweep_forever(*sweeps: Callable[[], None]) -> None:
    """Call these in the background, again and again, for as long as the program runs."""

    def loop() -> None:
        while True:
            time.sleep(SWEEP_SECONDS)
            for sweep in sweeps:
                sweep()

    threading.Thread(target=loop, name="sweep", daemon=True).start()


def is_prior(path: str) -> bool:
    """Whether the page sent this upload as an earlier film, to be seen beside the open one."""
    fresh = _FRESH.fullmatch(Path(path).name)
    return fresh is not None and fresh[1] == "prior"

"""What a reader may do here and how much of it: files or only examples, and how many films."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Any

from app.rates import SlidingWindow, in_words
from lmeran.imaging.radiograph import MAX_FILE_BYTES, MAX_PIXELS, ReadError

IDLE_SECONDS = 30 * 60
FILMS_PER_MINUTE = 60
ADDRESS_SHARE = 2
"""What one address may open, in what one reader may: readers behind one proxy share theirs."""

DEMO = (
    "This is a demonstration: it reads the bundled films only and takes no files; "
    "run the program on your own machine to read yours."
)


class Rules:
    """The same rules for all readers, and who has used up what they allow.

    demo: only the bundled films, no files; films_per_minute: that one reader may open, 0: any
    number; idle_seconds: how long a film is held unused; user: whether readers sign in.
    """

    def __init__(
        self,
        demo: bool = False,
        films_per_minute: int = FILMS_PER_MINUTE,
        idle_seconds: float = IDLE_SECONDS,
        user: bool = False,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.demo = demo
        self.films_per_minute = films_per_minute
        self.idle_seconds = idle_seconds
        self.user = user
        shared = ADDRESS_SHARE * films_per_minute
        self._lock = threading.Lock()
        self._readers = SlidingWindow(films_per_minute, 60, clock)
        self._addresses = SlidingWindow(shared, 60, clock)
        self._uploads = SlidingWindow(shared, 60, clock)

    def file(self) -> None:
        """A reader wants a file of their own read. Raises `ReadError` in a demonstration."""
        if self.demo:
            raise ReadError(DEMO)

    def opening(self, reader: str, address: str) -> None:
        """A film is to be read for a reader. Raises `ReadError` where that is too often."""
        with self._lock:
            wait = max(self._readers.wait(reader), self._addresses.wait(address))
            if wait:
                raise ReadError(self._too_often(wait))
            self._readers.count(reader)
            self._addresses.count(address)

    def upload(self, address: str) -> str | None:
        """Bytes are about to come: the sentence that refuses them, or None."""
        if self.demo:
            return DEMO
        with self._lock:
            wait = self._uploads.wait(address)
            if not wait:
                self._uploads.count(address)
        return self._too_often(wait) if wait else None

    def facts(self) -> dict[str, Any]:
        """For the page, which says them."""
        return {
            "demo": self.demo,
            "user": self.user,
            "filmsPerMinute": self.films_per_minute,
            "idleSeconds": self.idle_seconds,
            "maxBytes": MAX_FILE_BYTES,
            "maxPixels": MAX_PIXELS,
        }

    def _too_often(self, wait: float) -> str:
        return (
            f"Too many films in a short time (the limit is {self.films_per_minute} a minute); "
            f"try again in {in_words(wait)}."
        )

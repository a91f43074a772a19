"""What a reader may do here and how much of it: files or only examples, and how many films."""

from __future__ import annotations

import math
import threading
import time
from collections import OrderedDict, deque
from collections.abc import Callable
from typing import Any

from lmeran.imaging.radiograph import MAX_FILE_BYTES, MAX_PIXELS, ReadError

IDLE_SECONDS = 30 * 60
FILMS_PER_MINUTE = 60
ADDRESS_SHARE = 2
"""What one address may open, in what one reader may: readers behind one proxy share theirs."""

DEMO = (
    "This is a demonstration: it reads the bundled films only and takes no files; "
    "run the program on your own machine to read yours."
)


class QuotaError(ReadError):
    """What is not done now, in a sentence; the file may be good."""


class SlidingWindow:
    """At most `limit` uses of each name within `seconds`; limit 0: as many as wanted."""

    def __init__(
        self, limit: int, seconds: float, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self.limit = limit
        self.seconds = seconds
        self._clock = clock
        self._lock = threading.Lock()
        # The name used last comes last, so that those long unused are at the front.
        self._uses: OrderedDict[str, deque[float]] = OrderedDict()

    def __len__(self) -> int:
        with self._lock:
            self._expire()
            return len(self._uses)

    def wait(self, name: str) -> float:
        """Seconds until the name may be used again, 0 where it may now."""
        if not self.limit:
            return 0.0
        with self._lock:
            self._expire()
            uses = self._uses.get(name, ())
            if len(uses) < self.limit:
                return 0.0
            return max(0.0, uses[-self.limit] + self.seconds - self._clock())

    def count(self, name: str) -> None:
        """The name has been used now."""
        if not self.limit:
            return
        with self._lock:
            self._expire()
            # More uses than the limit tell nothing more.
            uses = self._uses.setdefault(name, deque(maxlen=self.limit))
            uses.append(self._clock())
            self._uses.move_to_end(name)

    def _expire(self) -> None:
        oldest = self._clock() - self.seconds
        while self._uses and next(iter(self._uses.values()))[-1] <= oldest:
            self._uses.popitem(last=False)


def in_words(seconds: float) -> str:
    """A time to wait, as a reader says it."""
    if seconds > 90:
        return f"{math.ceil(seconds / 60)} minutes"
    whole = max(1, math.ceil(seconds))
    return f"{whole} second{'' if whole == 1 else 's'}"


class Quotas:
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

    def file(self) -> None:
        """A reader wants a file of their own read. Raises `QuotaError` in a demonstration."""
        if self.demo:
            raise QuotaError(DEMO)

    def opening(self, reader: str, address: str) -> None:
        """A film is to be read for a reader. Raises `QuotaError` where that is too often."""
        with self._lock:
            wait = max(self._readers.wait(reader), self._addresses.wait(address))
            if wait:
                raise QuotaError(
                    f"Too many films in a short time (the limit is {self.films_per_minute} a "
                    f"minute); try again in {in_words(wait)}."
                )
            self._readers.count(reader)
            self._addresses.count(address)

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

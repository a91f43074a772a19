"""How often something may be done: a limit for each name over a sliding window."""

from __future__ import annotations

import math
import threading
import time
from collections import OrderedDict, deque
from collections.abc import Callable


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

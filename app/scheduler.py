"""Whose film is read next: one at a time, and what a reader waits for before what runs behind."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager


class Scheduler:
    """Reading a film takes all cores and much memory, so nobody gains from two at once."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._busy = False
        self._waiting = 0  # readers who wait for a film they opened

    @contextmanager
    def first(self) -> Iterator[None]:
        """The turn of a film that a reader has opened: before all that is in the background."""
        with self._changed:
            self._waiting += 1
            self._changed.wait_for(lambda: not self._busy)
            self._waiting -= 1
            self._busy = True
        try:
            yield
        finally:
            self._end()

    @contextmanager
    def background(self) -> Iterator[None]:
        """The turn of a film that nobody is looking at yet."""
        with self._changed:
            self._changed.wait_for(lambda: not self._busy and not self._waiting)
            self._busy = True
        try:
            yield
        finally:
            self._end()

    def _end(self) -> None:
        with self._changed:
            self._busy = False
            self._changed.notify_all()

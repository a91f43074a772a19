"""One user's name and password, and the browsers that have given them."""

from __future__ import annotations

import hashlib
import hmac
import secrets
import threading
import time
from collections.abc import Callable

from app.rates import SlidingWindow, in_words

IDLE_SECONDS = 12 * 3600
"""A browser that asks for nothing so long has to sign in again."""

TRIES = 5
TRIES_SECONDS = 5 * 60
"""So many failed tries of one address within this time, then none is looked at."""

MOST = 1000
"""Browsers signed in at a time; the one unused longest has to sign in again."""


class LoginError(ValueError):
    """Not let in: one sentence. `wait`: seconds, where there were too many tries."""

    def __init__(self, message: str, wait: float = 0.0) -> None:
        super().__init__(message)
        self.wait = wait


class Logins:
    """Who may come in. The password itself is not kept, nor ever logged."""

    def __init__(
        self, user: str, password: str, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._key = secrets.token_bytes(32)
        self._expected = self._digest(user, password)
        self._failures = SlidingWindow(TRIES, TRIES_SECONDS, clock)
        self._known: dict[str, float] = {}

    def enter(self, user: str, password: str, address: str) -> str:
        """A token for a browser. Raises `LoginError` on a wrong pair, or too many of them."""
        with self._lock:
            wait = self._failures.wait(address)
            if wait:
                raise LoginError(f"Too many failed tries; try again in {in_words(wait)}.", wait)
            # Digests of one length, compared in constant time: neither says how near a try was.
            if not hmac.compare_digest(self._digest(user, password), self._expected):
                self._failures.count(address)
                raise LoginError("Name or password is wrong; try again.")
            if len(self._known) >= MOST:
                del self._known[min(self._known, key=lambda known: self._known[known])]
            token = secrets.token_urlsafe(32)
            self._known[token] = self._clock()
            return token

    def knows(self, token: str) -> bool:
        """Whether a browser is signed in; being asked for keeps it so."""
        with self._lock:
            seen = self._known.get(token)
            if seen is None:
                return False
            if self._clock() - seen > IDLE_SECONDS:
                del self._known[token]
                return False
            self._known[token] = self._clock()
            return True

    def leave(self, token: str) -> None:
        """Sign a browser out."""
        with self._lock:
            self._known.pop(token, None)

    def _digest(self, user: str, password: str) -> bytes:
        pair = f"{len(user)} {user} {password}".encode(errors="surrogatepass")
        return hmac.digest(self._key, pair, hashlib.sha256)

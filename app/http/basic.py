"""Signing in by HTTP Basic authentication (RFC 7617), for all of the viewer."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import secrets
import threading
import time
from collections.abc import Callable

from app.quotas import SlidingWindow, in_words

CHALLENGE = 'Basic realm="LMeRAN viewer", charset="UTF-8"'
SIGN_IN = "Sign in first: open the viewer's page."

TRIES = 5
TRIES_SECONDS = 5 * 60
"""So many failed tries of one address within this time, then none is looked at."""


class SignInError(ValueError):
    """Not let in: one sentence. `wait`: seconds, where there were too many tries."""

    def __init__(self, message: str, wait: float = 0.0) -> None:
        super().__init__(message)
        self.wait = wait


class BasicCredentials:
    """Who may come in. The password itself is not kept, nor ever logged."""

    def __init__(
        self, user: str, password: str, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._lock = threading.Lock()
        self._key = secrets.token_bytes(32)
        self._expected = self._digest(f"{user}:{password}".encode())
        self._failures = SlidingWindow(TRIES, TRIES_SECONDS, clock)

    def check(self, header: str | None, address: str) -> None:
        """Raises `SignInError` without the right name and password, or after too many tries."""
        if not header:
            raise SignInError(SIGN_IN)
        with self._lock:
            wait = self._failures.wait(address)
            if wait:
                raise SignInError(f"Too many failed tries; try again in {in_words(wait)}.", wait)
            # Digests of one length, compared in constant time: neither says how near a try was.
            if not hmac.compare_digest(self._digest(_pair(header)), self._expected):
                self._failures.count(address)
                raise SignInError("Name or password is wrong; try again.")

    def _digest(self, pair: bytes) -> bytes:
        return hmac.digest(self._key, pair, hashlib.sha256)


def _pair(header: str) -> bytes:
    """NAME:PASSWORD of an Authorization header; nothing of another one."""
    scheme, _, encoded = header.partition(" ")
    if scheme.lower() != "basic":
        return b""
    try:
        return base64.b64decode(encoded.strip(), validate=True)
    except (binascii.Error, ValueError):
        return b""

"""Bodies of requests into memory: each of so many bytes at most, all together too, and none for
longer than it takes to send them."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator

from starlette.types import Receive

SILENT_SECONDS = 15.0
"""A sender that is silent so long is given up."""

SLOWEST = 32 * 1024
"""Bytes a second that a sender must reach, after the first `SILENT_SECONDS`."""

PLACE_SECONDS = 60.0
"""How long a body waits until there is room for it."""

TOO_LARGE = "What was sent is larger than the limit of {} MB; send one film."
TOO_SLOW = "What was sent took too long to arrive; try it again."
NO_ROOM = "Too much is being sent to this program at the moment; try again."


class BodyError(Exception):
    """A body that is not taken: a status of HTTP and one sentence."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


class Disconnected(Exception):  # noqa: N818  (nobody is left to be told)
    """The sender has gone."""


class Arrivals:
    """Room for bodies: `room` bytes for all that arrive or wait to be answered."""

    def __init__(self, room: int, silent: float = SILENT_SECONDS, wait: float = PLACE_SECONDS):
        self.room = room
        self.free = room
        self._silent = silent
        self._wait = wait
        self._first_come = asyncio.Lock()
        self._changed = asyncio.Condition()

    @contextlib.asynccontextmanager
    async def body(self, receive: Receive, declared: int | None, most: int) -> AsyncIterator[bytes]:
        """The body, which has its room until the request is answered.

        declared: its length as its header says, None where it does not. Raises `BodyError`, and
        `Disconnected`.
        """
        if declared == 0 or most == 0:
            yield b""
            return
        if declared is not None and declared > most:
            raise BodyError(413, TOO_LARGE.format(round(most / 2**20, 1)))
        size = most if declared is None else declared
        await self._take(size)
        try:
            yield await self._arrived(receive, min(size, most))
        finally:
            async with self._changed:
                self.free += size
                self._changed.notify_all()

    async def _take(self, size: int) -> None:
        try:
            async with asyncio.timeout(self._wait), self._first_come, self._changed:
                await self._changed.wait_for(lambda: self.free >= size)
                self.free -= size
        except TimeoutError:
            raise BodyError(503, NO_ROOM) from None

    async def _arrived(self, receive: Receive, most: int) -> bytes:
        parts: list[bytes] = []
        length, begun, more = 0, time.monotonic(), True
        while more:
            try:
                async with asyncio.timeout(self._silent):
                    message = await receive()
            except TimeoutError:
                raise BodyError(408, TOO_SLOW) from None
            if message["type"] == "http.disconnect":
                raise Disconnected
            parts.append(message.get("body", b""))
            length += len(parts[-1])
            more = message.get("more_body", False)
            if length > most:
                raise BodyError(413, TOO_LARGE.format(round(most / 2**20, 1)))
            if more and time.monotonic() - begun > self._silent + length / SLOWEST:
                raise BodyError(408, TOO_SLOW)
        return b"".join(parts)

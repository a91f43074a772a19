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

PLACE_SECONDS = 5.0
"""How long a body waits for room; then it gives its own back to the others."""

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
    """Room for bodies: `room` bytes of all that arrive or wait to be answered.

    A body takes its room as it comes, so that whoever sends nothing holds nothing.
    """

    def __init__(self, room: int, silent: float = SILENT_SECONDS, wait: float = PLACE_SECONDS):
        self.free = room
        self._silent = silent
        self._wait = wait
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
            raise _too_large(most)
        parts: list[bytes] = []
        try:
            await self._fill(parts, receive, most)
            whole = b"".join(parts)
            parts[:] = [whole]
            yield whole
        finally:
            async with self._changed:
                self.free += sum(map(len, parts))
                self._changed.notify_all()

    async def _fill(self, parts: list[bytes], receive: Receive, most: int) -> None:
        """Add what arrives to the parts, each of which has its room."""
        length, begun, more = 0, time.monotonic(), True
        while more:
            try:
                async with asyncio.timeout(self._silent):
                    message = await receive()
            except TimeoutError:
                raise BodyError(408, TOO_SLOW) from None
            if message["type"] == "http.disconnect":
                raise Disconnected
            part, more = message.get("body", b""), message.get("more_body", False)
            length += len(part)
            if length > most:
                raise _too_large(most)
            if more and time.monotonic() - begun > self._silent + length / SLOWEST:
                raise BodyError(408, TOO_SLOW)
            await self._take(len(part))
            parts.append(part)

    async def _take(self, size: int) -> None:
        try:
            async with asyncio.timeout(self._wait), self._changed:
                await self._changed.wait_for(lambda: self.free >= size)
                self.free -= size
        except TimeoutError:
            raise BodyError(503, NO_ROOM) from None


def _too_large(most: int) -> BodyError:
    return BodyError(413, TOO_LARGE.format(round(most / 2**20, 1)))

"""Films of a reader's worklist: bytes in, a row or an open film out, and nothing kept of a row.

The page keeps the list and the files (`static/worklist/worklist.js`); zips are unpacked there too,
so that no name in them is ever sent and no store of zips is needed here. A file comes as the body
of a request to a route of our own and not through Gradio's upload: it never touches the disk,
hundreds of them do not pass through Gradio's queue where pins wait, and the answer comes back to
the row it is of.

Who asks is told by a ticket, a long random name that the page gets by a Gradio event: that event
knows the session and is closed to those who are not signed in, and films opened by it belong to the
session as any others do. The page finds the routes relative to its own address, so they work behind
a proxy's path too.
"""

from __future__ import annotations

import asyncio
import logging
import secrets
import threading
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from typing import Any

from fastapi import FastAPI, Request, Response
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import JSONResponse
from starlette.requests import ClientDisconnect

from app.quotas import Quotas
from app.security import address_of
from app.service import ReadingService
from lmeran.imaging.radiograph import MAX_FILE_BYTES, ReadError, check_file_size

AT_ONCE = 4
"""Files of worklists held in memory at the same time; the others wait at their sender's."""
SEND_SECONDS = 300.0
"""A file that takes longer to arrive gives up its place."""
MOST_TICKETS = 2000

NO_TICKET = "This worklist is no longer known here; reload the page."
TOO_SLOW = "The file took too long to arrive; try it again."
UNEXPECTED = "The program failed on this file; the others go on."
_PRIVATE = {"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff"}
log = logging.getLogger(__name__)


class Tickets:
    """Random names that stand for the sessions of readers: one each, the oldest go first."""

    def __init__(self, most: int = MOST_TICKETS) -> None:
        self._most = most
        self._lock = threading.Lock()
        self._owners: OrderedDict[str, str] = OrderedDict()

    def issue(self, owner: str) -> str:
        """A new ticket in place of the one the owner had."""
        ticket = secrets.token_urlsafe(24)
        with self._lock:
            self._drop(owner)
            self._owners[ticket] = owner
            while len(self._owners) > self._most:
                self._owners.popitem(last=False)
        return ticket

    def owner(self, ticket: str) -> str | None:
        """The session a ticket stands for, None for a ticket that is not valid."""
        with self._lock:
            return self._owners.get(ticket)

    def drop(self, owner: str) -> None:
        """The owner's ticket is worth nothing any more."""
        with self._lock:
            self._drop(owner)

    def _drop(self, owner: str) -> None:
        for ticket in [t for t, who in self._owners.items() if who == owner]:
            del self._owners[ticket]


class NotNowError(Exception):
    """What is not done now, in a sentence; the file may be good."""


def add_worklist(app: FastAPI, service: ReadingService, quotas: Quotas, tickets: Tickets) -> None:
    """POST /lmeran/worklist/TICKET/read and .../open[?frame=N], a file as the body.

    read answers {"row": `ReadingService.read_row`}, open {"film": `open_bytes` of it}. A file
    that cannot be read is no failure of the request: {"error": a sentence}. What the quotas do not
    allow, or came to nothing for another reason, is {"refused": a sentence}.
    """
    arriving, turn = asyncio.Semaphore(AT_ONCE), asyncio.Lock()

    async def read(ticket: str, request: Request) -> Response:
        async def row() -> dict[str, Any]:
            _allowed(quotas.file)
            # Not counted among the films a minute: rows are read behind all that is opened, one
            # after the other, in the order in which the pages of all readers ask.
            async with arriving:
                data = await _body(request)
                # Here and not in threads of their own: these are for those whose turn it is.
                async with turn:
                    if await request.is_disconnected() or tickets.owner(ticket) is None:
                        raise NotNowError(NO_TICKET)
                    return await run_in_threadpool(service.read_row, data)

        return await _answered("row", tickets.owner(ticket), row)

    async def open_film(ticket: str, request: Request, frame: int = 1) -> Response:
        owner = tickets.owner(ticket)

        async def film() -> dict[str, Any]:
            _allowed(quotas.file)
            _allowed(lambda: quotas.opening(str(owner), address_of(request)))
            return await run_in_threadpool(
                service.open_bytes, await _body(request), str(owner), frame
            )

        return await _answered("film", owner, film)

    app.add_api_route("/lmeran/worklist/{ticket}/read", read, methods=["POST"])
    app.add_api_route("/lmeran/worklist/{ticket}/open", open_film, methods=["POST"])


async def _answered(
    name: str, owner: str | None, make: Callable[[], Awaitable[dict[str, Any]]]
) -> Response:
    """What `make` gives, under its name, or why not. What is logged quotes nothing."""
    if owner is None:
        return _json({"message": NO_TICKET}, 404)
    try:
        return _json({name: await make()})
    except NotNowError as reason:
        return _json({"refused": str(reason)})
    except ReadError as error:
        return _json({"error": str(error)})
    except Exception as error:
        log.error("%s while reading for a worklist", type(error).__name__)
        return _json({"error": UNEXPECTED})


async def _body(request: Request) -> bytes:
    """The file that is sent. Raises `ReadError` for its size, `NotNowError` if it does not come."""
    data = bytearray()
    try:
        async with asyncio.timeout(SEND_SECONDS):
            async for part in request.stream():
                data += part
                if len(data) > MAX_FILE_BYTES:
                    break
    except (TimeoutError, ClientDisconnect):
        raise NotNowError(TOO_SLOW) from None
    check_file_size(len(data))
    return bytes(data)


def _allowed(rule: Callable[[], None]) -> None:
    try:
        rule()
    except ReadError as error:
        raise NotNowError(str(error)) from None


def _json(content: dict[str, Any], status: int = 200) -> Response:
    return JSONResponse(content, status, headers=_PRIVATE)

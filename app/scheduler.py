"""Whose film is read next. Reading one takes all cores and much memory: nobody gains from two at
once. Pins are light, have threads of their own and never wait behind a film."""

from __future__ import annotations

import asyncio
import threading
from collections import OrderedDict, deque
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from starlette.requests import Request

from app.http.bodies import Disconnected

PINS_AT_ONCE = 2
LOOK_SECONDS = 1.0
"""How often it is seen whether whoever waits is still there."""

Result = TypeVar("Result")


@dataclass(eq=False)
class _Job(Generic[Result]):
    act: Callable[[], Result]
    future: Future[Result]

    def run(self) -> None:
        if not self.future.set_running_or_notify_cancel():
            return
        try:
            self.future.set_result(self.act())
        except BaseException as error:
            self.future.set_exception(error)


class _Queue:
    """Jobs of several readers, who take turns."""

    def __init__(self) -> None:
        self._readers: OrderedDict[str, deque[_Job[Any]]] = OrderedDict()

    def add(self, reader: str, job: _Job[Any]) -> None:
        self._readers.setdefault(reader, deque()).append(job)

    def next(self) -> _Job[Any] | None:
        """The job that waits longest of the reader whose turn it is."""
        if not self._readers:
            return None
        reader, jobs = self._readers.popitem(last=False)
        job = jobs.popleft()
        if jobs:
            self._readers[reader] = jobs
        return job


class Scheduler:
    """Films one at a time: those that readers open before those that nobody looks at yet."""

    def __init__(self) -> None:
        self._opened, self._behind = _Queue(), _Queue()
        self._changed = threading.Condition()
        self._pins = ThreadPoolExecutor(PINS_AT_ONCE, "pins")
        threading.Thread(target=self._read_films, name="films", daemon=True).start()

    def film(self, act: Callable[[], Result], reader: str, behind: bool = False) -> Future[Result]:
        """Have a film read when it is its reader's turn; behind: of a worklist or an API call."""
        job = _Job(act, Future())
        with self._changed:
            (self._behind if behind else self._opened).add(reader, job)
            self._changed.notify()
        return job.future

    def pin(self, act: Callable[[], Result]) -> Future[Result]:
        """Have what needs no film read done soon."""
        return self._pins.submit(act)

    def _read_films(self) -> None:
        while True:
            with self._changed:
                while (job := self._opened.next() or self._behind.next()) is None:
                    self._changed.wait()
            job.run()
            del job  # a film's memory is not held until the next one


async def result_of(future: Future[Result], request: Request) -> Result:
    """The result. What nobody waits for any more is not begun. Raises `Disconnected`."""
    wrapped = asyncio.wrap_future(future)
    try:
        while not (await asyncio.wait([wrapped], timeout=LOOK_SECONDS))[0]:
            if await request.is_disconnected():
                raise Disconnected
        return wrapped.result()
    finally:
        wrapped.cancel()

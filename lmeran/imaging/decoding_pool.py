"""Films decoded by several processes, in order, of which any may crash.

Decoders are C code that is fed whatever a hospital's disk holds. A crash takes its process down and
with it, in `concurrent.futures`, the pool: then the films that may have done it are decoded alone,
the one that does it again is answered with a sentence, and the others go on in a new pool.
"""

from __future__ import annotations

import contextlib
import os
import signal
import threading
from collections import deque
from collections.abc import Generator, Iterable
from concurrent.futures import BrokenExecutor, CancelledError, Future, ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context, parent_process

import cv2

from lmeran.imaging.decoding import Decoded, Decoder, Refused
from lmeran.imaging.sources import Source

Outcome = Decoded | Refused | None
"""None: no film."""


def decode_here(decoder: Decoder, sources: Iterable[Source]) -> Generator[tuple[Source, Outcome]]:
    """One film after the other in this process."""
    for source in sources:
        yield source, decoder.decode(source)


def decode_in_pool(
    decoder: Decoder, sources: Iterable[Source], workers: int, ahead: int
) -> Generator[tuple[Source, Outcome]]:
    """The same, in the same order, by `workers` processes that are at most `ahead` films ahead."""
    pool = _Pool(decoder, workers)
    try:
        for source in sources:
            if len(pool) >= ahead:
                yield pool.take()
            pool.give(source)
        while len(pool):
            yield pool.take()
    finally:
        pool.close()


@dataclass(eq=False)
class _Task:
    """A film on its way; future None: to be submitted (again)."""

    source: Source
    future: Future[Outcome] | None

    @property
    def lost(self) -> bool:
        """Whether it went down with a pool, or never got into one."""
        if self.future is None or self.future.cancelled():
            return True
        return self.future.done() and isinstance(self.future.exception(), BrokenExecutor)


class _Pool:
    """Processes, and the films that were given to them and not yet taken, in order."""

    def __init__(self, decoder: Decoder, workers: int) -> None:
        self._decoder = decoder
        self._workers = workers
        self._tasks: deque[_Task] = deque()
        self._executor = _executor(workers)

    def __len__(self) -> int:
        return len(self._tasks)

    def give(self, source: Source) -> None:
        self._tasks.append(_Task(source, self._submit(source)))

    def take(self) -> tuple[Source, Outcome]:
        """The result of the oldest film."""
        task = self._tasks[0]
        if task.future is not None:
            # How it ended is judged below.
            with contextlib.suppress(BrokenExecutor, CancelledError):
                task.future.result()
        if task.lost:
            self._recover()
        self._tasks.popleft()
        assert task.future is not None
        return task.source, task.future.result()

    def close(self) -> None:
        self._executor.shutdown(wait=True, cancel_futures=True)

    def _submit(self, source: Source) -> Future[Outcome] | None:
        try:
            return self._executor.submit(_decode, self._decoder, source)
        except BrokenExecutor:
            return None

    def _recover(self) -> None:
        """Find the film that broke the pool among the oldest lost ones, then go on with the rest.

        Films are started in order, so what ran in the processes is the oldest of what was lost.
        """
        self.close()
        lost = [task for task in self._tasks if task.lost]
        self._executor = _executor(1)
        for task in lost[: self._workers]:
            self._decode_alone(task)
        self.close()
        self._executor = _executor(self._workers)
        for task in lost[self._workers :]:
            task.future = self._submit(task.source)

    def _decode_alone(self, task: _Task) -> None:
        """With a pool of one process: if that breaks, this film did it."""
        try:
            outcome = self._executor.submit(_decode, self._decoder, task.source).result()
        except BrokenExecutor:
            outcome = Refused(
                f"The decoder crashed on this film or took over {self._decoder.seconds} s; export "
                "the film again, uncompressed or as JPEG 2000."
            )
            self.close()
            self._executor = _executor(1)
        task.future = Future()
        task.future.set_result(outcome)


def _executor(workers: int) -> ProcessPoolExecutor:
    # "spawn": forking a process whose torch has threads may hang its child.
    return ProcessPoolExecutor(workers, mp_context=get_context("spawn"), initializer=_prepare)


def _prepare() -> None:
    """What a decoding process does first."""
    import lmeran.imaging.dicom.reader  # noqa: F401  (slow to import; not on the first film's time)

    cv2.setNumThreads(1)  # there is a process a core already
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's to handle
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    """Idle processes of a killed parent would wait for work for ever."""
    parent = parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


def _decode(decoder: Decoder, source: Source) -> Outcome:
    _limit(decoder.seconds)
    try:
        return decoder.decode(source)
    finally:
        _limit(0)


def _limit(seconds: int) -> None:
    """End this process after so much computing; 0: no limit.

    By the signal's own action, which works even inside a decoder that never returns. Not by the
    clock: a busy machine or a slow disk is not the film's fault.
    """
    if hasattr(signal, "setitimer"):  # not on Windows
        signal.setitimer(signal.ITIMER_PROF, seconds)

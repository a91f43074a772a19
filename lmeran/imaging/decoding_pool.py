"""Many films decoded by several processes, in order, of which any may crash."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Generator, Iterable
from concurrent.futures import Future, ThreadPoolExecutor

from lmeran.imaging.decoding import Decoded, Decoder, Refused
from lmeran.imaging.decoding_process import CrashError, DecodingProcess
from lmeran.imaging.sources import Source

Outcome = Decoded | Refused | None
"""None: no film."""


def decode_in_pool(
    decoder: Decoder, sources: Iterable[Source], workers: int, ahead: int
) -> Generator[tuple[Source, Outcome]]:
    """Sources and what became of them, in order, by `workers` processes that are at most `ahead`
    films ahead."""
    pool = _Pool(decoder, workers)
    waiting: deque[tuple[Source, Future[Outcome]]] = deque()
    try:
        for source in sources:
            if len(waiting) >= ahead:
                yield _taken(waiting)
            waiting.append((source, pool.give(source)))
        while waiting:
            yield _taken(waiting)
    finally:
        pool.close()


def _taken(waiting: deque[tuple[Source, Future[Outcome]]]) -> tuple[Source, Outcome]:
    source, future = waiting.popleft()
    return source, future.result()


class _Pool:
    """A thread for each process, which hands it one film after the other."""

    def __init__(self, decoder: Decoder, workers: int) -> None:
        self._decoder = decoder
        self._processes = [DecodingProcess(decoder.seconds) for _ in range(workers)]
        for process in self._processes:
            process.start()
        self._idle = deque(self._processes)
        self._own = threading.local()
        self._threads = ThreadPoolExecutor(workers, initializer=self._adopt)

    def give(self, source: Source) -> Future[Outcome]:
        return self._threads.submit(self._decode, source)

    def close(self) -> None:
        self._threads.shutdown(wait=True, cancel_futures=True)
        for process in self._processes:
            process.close()

    def _adopt(self) -> None:
        self._own.process = self._idle.popleft()

    def _decode(self, source: Source) -> Outcome:
        try:
            outcome: Outcome = self._own.process.call(self._decoder.decode, source)
        except CrashError as error:
            return Refused(str(error))
        return outcome

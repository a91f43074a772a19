"""Many films decoded by several processes, in order, of which any may crash."""

from __future__ import annotations

import contextlib
from collections import deque
from collections.abc import Generator, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from queue import SimpleQueue

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
    idle: SimpleQueue[DecodingProcess] = SimpleQueue()

    def decode(source: Source) -> Outcome:
        process = idle.get()
        try:
            outcome: Outcome = process.call(decoder.decode, source)
        except CrashError as error:
            return Refused(str(error))
        finally:
            idle.put(process)
        return outcome

    with contextlib.ExitStack() as stack:
        for _ in range(workers):
            idle.put(stack.enter_context(DecodingProcess(decoder.seconds)))
        threads = ThreadPoolExecutor(workers)  # each hands one process a film and waits for it
        stack.callback(threads.shutdown, wait=True, cancel_futures=True)
        waiting: deque[tuple[Source, Future[Outcome]]] = deque()
        for source in sources:
            if len(waiting) >= ahead:
                first, future = waiting.popleft()
                yield first, future.result()
            waiting.append((source, threads.submit(decode, source)))
        for source, future in waiting:
            yield source, future.result()

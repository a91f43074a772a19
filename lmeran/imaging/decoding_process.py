"""Films decoded in a process of their own, which may crash.

Decoders are C code that is fed whatever a hospital's disk holds: a damaged file may abort them, let
them run for ever or fill the memory. In a process of their own they take nothing else down.
"""

from __future__ import annotations

import contextlib
import itertools
import mmap
import os
import pickle
import signal
import sys
import threading
from collections.abc import Callable
from multiprocessing import get_context, parent_process
from multiprocessing.connection import Connection
from multiprocessing.context import SpawnProcess
from multiprocessing.reduction import recv_handle, send_handle
from pathlib import Path
from typing import Any, TypeVar

from lmeran.imaging.files import read_bytes, read_file
from lmeran.imaging.radiograph import Radiograph, ReadError

SECONDS = 120
MEMORY_BYTES = 4 * 2**30
"""What a film may take beyond what the process holds before. The largest take 1.5 GiB."""

WAIT_FACTOR = 10
"""A process that does not compute is given up after this many times its seconds."""

Result = TypeVar("Result")


class CrashError(ReadError):
    """The process ended on this film."""


class DecodingProcess:
    """Runs one call after the other in another process; a new one takes the place of one that
    crashed.

    seconds: of computing that one call may take; memory: bytes it may take.
    Safe to share between threads: they take turns.
    """

    def __init__(self, seconds: int = SECONDS, memory: int = MEMORY_BYTES) -> None:
        self.seconds = seconds
        self.memory = memory
        self.crashes = 0
        self._turn = threading.Lock()
        self._process: SpawnProcess | None = None
        self._connection: Connection | None = None

    def __enter__(self) -> DecodingProcess:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def start(self) -> None:
        """Begin the process, where there is none, without waiting for it."""
        with self._turn:
            self._connect()

    def call(self, act: Callable[..., Result], *arguments: Any) -> Result:
        """`act(*arguments)` of a module that the process can import.

        Raises `ReadError`: what `act` raises as such, a sentence in place of anything else, and
        `CrashError` where the process ended.
        """
        with self._turn:
            connection = self._connect()
            try:
                connection.send((act, arguments))
                if not connection.poll(self.seconds * WAIT_FACTOR):
                    raise TimeoutError
                error, result = _receive(connection)
            except (EOFError, OSError):
                self.crashes += 1
                self._end()
                raise CrashError(
                    f"The decoder crashed on this film or took over {self.seconds} s; export the "
                    "film again, uncompressed or as JPEG 2000."
                ) from None
        if error is not None:
            raise ReadError(error)
        return result  # type: ignore[no-any-return]

    def read_bytes(self, data: bytes, frame: int = 1) -> Radiograph:
        """`lmeran.imaging.files.read_bytes` in the process."""
        return self.call(read_bytes, data, frame)

    def read_file(self, path: str | Path, frame: int = 1) -> Radiograph:
        """`lmeran.imaging.files.read_file` in the process."""
        return self.call(read_file, Path(path), frame)

    def close(self) -> None:
        """End the process. A later call begins another."""
        with self._turn:
            self._end()

    def _connect(self) -> Connection:
        if self._connection is None:
            # "spawn": forking a process whose torch has threads may hang its child.
            context = get_context("spawn")
            ours, theirs = context.Pipe()
            self._process = context.Process(
                target=_serve, args=(theirs, self.seconds, self.memory), daemon=True
            )
            self._process.start()
            theirs.close()
            self._connection = ours
        return self._connection

    def _end(self) -> None:
        if self._connection is not None:
            self._connection.close()
        if self._process is not None:
            self._process.kill()
            self._process.join()
        self._connection = self._process = None


def read_alone(path: str | Path, frame: int = 1) -> Radiograph:
    """One file read in a process that ends with it. Raises `ReadError`."""
    with DecodingProcess() as process:
        return process.read_file(path, frame)


def _serve(connection: Connection, seconds: int, memory: int) -> None:
    """What the process does, until its parent closes the connection or ends."""
    _prepare()
    _limit_memory(memory)
    with contextlib.suppress(EOFError, OSError):
        while True:
            act, arguments = connection.recv()
            _limit_seconds(seconds)
            answer = _answer(act, arguments)
            _limit_seconds(0)
            _send(connection, answer)
            del act, arguments, answer  # a film's memory is not held until the next one


def _send(connection: Connection, answer: Any) -> None:
    """Hand over an answer, its arrays as memory that both processes see: written to the pipe and
    read from it, a large film would take twice as long."""
    buffers: list[pickle.PickleBuffer] = []
    is_shared = hasattr(os, "memfd_create")  # on Linux
    head = pickle.dumps(answer, 5, buffer_callback=buffers.append if is_shared else None)
    parts = [buffer.raw() for buffer in buffers]
    connection.send((head, [part.nbytes for part in parts]))
    if parts:
        with os.fdopen(os.memfd_create("film"), "wb") as file:
            file.writelines(parts)
            file.flush()
            send_handle(connection, file.fileno(), os.getppid())


def _receive(connection: Connection) -> Any:
    """What `_send` sent."""
    head, sizes = connection.recv()
    if not sizes:
        return pickle.loads(head)
    with os.fdopen(recv_handle(connection), "rb") as file:
        memory = memoryview(mmap.mmap(file.fileno(), sum(sizes), access=mmap.ACCESS_COPY))
    ends = list(itertools.accumulate(sizes))
    parts = [memory[end - size : end] for end, size in zip(ends, sizes, strict=True)]
    return pickle.loads(head, buffers=parts)


def _answer(act: Callable[..., Any], arguments: tuple[Any, ...]) -> tuple[str | None, Any]:
    """Why it failed, or None, and the result."""
    try:
        return None, act(*arguments)
    except ReadError as error:
        return str(error), None
    except MemoryError:
        return "Decoding the film takes more memory than it may; export it at a smaller size.", None
    except Exception as error:
        # Only the kind: the words may quote the file.
        kind = type(error).__name__
        return f"The film could not be decoded ({kind}); export it again.", None


def _prepare() -> None:
    # Decoders print what they find in a file, and no line of it is for a log.
    quiet = os.open(os.devnull, os.O_WRONLY)
    for stream in (sys.__stdout__, sys.__stderr__):
        if stream is not None:
            os.dup2(quiet, stream.fileno())
    threading.Thread(target=_end_with_parent, daemon=True).start()
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's to handle
    signal.signal(signal.SIGTERM, signal.SIG_DFL)

    import cv2

    import lmeran.imaging.dicom.reader  # noqa: F401  (slow to import; not on the first film's time)

    cv2.setNumThreads(1)  # there is a process a core already


def _end_with_parent() -> None:
    """The process of a killed parent would wait for work for ever."""
    parent = parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


def _limit_seconds(seconds: int) -> None:
    """End this process after so much computing; 0: no limit. Not by the clock: a busy machine or a
    slow disk is not the film's fault."""
    if hasattr(signal, "setitimer"):  # not on Windows; it works inside a decoder that never returns
        signal.setitimer(signal.ITIMER_PROF, seconds)


def _limit_memory(more: int) -> None:
    """So many bytes beyond what is held now; and no copy of the memory on disk after a crash."""
    statm = Path("/proc/self/statm")
    if not statm.exists():  # elsewhere than on Linux addresses cannot be limited so
        return
    import resource

    held = int(statm.read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (held + more, held + more))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))

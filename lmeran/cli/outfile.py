"""A file of answers, one line per film, that a stopped run resumes.

Beside OUT lie OUT.run.json, which says what made it (checkpoint, pins, ...: no file names), and
during a run OUT.lock. Lines are appended one by one, so a kill leaves at most one torn line at the
end, which is cut off before the run resumes.
"""

from __future__ import annotations

import contextlib
import io
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from lmeran.cli.lines import Lines
from lmeran.errors import UserError
from lmeran.files import write_atomic


class OutFileError(UserError):
    """A file that this run must not continue: one sentence."""


class OutFile:
    """OUT, open for more answers.

    made: what its answers depend on, as JSON values. done: labels that are answered already;
    failed: how many of them could not be read. Raises `OutFileError` where OUT was made otherwise,
    is not of this program's making, or is being written by another run.
    """

    def __init__(
        self, path: Path, form: Lines, made: dict[str, Any], restart: bool = False
    ) -> None:
        self._path, self._form = path, form
        self.done: set[str] = set()
        self.failed = 0
        with contextlib.ExitStack() as stack, _in_words(path):
            if path.exists() and not path.is_file():  # a pipe or a terminal: nothing to resume
                self._file = stack.enter_context(path.open("wb", buffering=0))
                self._append(form.head())
            else:
                stack.enter_context(_locked(path))
                self._file = stack.enter_context(self._opened(made, restart))
            self._open = stack.pop_all()

    def __enter__(self) -> OutFile:
        return self

    def __exit__(self, *_: object) -> None:
        self._open.close()

    def write(self, film: dict[str, Any]) -> None:
        """One answer, on the disk's way when this returns."""
        self._append(self._form.line(film))
        self.failed += film["error"] is not None

    def _opened(self, made: dict[str, Any], restart: bool) -> io.FileIO:
        facts = self._path.with_name(f"{self._path.name}.run.json")
        if restart:
            self._path.unlink(missing_ok=True)
        if not self._path.exists() or not self._path.stat().st_size:
            write_atomic(facts, json.dumps(made, indent=1) + "\n")
        else:
            _check_made(self._path, facts, made)
            self._take_up()
        file = self._path.open("ab", buffering=0)
        if not file.tell():
            self._file = file
            self._append(self._form.head())
        return file

    def _take_up(self) -> None:
        """Read what is answered, and cut off a torn end."""
        size, head = self._path.stat().st_size, self._form.head()
        with self._path.open("rb") as file:
            begun = file.read(len(head))
            if not head.startswith(begun):
                raise OutFileError(f"{self._path} has other columns; {_ELSE}")
            end = len(head) if begun == head else 0
            for number, line in enumerate(file, 1):
                try:
                    label, read = self._form.parse(line)
                    whole = line.endswith(b"\n")
                except ValueError:
                    whole = False
                if not whole:
                    if end + len(line) < size:
                        raise OutFileError(f"{self._path} is damaged in answer {number}; {_ELSE}")
                    break
                self.done.add(label)
                self.failed += not read
                end += len(line)
        if end < size:
            os.truncate(self._path, end)

    def _append(self, data: bytes) -> None:
        rest = memoryview(data)
        with _in_words(self._path):
            while rest:
                rest = rest[self._file.write(rest) or 0 :]


_ELSE = "give another --out, or --restart to begin again."
_WORDS = {
    "command": "another command",
    "format": "another --format",
    "checkpoint": "another checkpoint",
    "config": "another configuration of the checkpoint",
    "calibration": "another calibration of the checkpoint",
    "gate": "another input gate of the checkpoint",
    "pins": "other pins",
    "frame": "another --frame",
}


def _check_made(path: Path, facts: Path, made: dict[str, Any]) -> None:
    try:
        before = json.loads(facts.read_bytes())
    except (FileNotFoundError, ValueError):
        before = None
    if not isinstance(before, dict):
        raise OutFileError(f"{path} is there already and was not made by this command; {_ELSE}")
    for name, value in made.items():
        if before.get(name) != value:
            raise OutFileError(f"{path} was made with {_WORDS[name]}; {_ELSE}")


@contextlib.contextmanager
def _locked(path: Path) -> Iterator[None]:
    path.parent.stat()  # `filelock` would make a folder that is not there
    lock = FileLock(path.with_name(f"{path.name}.lock"), timeout=0)
    try:
        lock.acquire()
    except Timeout:
        raise OutFileError(
            f"Another run is writing {path}; wait for its end, or give another --out."
        ) from None
    try:
        yield
    finally:
        Path(lock.lock_file).unlink(missing_ok=True)
        lock.release()


@contextlib.contextmanager
def _in_words(path: Path) -> Iterator[None]:
    """Errors of the disk as a sentence."""
    try:
        yield
    except OSError as error:
        reason = error.strerror or type(error).__name__
        raise OutFileError(f"{path} cannot be written ({reason}).") from None

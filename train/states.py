"""A run's state on disk: two files written in turn, checked before they are used; one run at a time
in a folder."""

from __future__ import annotations

import math
import os
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from filelock import FileLock, Timeout

from lmeran.errors import UserError


class StateError(UserError):
    """The run's state cannot be kept or read; one sentence that says what is still good."""


def save_state(state: dict[str, Any], path: Path) -> None:
    """Atomic: a kill or a full disk leaves the old files. The state before it is kept as well.

    Raises `StateError`, which says how much room is missing.
    """
    partial = path.with_suffix(".partial")
    try:
        with partial.open("wb") as file:
            torch.save(state, file)
            file.flush()
            os.fsync(file.fileno())
        if _is_sound(path):  # a damaged one must not take the place of a good one
            path.replace(_before(path))
        partial.replace(path)
    except (OSError, RuntimeError) as error:  # torch's zip writer raises its own
        written = partial.stat().st_size if partial.is_file() else 0
        partial.unlink(missing_ok=True)
        reason = getattr(error, "strerror", None) or "the disk takes no more"
        missing = math.ceil(max(_size(state) - written, 1) / 1e6)
        raise StateError(
            f"The run's state could not be saved ({reason}); the one saved before is good. Make "
            f"room for {missing:,} MB more and give the same command again."
        ) from None


def load_state(path: Path, device: torch.device | str) -> tuple[dict[str, Any] | None, str]:
    """The newest sound state, and a message where a newer one is damaged.

    None where nothing was saved yet. Raises `StateError` where all that was saved is damaged.
    """
    files = [file for file in (path, _before(path)) if file.is_file()]
    sound = next((file for file in files if _is_sound(file)), None)
    if sound is not None:
        message = f"{path.name} is damaged; the run continues from the state before it."
        state = torch.load(sound, map_location=device, weights_only=True)
        return state, message if files[0] != sound else ""
    if not files:
        return None, ""
    names = " and ".join(file.name for file in files)
    raise StateError(f"{names} cannot be read (damaged); start again in a new folder.")


@contextmanager
def alone_in(folder: Path) -> Iterator[None]:
    """Make a run's folder and lock it. Raises `StateError` at once where another run has."""
    folder.mkdir(parents=True, exist_ok=True)
    try:
        with FileLock(folder / "run.lock", timeout=0):
            yield
    except Timeout:
        raise StateError(
            f"Another run is writing to {folder}; wait until it ends, or give another --out."
        ) from None


def _before(path: Path) -> Path:
    return path.with_stem(f"{path.stem}-before")


def _is_sound(path: Path) -> bool:
    """Whether every part of a file of torch, which is a zip, has the checksum it was written with;
    torch itself does not look."""
    try:
        with zipfile.ZipFile(path) as parts:
            return parts.testzip() is None
    except (OSError, zipfile.BadZipFile, RuntimeError, NotImplementedError, EOFError, ValueError):
        return False


def _size(value: Any) -> int:
    """Bytes of all tensors in nested dicts and lists."""
    if isinstance(value, torch.Tensor):
        return value.nbytes
    inner = value.values() if isinstance(value, dict) else value
    return sum(map(_size, inner)) if isinstance(value, dict | list | tuple) else 0

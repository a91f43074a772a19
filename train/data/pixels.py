"""The pixel cache: every image decoded and resized once, uint8, memory-mapped.

`pixels-KEY.npy` holds the pixels, `pixels-KEY.rows` a mark and a checksum for each row. The mark is
a hash of the file's name, size, modification time and of the preprocessing, 0 while the row is
missing; the checksum is the CRC-32 of its pixels. A cache is built as `pixels-KEY.partial`; marks
are written once the pixels are on the disk, so that marked rows are good whatever interrupts the
work. Only rows whose pixels are no longer what was written are read again.
"""

from __future__ import annotations

import errno
import hashlib
import io
import math
import os
import shutil
import sys
import zlib
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import numpy as np
from filelock import FileLock
from tqdm import tqdm

from lmeran.config import Preprocessing
from lmeran.imaging.files import read_file
from lmeran.imaging.preprocess import network_pixels
from lmeran.imaging.radiograph import ReadError
from train.data.index import DataError, Index

READING = 2
"""Raised whenever reading or resizing gives other pixels than before: old caches are then stale."""

_ROW = np.dtype([("mark", "<u8"), ("sum", "<u4")])
_BLOCK_BYTES = 64 * 2**20
_A_TASK = 8
_NAMED = 20
_FULL = (errno.ENOSPC, errno.EDQUOT)


def cached_pixels(
    index: Index, preprocessing: Preprocessing, folder: Path, workers: int = 2, check: bool = True
) -> np.ndarray:
    """Network pixels of every image, uint8 (N, S, S), memory-mapped read-only.

    Built on the first call, by `workers` threads, and reused while files and preprocessing are the
    same. After an interruption the next call resumes; rows of the same files in other caches of the
    folder are reused. Of several processes one builds and the others wait.

    check: compare all rows with their checksums first; damaged ones are reported and read again.

    Raises `DataError`, with what was read so far kept: naming the unreadable files, after all have
    been tried, or saying that the disk is full.
    """
    folder.mkdir(parents=True, exist_ok=True)
    marks = _marks(index, preprocessing)
    shape = (len(index), preprocessing.image_size, preprocessing.image_size)
    path = folder / f"pixels-{hashlib.sha256(marks.tobytes()).hexdigest()[:16]}.npy"
    if check or not _is_known(path, shape):
        with FileLock(folder / "pixels.lock"):
            _complete(index, preprocessing, path, marks, workers)
    return np.load(path, mmap_mode="r")


class _Partial:
    """A cache in the making: uint8 (N, S, S) on disk, and its marks and checksums, `_ROW` (N,)."""

    def __init__(self, path: Path, shape: tuple[int, int, int]) -> None:
        self.path, self.rows = path, path.with_suffix(".rows")
        self.picture = shape[1:]
        self.row_bytes = math.prod(self.picture)
        self.start = len(_head(shape))
        if not _is_known(path, shape):
            self._create(shape)
        self.facts = np.fromfile(self.rows, dtype=_ROW)

    @property
    def marks(self) -> np.ndarray:
        return self.facts["mark"]

    def _create(self, shape: tuple[int, int, int]) -> None:
        self.rows.write_bytes(bytes(_ROW.itemsize * shape[0]))
        with self.path.open("wb") as file:
            file.write(_head(shape))
            file.truncate(self.start + math.prod(shape))

    def keep(self, rows: np.ndarray, pixels: list[np.ndarray], marks: np.ndarray) -> None:
        """Write rows, then their marks. Through the file, not the map: there a full disk kills."""
        with self.path.open("r+b") as file:
            for row, picture in zip(rows.tolist(), pixels, strict=True):
                file.seek(self.start + row * self.row_bytes)
                file.write(np.ascontiguousarray(picture).data)
            file.flush()
            os.fsync(file.fileno())
        self.marks[rows] = marks
        self.facts["sum"][rows] = [_sum(picture) for picture in pixels]
        with self.rows.open("r+b") as file:
            for row in rows.tolist():
                file.seek(_ROW.itemsize * row)
                file.write(self.facts[row].tobytes())
            file.flush()
            os.fsync(file.fileno())

    def finish(self, path: Path) -> None:
        self.path.replace(path)


def _complete(
    index: Index, preprocessing: Preprocessing, path: Path, marks: np.ndarray, workers: int
) -> None:
    """Build a missing cache; re-read the damaged rows of an existing one."""
    if _is_known(path, (len(index), preprocessing.image_size, preprocessing.image_size)):
        bad = _damaged_rows(path, marks, workers)
        if not len(bad):
            return
        print(f"{len(bad)} image(s) in {path.name} are damaged and read again", file=sys.stderr)
        path.replace(path.with_suffix(".partial"))
    _build(index, preprocessing, path, marks, workers)


def _damaged_rows(path: Path, marks: np.ndarray, workers: int) -> np.ndarray:
    """Rows that are missing or no longer as they were written."""
    facts, pixels = np.fromfile(path.with_suffix(".rows"), dtype=_ROW), np.load(path, mmap_mode="r")
    with ThreadPoolExecutor(workers) as pool:
        sums = np.fromiter(pool.map(_sum, pixels), dtype=np.uint32, count=len(pixels))
    return np.flatnonzero((facts["mark"] != marks) | (facts["sum"] != sums))


def _build(
    index: Index, preprocessing: Preprocessing, path: Path, marks: np.ndarray, workers: int
) -> None:
    shape = (len(index), preprocessing.image_size, preprocessing.image_size)
    missing = np.arange(len(index))
    try:
        partial = _Partial(path.with_suffix(".partial"), shape)
        partial.marks[_damaged_rows(partial.path, marks, workers)] = 0
        _take_over(partial, marks)
        missing = np.flatnonzero(partial.marks != marks)
        _check_room(path.parent, len(missing) * partial.row_bytes)
        unreadable = _read(index, preprocessing, partial, marks, missing, workers)
        if unreadable:
            raise DataError(_unreadable(unreadable))
        partial.finish(path)
    except OSError as error:
        reason = error.strerror
        if error.errno in _FULL:
            needed = len(missing) * math.prod(shape[1:]) / 1e6
            reason = f"the disk is full, of the {needed:,.1f} MB that were missing not all fit"
        raise DataError(
            f"The pixel cache in {path.parent} cannot be written ({reason}); correct that and give "
            "the same command again: what was read so far is kept."
        ) from error


def _read(
    index: Index,
    preprocessing: Preprocessing,
    partial: _Partial,
    marks: np.ndarray,
    missing: np.ndarray,
    workers: int,
) -> dict[str, list[str]]:
    """Read the missing rows; returns the unreadable files by reason.

    While one block is written to the disk the next is decoded.
    """
    unreadable: dict[str, list[str]] = {}

    def read(rows: np.ndarray) -> list[np.ndarray | ReadError]:
        return [_picture(index.root / index.files[row], preprocessing) for row in rows]

    writing: Future[None] | None = None
    with (
        tqdm(total=len(marks), initial=len(marks) - len(missing), desc="pixels", unit="img") as bar,
        ThreadPoolExecutor(1) as writer,
        ThreadPoolExecutor(workers) as readers,
    ):
        for block in _blocks(missing, partial.row_bytes):
            # Several images a task: each result wakes this thread, which the readers then wait for.
            tasks = [block[k : k + _A_TASK] for k in range(0, len(block), _A_TASK)]
            rows, pixels = [], []
            for task, pictures in zip(tasks, readers.map(read, tasks), strict=True):
                for row, picture in zip(task.tolist(), pictures, strict=True):
                    if isinstance(picture, ReadError):
                        unreadable.setdefault(str(picture), []).append(index.files[row])
                    else:
                        rows.append(row)
                        pixels.append(picture)
                bar.update(len(task))
            if writing is not None:
                writing.result()
            kept = np.array(rows, dtype=np.int64)
            writing = writer.submit(partial.keep, kept, pixels, marks[kept])
        if writing is not None:
            writing.result()
    return unreadable


def _picture(path: Path, preprocessing: Preprocessing) -> np.ndarray | ReadError:
    try:
        return network_pixels(read_file(path).pixels, preprocessing)
    except ReadError as error:
        return error


def _take_over(partial: _Partial, marks: np.ndarray) -> None:
    """Copy the rows that another cache of the folder has of the same files.

    So one corrected file, or an image removed from the index, does not cause all to be re-read. A
    partial cache that gave rows is superseded and deleted; a whole one may be in use and stays.
    """
    for rows in sorted(partial.path.parent.glob("pixels-*.rows")):
        missing = np.flatnonzero(partial.marks != marks)
        if rows == partial.rows or not len(missing):
            continue
        whole, leftover = rows.with_suffix(".npy"), rows.with_suffix(".partial")
        source = whole if whole.is_file() else leftover
        theirs = np.fromfile(rows, dtype=_ROW)
        _, mine, found = np.intersect1d(marks[missing], theirs["mark"], return_indices=True)
        if not len(found) or not _is_whole(source, (len(theirs), *partial.picture)):
            continue
        pixels = np.load(source, mmap_mode="r")
        good = np.array([_sum(pixels[row]) == theirs["sum"][row] for row in found])
        mine, found = mine[good], found[good]
        for block in _blocks(np.arange(len(found)), partial.row_bytes):
            own = missing[mine[block]]
            partial.keep(own, list(pixels[found[block]]), marks[own])
        if source == leftover:
            leftover.unlink()
            rows.unlink()


def _blocks(rows: np.ndarray, row_bytes: int) -> Iterator[np.ndarray]:
    size = max(1, min(1024, _BLOCK_BYTES // row_bytes))
    for start in range(0, len(rows), size):
        yield rows[start : start + size]


def _marks(index: Index, preprocessing: Preprocessing) -> np.ndarray:
    """A mark for each file, uint64 (N,), never 0: changes with the file and the preprocessing."""
    how = f"{READING} {preprocessing.image_size} {preprocessing.detail}"
    marks = np.empty(len(index), dtype=np.uint64)
    for row, file in enumerate(index.files):
        try:
            stat = (index.root / file).stat()
            state = f"{stat.st_size} {stat.st_mtime_ns}"
        except OSError:
            state = "missing"
        digest = hashlib.blake2b(f"{how}\0{file}\0{state}".encode(), digest_size=8).digest()
        marks[row] = max(1, int.from_bytes(digest, "little"))
    return marks


def _head(shape: tuple[int, int, int]) -> bytes:
    """What an .npy file of uint8 pixels of this shape starts with."""
    head = io.BytesIO()
    facts = {"descr": "|u1", "fortran_order": False, "shape": shape}
    np.lib.format.write_array_header_1_0(head, facts)
    return head.getvalue()


def _sum(picture: np.ndarray) -> int:
    """CRC-32 of a row's pixels."""
    return zlib.crc32(np.ascontiguousarray(picture))


def _is_known(path: Path, shape: tuple[int, int, int]) -> bool:
    """Whether there are pixels of this shape, and marks and checksums to them."""
    rows = path.with_suffix(".rows")
    sized = rows.is_file() and rows.stat().st_size == shape[0] * _ROW.itemsize
    return sized and _is_whole(path, shape)


def _is_whole(path: Path, shape: tuple[int, int, int]) -> bool:
    return path.is_file() and path.stat().st_size == len(_head(shape)) + math.prod(shape)


def _check_room(folder: Path, needed: int) -> None:
    free = shutil.disk_usage(folder).free
    if needed > free:
        raise DataError(
            f"The pixel cache needs {needed / 1e9:.1f} GB more in {folder}, where {free / 1e9:.1f} "
            "GB are free; make room and give the same command again."
        )


def _unreadable(unreadable: dict[str, list[str]]) -> str:
    count = sum(len(files) for files in unreadable.values())
    parts = []
    for reason, files in unreadable.items():
        more = f" and {len(files) - _NAMED} more" if len(files) > _NAMED else ""
        parts.append(f"{', '.join(files[:_NAMED])}{more}: {reason}")
    return f"{count} image(s) cannot be read (the others are kept). " + " ".join(parts)

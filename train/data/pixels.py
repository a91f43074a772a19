"""The pixel cache: every image decoded and resized once, uint8, memory-mapped.

A folder holds for each preprocessing `pixels-SIZE.bin`, rows of pixels, and `pixels-SIZE.rows`, a
mark and a checksum for each row. Both are only ever appended to: pixels first, and once they are on
the disk their marks, so that marked rows are good whatever interrupts the work. The mark is a hash
of the file's name, size and modification time; what changed or was damaged gets a new row. All
splits of a data set share their rows.
"""

from __future__ import annotations

import errno
import hashlib
import os
import shutil
import sys
import zlib
from multiprocessing.pool import ThreadPool
from pathlib import Path
from typing import Any

import numpy as np
from filelock import FileLock
from tqdm import tqdm

from lmeran.config import Preprocessing
from lmeran.imaging.files import read_file
from lmeran.imaging.preprocess import network_pixels
from lmeran.imaging.radiograph import ReadError
from train.data.index import DataError, Index

READING = 2
"""Raised whenever reading or resizing gives other pixels than before: old rows are then stale."""

_ROW = np.dtype([("mark", "<u8"), ("sum", "<u4")])
_BLOCK_BYTES = 64 * 2**20
_NAMED = 20
_FULL = (errno.ENOSPC, errno.EDQUOT)


class Pixels:
    """The images of an index, in its order: uint8 (N, S, S), read from the disk when asked for."""

    def __init__(self, store: np.ndarray, rows: np.ndarray) -> None:
        self._store, self._rows = store, rows

    def __len__(self) -> int:
        return len(self._rows)

    def __getitem__(self, where: Any) -> np.ndarray:
        return self._store[self._rows[where]]

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        return self[:]


def cached_pixels(
    index: Index, preprocessing: Preprocessing, folder: Path, workers: int = 2, check: bool = True
) -> Pixels:
    """Network pixels of every image.

    Images that the cache lacks are read by `workers` threads. After an interruption the next call
    resumes. Of several processes one reads and the others wait.

    check: compare all rows with their checksums first; damaged ones are reported and read again.

    Raises `DataError`, with what was read so far kept: naming the unreadable files, after all have
    been tried, or saying that the disk is full.
    """
    folder.mkdir(parents=True, exist_ok=True)
    store, marks = _Store(folder, preprocessing), _marks(index)
    if check or (store.rows_of(marks) < 0).any():
        with FileLock(folder / "pixels.lock"):
            missing = store.missing(marks, workers)
            if len(missing):
                _read(index, preprocessing, store, marks, missing, workers)
    return Pixels(store.mapped(), store.rows_of(marks))


class _Store:
    """The two files of one preprocessing."""

    def __init__(self, folder: Path, preprocessing: Preprocessing) -> None:
        side, detail = preprocessing.image_size, preprocessing.detail
        name = f"pixels-{side}" if detail is None else f"pixels-{side}-of-{detail}"
        self.pixels, self.facts = folder / f"{name}.bin", folder / f"{name}.rows"
        self.side = side

    def __len__(self) -> int:
        """Rows that both files hold completely."""
        widths = {self.pixels: self.side**2, self.facts: _ROW.itemsize}
        return min(f.stat().st_size // w if f.is_file() else 0 for f, w in widths.items())

    def mapped(self) -> np.ndarray:
        return np.memmap(self.pixels, np.uint8, "r", shape=(len(self), self.side, self.side))

    def rows_of(self, marks: np.ndarray) -> np.ndarray:
        """The newest row of each mark, -1 where there is none."""
        count = len(self)
        if not count:
            return np.full(len(marks), -1)
        known = np.fromfile(self.facts, _ROW, count)["mark"]
        order = np.argsort(known, kind="stable")
        rows = order[np.searchsorted(known, marks, side="right", sorter=order) - 1]
        return np.where(known[rows] == marks, rows, -1)

    def missing(self, marks: np.ndarray, workers: int) -> np.ndarray:
        """Places of the images that have no row, or one that is not as it was written."""
        rows = self.rows_of(marks)
        places = np.flatnonzero(rows >= 0)
        if not len(places):
            return np.arange(len(marks))
        pixels, facts = self.mapped(), np.fromfile(self.facts, _ROW, len(self))
        with ThreadPool(workers) as pool:
            sums = pool.map(lambda row: zlib.crc32(pixels[row]), rows[places], chunksize=64)
        bad = places[facts["sum"][rows[places]] != np.array(sums)]
        if len(bad):
            name = self.pixels.name
            print(f"{len(bad)} image(s) in {name} are damaged and read again", file=sys.stderr)
        return np.union1d(np.flatnonzero(rows < 0), bad)

    def append(self, pictures: list[np.ndarray], marks: np.ndarray) -> None:
        facts = np.empty(len(marks), _ROW)
        facts["mark"], facts["sum"] = marks, [zlib.crc32(picture) for picture in pictures]
        row = len(self)
        for path, width, data in (
            (self.pixels, self.side**2, b"".join(p.tobytes() for p in pictures)),
            (self.facts, _ROW.itemsize, facts.tobytes()),
        ):
            path.touch()
            with path.open("r+b") as file:  # through the file: in a map a full disk kills
                file.seek(row * width)  # over what an interruption left half written
                file.write(data)
                file.flush()
                os.fsync(file.fileno())


def _read(
    index: Index,
    preprocessing: Preprocessing,
    store: _Store,
    marks: np.ndarray,
    missing: np.ndarray,
    workers: int,
) -> None:
    """Read the images at the places `missing`. Raises `DataError`."""
    needed = len(missing) * store.side**2
    free = shutil.disk_usage(store.pixels.parent).free
    if needed > free:
        raise DataError(
            f"The pixel cache needs {needed / 1e9:.1f} GB more in {store.pixels.parent}, where "
            f"{free / 1e9:.1f} GB are free; make room and give the same command again."
        )
    unreadable: dict[str, list[str]] = {}

    def picture(place: int) -> np.ndarray | ReadError:
        try:
            film = read_file(index.root / index.files[place])
            return np.ascontiguousarray(network_pixels(film.pixels, preprocessing))
        except ReadError as error:
            return error

    step = max(1, min(1024, _BLOCK_BYTES // store.side**2))
    whole, done = len(index), len(index) - len(missing)
    try:
        with (
            tqdm(total=whole, initial=done, desc="pixels", unit="img") as bar,
            ThreadPool(workers) as pool,
        ):
            for start in range(0, len(missing), step):
                block = missing[start : start + step]
                found = pool.map(picture, block.tolist(), chunksize=8)
                good = np.array([isinstance(p, np.ndarray) for p in found])
                for place in np.flatnonzero(~good):
                    named = index.files[block[place]]
                    unreadable.setdefault(str(found[place]), []).append(named)
                store.append([p for p in found if isinstance(p, np.ndarray)], marks[block[good]])
                bar.update(len(block))
    except OSError as error:
        reason = error.strerror
        if error.errno in _FULL:
            reason = (
                f"the disk is full, of the {needed / 1e6:,.1f} MB that were missing not all fit"
            )
        raise DataError(
            f"The pixel cache in {store.pixels.parent} cannot be written ({reason}); correct that "
            "and give the same command again: what was read so far is kept."
        ) from error
    if unreadable:
        raise DataError(_unreadable(unreadable))


def _marks(index: Index) -> np.ndarray:
    """A mark for each file, uint64 (N,): changes with the file."""
    marks = np.empty(len(index), dtype=np.uint64)
    for place, file in enumerate(index.files):
        try:
            stat = (index.root / file).stat()
            state = f"{stat.st_size} {stat.st_mtime_ns}"
        except OSError:
            state = "missing"
        digest = hashlib.blake2b(f"{READING}\0{file}\0{state}".encode(), digest_size=8).digest()
        marks[place] = int.from_bytes(digest, "little")
    return marks


def _unreadable(unreadable: dict[str, list[str]]) -> str:
    count = sum(len(files) for files in unreadable.values())
    parts = []
    for reason, files in unreadable.items():
        more = f" and {len(files) - _NAMED} more" if len(files) > _NAMED else ""
        parts.append(f"{', '.join(files[:_NAMED])}{more}: {reason}")
    return f"{count} image(s) cannot be read (the others are kept). " + " ".join(parts)

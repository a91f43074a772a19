"""The pixel cache: every image decoded and resized once, uint8, memory-mapped."""

from __future__ import annotations

import hashlib
import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
from tqdm import tqdm

from lmeran.config import Preprocessing
from lmeran.files import read_file
from lmeran.preprocess import network_pixels
from lmeran.radiograph import ReadError
from train.index import DataError, Index


def cached_pixels(
    index: Index, preprocessing: Preprocessing, folder: Path, workers: int = 2
) -> np.ndarray:
    """Network pixels of every image, uint8 (N, S, S), memory-mapped read-only.

    Built on the first call, in parallel, and reused while files and preprocessing are the same.
    Raises `DataError` naming up to five unreadable files, after all have been tried.
    """
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"pixels-{_key(index, preprocessing)[:16]}.npy"
    if not path.is_file():
        _build(index, preprocessing, path, workers)
    return np.load(path, mmap_mode="r")


def _build(index: Index, preprocessing: Preprocessing, path: Path, workers: int) -> None:
    size = preprocessing.image_size
    partial = path.with_suffix(".partial")
    store = np.lib.format.open_memmap(
        partial, mode="w+", dtype=np.uint8, shape=(len(index), size, size)
    )
    failed: list[str] = []

    def read(row: int) -> None:
        try:
            store[row] = network_pixels(
                read_file(index.root / index.files[row]).pixels, preprocessing
            )
        except ReadError as error:
            failed.append(f"{index.files[row]}: {error}")

    with ThreadPoolExecutor(workers) as pool:
        list(tqdm(pool.map(read, range(len(index))), total=len(index), desc="pixels", unit="img"))
    if failed:
        partial.unlink()
        raise DataError(f"{len(failed)} image(s) cannot be read: " + " ".join(failed[:5]))
    store.flush()
    partial.rename(path)


def _key(index: Index, preprocessing: Preprocessing) -> str:
    """Changes when a file, its size, its time of change, the size or the detail limit does."""
    digest = hashlib.sha256()
    digest.update(json.dumps([preprocessing.image_size, preprocessing.detail]).encode())
    for file in index.files:
        try:
            stat = (index.root / file).stat()
        except OSError:
            digest.update(f"{file}\0missing\n".encode())
            continue
        digest.update(f"{file}\0{stat.st_size}\0{stat.st_mtime_ns}\n".encode())
    return digest.hexdigest()

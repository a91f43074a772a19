"""Whether image files are whole, without decoding them."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
from PIL import Image, UnidentifiedImageError
from tqdm import tqdm

_A_TASK = 32


def check_films(paths: Sequence[Path], workers: int) -> tuple[np.ndarray, dict[int, str]]:
    """Height and width of every PNG, int64 (N, 2), and why some cannot be read, by position.

    Every byte is read and every chunk's checksum compared, by `workers` threads with a progress
    bar: what is cut short or damaged on the disk is found. Pixels are decoded later, once, by the
    pixel cache. Sizes of unreadable files are 0.
    """
    sizes = np.zeros((len(paths), 2), dtype=np.int64)
    faults: dict[int, str] = {}
    tasks = [paths[k : k + _A_TASK] for k in range(0, len(paths), _A_TASK)]
    with (
        ThreadPoolExecutor(workers) as pool,
        tqdm(total=len(paths), desc="checking", unit="img") as bar,
    ):
        row = 0
        for results in pool.map(lambda task: [_check(path) for path in task], tasks):
            for result in results:
                if isinstance(result, str):
                    faults[row] = result
                else:
                    sizes[row] = result
                row += 1
            bar.update(len(results))
    return sizes, faults


def _check(path: Path) -> tuple[int, int] | str:
    try:
        with Image.open(path, formats=("PNG",)) as image:
            size = image.height, image.width
            image.verify()
    except UnidentifiedImageError:
        return "no PNG"
    except (OSError, SyntaxError, ValueError, struct.error, Image.DecompressionBombError):
        return "cut short or damaged"
    return size

"""Find the parts of the release in a folder, however it was unpacked, and check that its images are
whole."""

from __future__ import annotations

import filecmp
import os
import re
import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from multiprocessing.pool import ThreadPool
from pathlib import Path

from PIL import Image, UnidentifiedImageError
from tqdm import tqdm

from train.release.tables import Problem, concerning

FILM = re.compile(r"\d{8}_\d{3}\.png")
"""Names of the release's images: patient and number of the film."""

LABELS = "Data_Entry_2017_v2020.csv"
BOXES = "BBox_List_2017.csv"

_TABLES = {
    "labels": (re.compile(r"Data_Entry_2017(_v2020)?\.csv(\.gz)?"), LABELS),
    "train_val": (re.compile(r"train_val_list(_NIH)?\.txt"), "train_val_list.txt"),
    "test": (re.compile(r"test_list(_NIH)?\.txt"), "test_list.txt"),
    "boxes": (re.compile(r"BBox_List_2017(_Official_NIH)?\.csv"), BOXES),
}


@dataclass(frozen=True)
class Sources:
    """Paths of the tables, None where missing, and of the images by name."""

    labels: Path | None = None
    train_val: Path | None = None
    test: Path | None = None
    boxes: Path | None = None
    films: dict[str, Path] = field(default_factory=dict)


def find_sources(folder: Path, labels: Path | None = None) -> tuple[Sources, list[Problem]]:
    """Search `folder` and what lies below it: images_001/images, images_001, images, or flat.

    labels: the label table to use instead of one found. Also returns what is missing or there
    twice; two copies of the same bytes count as one.
    """
    found: dict[str, list[Path]] = {kind: [] for kind in _TABLES}
    films: dict[str, Path] = {}
    twice: set[str] = set()
    for path in _files(folder):
        if FILM.fullmatch(path.name):
            if films.setdefault(path.name, path) != path:
                twice.add(path.name)
            continue
        for kind, (pattern, _) in _TABLES.items():
            if pattern.fullmatch(path.name):
                found[kind].append(path)
    if labels is not None:
        found["labels"] = [labels] if labels.is_file() else []
    problems = concerning("image files there in two places", twice)
    for kind, paths in found.items():
        name = _TABLES[kind][1]
        if not paths:
            problems.append(Problem(f"{name} is missing", tolerable=kind == "boxes"))
        elif any(not filecmp.cmp(paths[0], other, shallow=False) for other in paths[1:]):
            advice = "name one by --labels" if kind == "labels" else "keep one"
            problems += concerning(f"differing files for {name}, {advice}", map(str, paths))
    chosen = {kind: paths[0] if paths else None for kind, paths in found.items()}
    return Sources(**chosen, films=films), problems


def check_films(paths: Sequence[Path], workers: int) -> list[tuple[int, int] | str]:
    """Height and width of every PNG, or why it cannot be read, without decoding it.

    Every byte is read and every chunk's checksum compared, by `workers` threads with a progress
    bar: what is cut short or damaged on the disk is found. Pixels are decoded later, once, by the
    pixel cache.
    """
    with ThreadPool(workers) as pool:
        checked = pool.imap(_check, paths, chunksize=32)
        return list(tqdm(checked, total=len(paths), desc="checking", unit="img"))


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


def _files(folder: Path) -> Iterator[Path]:
    """Every file below `folder` in the order of names; linked folders are entered once."""
    entered: set[str] = set()
    for root, folders, names in os.walk(folder, followlinks=True):
        real = os.path.realpath(root)
        if real in entered:
            folders.clear()
            continue
        entered.add(real)
        folders.sort()
        yield from (Path(root, name) for name in sorted(names))

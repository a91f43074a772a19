"""`python -m train index`: checks the whole release and writes the index of `train.data.index`."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

import pandas as pd
from jsonargparse.typing import PositiveInt

from lmeran.files import write_atomic
from train.data.index import DataError
from train.release.checks import (
    check_boxes,
    check_counts,
    check_labels,
    label_counts,
    release_of,
    with_splits,
)
from train.release.sources import BOXES, Sources, check_films, find_sources
from train.release.tables import (
    LABEL_COLUMNS,
    Problem,
    concerning,
    read_boxes,
    read_labels,
    read_list,
)

INDEX_COLUMNS = [
    "file", "image_index", "official_split", "patient_id", "finding_labels", "view_position",
    "age", "sex", "has_bbox", "height", "width", "source", "labels_by",
]  # fmt: skip


def run_index(
    folder: Path,
    partial: bool,
    out: Path | None = None,
    labels: Path | None = None,
    workers: PositiveInt | None = None,
) -> None:
    """Check the NIH release and write its index.

    Args:
        folder: that the release was unpacked to
        partial: accept missing images, rows and boxes
        out: folder of the index; default: the same
        labels: label table, where there are several
        workers: reading threads; default: one for each core
    """
    table, tolerated = index_release(folder, out, partial, labels, workers or os.cpu_count() or 1)
    print(
        f"{len(table):,} films of {table['patient_id'].nunique():,} patients, labels: "
        f"{release_of(table) or 'a part of a release'}"
    )
    splits = table["official_split"].value_counts().to_dict()
    for name, count in {**splits, **label_counts(table)}.items():
        print(f"  {name}: {count:,}")
    if tolerated:
        print(f"This is a part of the release:{_as_lines(tolerated)}")
    print(f"written: {(out or folder) / 'index.csv'}")


def index_release(
    folder: Path,
    out: Path | None = None,
    partial: bool = False,
    labels: Path | None = None,
    workers: int = 2,
) -> tuple[pd.DataFrame, list[Problem]]:
    """Check the release in `folder`; write index.csv and labels/BBox_List_2017.csv to `out`.

    folder: holds images and tables as NIH ships them; they are not changed.
    out: folder of the index, `folder` where None. An image below it is listed by its relative
        path, any other by its absolute one.
    partial: accept missing images, rows and boxes, and nothing else.
    labels: the label table, where `folder` holds several.

    Returns the index and what a whole release would not have. Raises `DataError` that reports every
    problem; then nothing is written.
    """
    if not folder.is_dir():
        raise DataError(f"{folder} is no folder; give the one that the release was unpacked to.")
    sources, missing = find_sources(folder, labels)
    table, boxes, inconsistent = _read_tables(sources)
    films, unreadable = _with_films(table, sources.films, workers)
    problems = [*missing, *inconsistent, *unreadable]
    refused = [problem for problem in problems if not (partial and problem.tolerable)]
    if refused:
        hint = ""
        if not partial and all(problem.tolerable for problem in refused):
            hint = "\nIf this is meant to be a part of the release, give --partial."
        raise DataError(
            f"The release in {folder} cannot be used as it is:{_as_lines(refused)}{hint}"
        )
    if films.empty:
        raise DataError(f"{folder} has no image of the label table.")

    out = folder if out is None else out
    boxed = set() if boxes is None else set(boxes["image_index"])
    index = films.assign(
        file=[_file(path.absolute(), out.absolute()) for path in films["path"]],
        has_bbox=films["image_index"].isin(boxed),
        source="NIH",
        labels_by="name",
    )[INDEX_COLUMNS]
    out.mkdir(parents=True, exist_ok=True)
    if sources.boxes is not None:
        (out / "labels").mkdir(exist_ok=True)
        write_atomic(out / "labels" / BOXES, sources.boxes.read_bytes())
    write_atomic(out / "index.csv", index.to_csv(index=False, lineterminator="\n"))
    return index, problems


def _read_tables(sources: Sources) -> tuple[pd.DataFrame, pd.DataFrame | None, list[Problem]]:
    """Label table with official_split, boxes (None without a list), and what is wrong with them."""
    empty = pd.DataFrame(columns=[*LABEL_COLUMNS, "official_split"])
    if sources.labels is None:
        return empty, None, []
    try:
        labels, problems = read_labels(sources.labels)
        boxes, outside = read_boxes(sources.boxes) if sources.boxes else (None, [])
        lists = [read_list(path) if path else () for path in (sources.train_val, sources.test)]
    except (ValueError, OSError, EOFError) as error:
        return empty, None, [Problem(f"a table cannot be read ({error})")]
    problems += outside
    if not labels.empty:
        problems += check_labels(labels, *lists) if all(lists) else check_counts(labels)
    if boxes is not None:
        problems += check_boxes(boxes, labels)
    return with_splits(labels, *lists), boxes, problems


def _with_films(
    labels: pd.DataFrame, films: dict[str, Path], workers: int
) -> tuple[pd.DataFrame, list[Problem]]:
    """The rows whose image is there and whole, with its path, height and width; what is wrong."""
    checked = dict(zip(films, check_films(list(films.values()), workers), strict=True))
    broken = {name: found for name, found in checked.items() if isinstance(found, str)}
    whole = [(name, films[name], *checked[name]) for name in films if name not in broken]
    named = set(labels["image_index"])
    problems = [
        *concerning("image files missing", named - set(films), tolerable=True),
        *concerning(
            "image files unreadable (download them again)",
            [f"{name}: {reason}" for name, reason in broken.items()],
        ),
        *concerning("image files without labels", set(films) - named, tolerable=True),
    ]
    found = pd.DataFrame(whole, columns=["image_index", "path", "height", "width"])
    return labels.merge(found, on="image_index", how="inner"), problems


def _as_lines(problems: Iterable[Problem]) -> str:
    return "".join(f"\n  {problem}" for problem in problems)


def _file(path: Path, out: Path) -> str:
    return (path.relative_to(out) if path.is_relative_to(out) else path).as_posix()

"""`python -m train index`: the release, checked as a whole, to the index of `train.data.index`."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
from jsonargparse.typing import PositiveInt

from lmeran.files import write_atomic
from train.data.index import DataError
from train.release.checks import check_boxes, check_labels, with_splits
from train.release.counts import check_counts, label_counts, release_of
from train.release.films import check_films
from train.release.problems import Problem, as_lines, concerning
from train.release.sources import BOXES, Sources, find_sources
from train.release.tables import LABEL_COLUMNS, read_boxes, read_labels, read_list

INDEX_COLUMNS = (
    "file",
    "image_index",
    "official_split",
    "patient_id",
    "finding_labels",
    "view_position",
    "age",
    "sex",
    "has_bbox",
    "height",
    "width",
    "source",
    "labels_by",
)


@dataclass(frozen=True, eq=False)
class Indexed:
    """What was written.

    path: index.csv; table: its rows; release: whose label table it is, None for a part of one.
    tolerated: what a whole release would not have.
    """

    path: Path
    table: pd.DataFrame
    release: str | None
    tolerated: tuple[Problem, ...]

    def __str__(self) -> str:
        splits = self.table["official_split"].value_counts()
        lines = [
            f"{len(self.table):,} films of {self.table['patient_id'].nunique():,} patients, "
            f"labels: {self.release or 'a part of a release'}",
            *(f"  {split}: {count:,}" for split, count in splits.items()),
            *(f"  {label}: {count:,}" for label, count in label_counts(self.table).items()),
        ]
        if self.tolerated:
            lines.append(f"This is a part of the release:{as_lines(self.tolerated)}")
        return "\n".join([*lines, f"written: {self.path}"])


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
    print(index_release(folder, out, partial, labels, workers or os.cpu_count() or 1))


@dataclass(frozen=True, eq=False)
class _Tables:
    """labels: as `read_labels` gives them, with official_split; boxes as `read_boxes`, or None."""

    labels: pd.DataFrame
    boxes: pd.DataFrame | None = None


def index_release(
    folder: Path,
    out: Path | None = None,
    partial: bool = False,
    labels: Path | None = None,
    workers: int = 2,
) -> Indexed:
    """Check the release in `folder`; write index.csv and labels/BBox_List_2017.csv to `out`.

    folder: holds images and tables as NIH ships them; they are not changed.
    out: folder of the index, `folder` where None. An image below it is listed by its relative
        path, any other by its absolute one.
    partial: accept missing images, rows and boxes, and nothing else.
    labels: the label table, where `folder` holds several.

    Raises `DataError` that reports every problem; then nothing is written.
    """
    if not folder.is_dir():
        raise DataError(f"{folder} is no folder; give the one that the release was unpacked to.")
    sources, missing = find_sources(folder, labels)
    tables, inconsistent = _read_tables(sources)
    films, unreadable = _with_films(tables.labels, sources.films, workers)
    problems = [*missing, *inconsistent, *unreadable]
    refused = [problem for problem in problems if not (partial and problem.tolerable)]
    if refused:
        raise DataError(_refusal(folder, refused, partial))
    if films.empty:
        raise DataError(f"{folder} has no image of the label table.")

    out = folder if out is None else out
    table = _as_index(films, tables.boxes, out)
    out.mkdir(parents=True, exist_ok=True)
    if sources.boxes is not None:
        (out / "labels").mkdir(exist_ok=True)
        write_atomic(out / "labels" / BOXES, sources.boxes.read_bytes())
    write_atomic(out / "index.csv", table.to_csv(index=False, lineterminator="\n").encode())
    return Indexed(out / "index.csv", table, release_of(tables.labels), tuple(problems))


def _read_tables(sources: Sources) -> tuple[_Tables, list[Problem]]:
    """Read what tables there are, and check what can be checked of them."""
    empty = pd.DataFrame(columns=[*LABEL_COLUMNS, "official_split"])
    if sources.labels is None:
        return _Tables(empty), []
    problems: list[Problem] = []
    try:
        labels, odd = read_labels(sources.labels)
        boxes, outside = read_boxes(sources.boxes) if sources.boxes else (None, [])
        lists = [read_list(path) if path else () for path in (sources.train_val, sources.test)]
    except (ValueError, OSError, EOFError) as error:
        return _Tables(empty), [Problem(f"a table cannot be read ({error})")]
    problems += odd + outside
    if not labels.empty:
        problems += check_labels(labels, *lists) if all(lists) else check_counts(labels)
    if boxes is not None:
        problems += check_boxes(boxes, labels)
    return _Tables(with_splits(labels, *lists), boxes), problems


def _with_films(
    labels: pd.DataFrame, films: dict[str, Path], workers: int
) -> tuple[pd.DataFrame, list[Problem]]:
    """The rows whose image is there, with its path, height and width; and what is wrong."""
    sizes, faults = check_films(list(films.values()), workers)
    named = set(labels["image_index"])
    places = list(films)
    broken = (f"{places[row]}: {reason}" for row, reason in faults.items())
    found = pd.DataFrame(
        {"image_index": places, "path": list(films.values()), "height": sizes[:, 0]}
    ).assign(width=sizes[:, 1])
    problems = [
        *concerning("image files missing", named - set(places), tolerable=True),
        *concerning("image files unreadable (download them again)", broken),
        *concerning("image files without labels", set(places) - named, tolerable=True),
    ]
    return labels.merge(found, on="image_index", how="inner"), problems


def _as_index(films: pd.DataFrame, boxes: pd.DataFrame | None, out: Path) -> pd.DataFrame:
    boxed = set() if boxes is None else set(boxes["image_index"])
    table = films.assign(
        file=[_file(path.absolute(), out.absolute()) for path in films["path"]],
        has_bbox=films["image_index"].isin(boxed),
        source="NIH",
        labels_by="name",
    )
    return table[list(INDEX_COLUMNS)]


def _file(path: Path, out: Path) -> str:
    return (path.relative_to(out) if path.is_relative_to(out) else path).as_posix()


def _refusal(folder: Path, refused: list[Problem], partial: bool) -> str:
    hint = ""
    if not partial and all(problem.tolerable for problem in refused):
        hint = "\nIf this is meant to be a part of the release, give --partial."
    return f"The release in {folder} cannot be used as it is:{as_lines(refused)}{hint}"

"""The official lesion boxes of ChestX-ray14: where a radiologist saw a finding on a film.

`labels/BBox_List_2017.csv` holds one row a box: image, finding, left, top, width and height in
pixels of NIH's 1024 x 1024 release. "Infiltrate" there is Infiltration (`method.md`, last lines).
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from lmeran.findings import FINDINGS
from train.data.index import DataError, Index

BOX_FILES = ("labels/BBox_List_2017.csv", "BBox_List_2017.csv")
"""Where the list is looked for, relative to the folder with index.csv."""

RELEASE_SIDE = 1024
"""Side of the images that the boxes were drawn on, in pixels."""

_COLUMNS = ["image_index", "finding", "left", "top", "width", "height"]
_OTHER_NAMES = {"Infiltrate": "Infiltration"}


@dataclass(frozen=True)
class Box:
    """A rectangle in fractions of the film, 0 .. 1 from its left and top edge."""

    left: float
    top: float
    right: float
    bottom: float

    def contains(self, x: np.ndarray, y: np.ndarray) -> np.ndarray:
        """Which points, in fractions of the film, lie in the box: bool, the shape of x and y."""
        return (self.left <= x) & (x < self.right) & (self.top <= y) & (y < self.bottom)


Boxes = dict[str, dict[str, tuple[Box, ...]]]
"""Image name -> finding -> its boxes (the official list has one for each such pair)."""


def box_file(root: str | Path) -> Path | None:
    """The box list that belongs to the index in folder `root`; None where there is none."""
    return next((path for name in BOX_FILES if (path := Path(root) / name).is_file()), None)


def read_boxes(root: str | Path) -> Boxes:
    """All boxes of the list beside `root`/index.csv, of whichever split.

    Raises `DataError` where there is no list, it is not one of NIH's, or a row is no box of one of
    the 14 findings.
    """
    path = box_file(root)
    if path is None:
        raise DataError(
            f"There is no {BOX_FILES[0]} beside the index in {root}; put NIH's list of boxes there."
        )
    boxes: Boxes = {}
    for row in _read_table(path).itertuples(index=False):
        finding = _OTHER_NAMES.get(row.finding, row.finding)
        if finding not in FINDINGS:
            raise DataError(f"'{finding}' in {path} is not one of the 14 findings.")
        of_film = boxes.setdefault(row.image_index, {})
        of_film[finding] = (*of_film.get(finding, ()), _box(row, path))
    return boxes


def boxed_rows(index: Index, boxes: Boxes) -> list[int]:
    """Rows of the index whose film has at least one box."""
    return [row for row, name in enumerate(index.names) if name in boxes]


def coverage(boxes: tuple[Box, ...], height: int, width: int) -> np.ndarray:
    """Share of every pixel that lies in the boxes, float32 (height, width), 0 .. 1.

    Exact for one box whatever the resolution, so that a box smaller than a pixel is not lost. Where
    several share a pixel at their edges, the larger share counts.
    """
    whole = np.zeros((height, width), dtype=np.float32)
    for box in boxes:
        down = _overlap(box.top * height, box.bottom * height, height)
        across = _overlap(box.left * width, box.right * width, width)
        np.maximum(whole, np.outer(down, across), out=whole)
    return whole


def _overlap(low: float, high: float, pixels: int) -> np.ndarray:
    """Length of low .. high within each of the unit intervals 0 .. 1, 1 .. 2, ..., (pixels,)."""
    edges = np.clip(np.arange(pixels + 1), low, high)
    return np.diff(edges).astype(np.float32)


def _read_table(path: Path) -> pd.DataFrame:
    """The six columns by our names; NIH's header splits "Bbox [x,y,w,h]" at its commas."""
    try:
        table = pd.read_csv(path, header=0, usecols=range(len(_COLUMNS)), dtype={0: str, 1: str})
    except ValueError:
        table = pd.DataFrame()
    if list(table.columns[:2]) != ["Image Index", "Finding Label"]:
        raise DataError(
            f"{path} is not NIH's list of boxes: its columns must be "
            "Image Index, Finding Label and Bbox [x,y,w,h]."
        )
    return table.set_axis(_COLUMNS, axis="columns")


def _box(row: tuple, path: Path) -> Box:
    """One row in fractions; what reaches over the edge of the film is cut off."""
    try:
        left, top, width, height = (float(value) / RELEASE_SIDE for value in row[2:6])
    except ValueError:
        left, top, width, height = (float("nan"),) * 4
    box = Box(max(left, 0.0), max(top, 0.0), min(left + width, 1.0), min(top + height, 1.0))
    if not (box.left < box.right and box.top < box.bottom):
        raise DataError(f"{path} has a row for {row[0]} that is no box on the film; correct it.")
    return box

"""The official lesion boxes of ChestX-ray14: where a radiologist saw a finding on a film.

`labels/BBox_List_2017.csv` holds one row per box: image, finding, left, top, width and height in
pixels of NIH's 1024 x 1024 release. "Infiltrate" there is Infiltration.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from lmeran.findings import FINDINGS, PinError, finding_index
from train.data.index import DataError, Index

BOX_FILES = ("labels/BBox_List_2017.csv", "BBox_List_2017.csv")
"""Where the list is looked for, relative to the folder with index.csv."""

RELEASE_SIDE = 1024
"""Side of the images that the boxes were drawn on, in pixels."""

SIDES = ["left", "top", "width", "height"]
_COLUMNS = ["image_index", "named", *SIDES]
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


def box_table(path: Path) -> pd.DataFrame:
    """The list as it is: image_index, named (the finding as written), finding (as `FINDINGS` has
    it, None where it is none of the 14), and left, top, width, height in pixels, NaN for no number.

    NIH's header splits "Bbox [x,y,w,h]" at its commas. Raises `ValueError` for another header.
    """
    table = pd.read_csv(path, usecols=range(len(_COLUMNS)), dtype=str, index_col=False)
    if list(table.columns[:2]) != ["Image Index", "Finding Label"]:
        raise ValueError("columns other than Image Index, Finding Label and Bbox [x,y,w,h]")
    table = table.set_axis(_COLUMNS, axis="columns")
    table["finding"] = table["named"].fillna("").map(canonical_finding)
    table[SIDES] = table[SIDES].apply(pd.to_numeric, errors="coerce")
    return table


def canonical_finding(name: str) -> str | None:
    """The name as `FINDINGS` has it, whatever its spelling; None where it is none of the 14."""
    try:
        return FINDINGS[finding_index(_OTHER_NAMES.get(name.strip(), name))]
    except PinError:
        return None


def read_boxes(root: str | Path) -> Boxes:
    """All boxes of the list beside `root`/index.csv, of whichever split; what reaches over the edge
    of the film is cut off.

    Raises `DataError` where there is no list, it is not one of NIH's, or a row is no box of one of
    the 14 findings.
    """
    path = box_file(root)
    if path is None:
        raise DataError(
            f"There is no {BOX_FILES[0]} beside the index in {root}; put NIH's list of boxes there."
        )
    try:
        table = box_table(path)
    except ValueError as error:
        raise DataError(f"{path} is not NIH's list of boxes ({error}).") from None
    unknown = table["named"][table["finding"].isna()]
    if len(unknown):
        raise DataError(f"'{unknown.iloc[0]}' in {path} is not one of the 14 findings.")
    left, top, width, height = (table[side] / RELEASE_SIDE for side in SIDES)
    right, bottom = (left + width).clip(upper=1.0), (top + height).clip(upper=1.0)
    left, top = left.clip(lower=0.0), top.clip(lower=0.0)
    wrong = table["image_index"][~((left < right) & (top < bottom))]
    if len(wrong):
        raise DataError(
            f"{path} has a row for {wrong.iloc[0]} that is no box on the film; correct it."
        )
    boxes: Boxes = {}
    columns = (table["image_index"], table["finding"], left, top, right, bottom)
    for name, finding, *corners in zip(*(column.tolist() for column in columns), strict=True):
        of_film = boxes.setdefault(name, {})
        of_film[finding] = (*of_film.get(finding, ()), Box(*corners))
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

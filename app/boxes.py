"""True boxes of findings on the films on offer, to be compared with the maps."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lmeran.findings import PinError, finding_index

BOX_FILE = "boxes.csv"
"""Beside the films of a folder: file, finding, left, top, width, height in pixels of the file."""


class BoxError(ValueError):
    """A list of boxes that cannot be used: one sentence."""


@dataclass(frozen=True)
class Box:
    """Where a finding is: its number, and a rectangle in pixels of the film."""

    finding: int
    left: float
    top: float
    width: float
    height: float

    def facts(self, width: int, height: int) -> dict[str, float]:
        """For the page: edges as shares of a film of width x height pixels."""
        return {
            "finding": self.finding,
            "left": self.left / width,
            "top": self.top / height,
            "right": (self.left + self.width) / width,
            "bottom": (self.top + self.height) / height,
        }


def parse_boxes(entries: Iterable[Mapping[str, Any]], source: str) -> tuple[Box, ...]:
    """Boxes from their fields. source: what the message names. Raises `BoxError`."""
    boxes = []
    for number, entry in enumerate(entries, 1):
        try:
            sides = [float(entry[name]) for name in ("left", "top", "width", "height")]
            box = Box(finding_index(str(entry["finding"])), *sides)
        except (KeyError, TypeError, ValueError, PinError):
            raise BoxError(
                f"Box {number} of {source} is not a finding with left, top, width and height; "
                "mend it or take the list away."
            ) from None
        boxes.append(box)
    return tuple(boxes)


def boxes_of_folder(folder: Path) -> dict[str, tuple[Box, ...]]:
    """File name to boxes from `BOX_FILE`; empty without it. Raises `BoxError`."""
    path = folder / BOX_FILE
    if not path.is_file():
        return {}
    with path.open(newline="", encoding="utf-8") as stream:
        rows = list(csv.DictReader(stream))
    boxes = parse_boxes(rows, BOX_FILE)
    names = [row.get("file") or "" for row in rows]
    return {
        name: tuple(box for of, box in zip(names, boxes, strict=True) if of == name)
        for name in dict.fromkeys(names)
    }

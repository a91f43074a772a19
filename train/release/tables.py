"""The release's tables in either spelling, and what is wrong with a release: labels, official
lists, boxes. Faults are collected by kind and reported together."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from lmeran.findings import FINDINGS
from train.data.boxes import RELEASE_SIDE, box_table, canonical_finding
from train.data.table import NO_FINDING

_NAMED = 5

_COLUMNS = {
    "image_index": ("imageindex",),
    "finding_labels": ("findinglabels",),
    "patient_id": ("patientid",),
    "age": ("patientage",),
    "sex": ("patientgender", "patientsex"),
    "view_position": ("viewposition",),
}
LABEL_COLUMNS = tuple(_COLUMNS)


@dataclass(frozen=True)
class Problem:
    """One kind of fault.

    what: what is wrong, without a number ("in both official lists").
    names: everything it concerns (image names, files, patient ids); empty where it concerns the
        release as a whole.
    tolerable: a part of the release may have it, where the user says that it is a part.
    """

    what: str
    names: tuple[str, ...] = ()
    tolerable: bool = False

    def __str__(self) -> str:
        if not self.names:
            return self.what
        more = f" and {len(self.names) - _NAMED:,} more" if len(self.names) > _NAMED else ""
        return f"{self.what}: {len(self.names):,} ({', '.join(self.names[:_NAMED])}{more})"


def concerning(what: str, names: Iterable[str], tolerable: bool = False) -> list[Problem]:
    """One problem if there is any name, else none; the names in order."""
    found = tuple(sorted(names))
    return [Problem(what, found, tolerable)] if found else []


def read_labels(path: Path) -> tuple[pd.DataFrame, list[Problem]]:
    """Data_Entry_2017.csv of either release.

    Columns: image_index, finding_labels (in the order of `FINDINGS`, "Effusion|Mass" or "No
    Finding"; names that are none of the 14 are left out and reported), patient_id, age in years
    (the first release writes 058Y), sex, view_position; all text but age, an integer or NA.
    """
    header = pd.read_csv(path, nrows=0, index_col=False, encoding="utf-8-sig").columns
    places = {re.sub(r"[\W_]", "", name).lower(): place for place, name in enumerate(header)}
    found = {
        name: next((places[s] for s in spellings if s in places), None)
        for name, spellings in _COLUMNS.items()
    }
    absent = [name for name, position in found.items() if position is None]
    if absent:
        empty = pd.DataFrame(columns=list(LABEL_COLUMNS))
        return empty, concerning(f"columns missing in {path.name}", absent)
    # By position, and no column as index: rows may end in a comma where the header does not.
    positions = sorted(found.values())
    table = pd.read_csv(
        path,
        usecols=positions,
        index_col=False,
        dtype=str,
        keep_default_na=False,
        encoding="utf-8-sig",
    )
    table.columns = sorted(found, key=lambda name: found[name])
    table = table[list(LABEL_COLUMNS)].apply(lambda column: column.str.strip())
    problems = _canonical_labels(table)
    table["patient_id"] = table["patient_id"].str.replace(r"^0+(?=\d)", "", regex=True)
    table["age"] = _years(table["age"])
    return table, problems


def read_list(path: Path) -> tuple[str, ...]:
    """Names of an official list, one per line."""
    return tuple(
        name for line in path.read_text("utf-8-sig").splitlines() if (name := line.strip())
    )


def read_boxes(path: Path) -> tuple[pd.DataFrame, list[Problem]]:
    """BBox_List_2017.csv as `train.data.boxes.box_table`. Raises `ValueError`."""
    table = box_table(path)
    left, top, width, height = (table[side] for side in ("left", "top", "width", "height"))
    inside = (left >= 0) & (top >= 0) & (width > 0) & (height > 0)
    inside &= (left + width <= RELEASE_SIDE) & (top + height <= RELEASE_SIDE)
    where = (table["image_index"] + " " + table["named"]).fillna("empty row")
    return table, [
        *concerning("boxes of unknown findings", where[table["finding"].isna()]),
        *concerning("boxes that do not lie within the film", where[~inside]),
    ]


def _canonical_labels(table: pd.DataFrame) -> list[Problem]:
    """Rewrite finding_labels in place; what is odd about them is returned."""
    unknown: set[str] = set()
    contradictory: set[str] = set()
    texts = {}
    for text in table["finding_labels"].unique():
        parts = [part.strip() for part in text.split("|")]
        known = [canonical_finding(p) for p in parts if p != NO_FINDING]
        unknown.update(
            part or "(empty)"
            for part in parts
            if part != NO_FINDING and canonical_finding(part) is None
        )
        if known and NO_FINDING in parts:
            contradictory.add(text)
        texts[text] = "|".join(f for f in FINDINGS if f in known) or NO_FINDING
    both = table["image_index"][table["finding_labels"].isin(contradictory)]
    table["finding_labels"] = table["finding_labels"].map(texts)
    return [
        *concerning("unknown findings", unknown),
        *concerning(f"films with findings and {NO_FINDING}", both),
    ]


def _years(ages: pd.Series) -> pd.Series:
    """ "058Y", "011M", "003D" or "58" to whole years; NA where it is none of these."""
    parts = ages.str.extract(r"^(\d+)([YMD]?)$")
    per_year = parts[1].map({"": 1, "Y": 1, "M": 12, "D": 365})
    return (pd.to_numeric(parts[0], errors="coerce") // per_year).astype("Int64")

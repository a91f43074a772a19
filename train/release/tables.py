"""The release's tables in either spelling: labels, official lists, boxes."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from lmeran.findings import FINDINGS, PinError, finding_index
from train.release.problems import Problem, concerning

NO_FINDING = "No Finding"
FILM_SIDE = 1024
"""Side of the release's images in pixels; boxes are given in these."""

_COLUMNS = {
    "image_index": ("imageindex",),
    "finding_labels": ("findinglabels",),
    "patient_id": ("patientid",),
    "age": ("patientage",),
    "sex": ("patientgender", "patientsex"),
    "view_position": ("viewposition",),
}
LABEL_COLUMNS = tuple(_COLUMNS)
_OTHER_NAMES = {"Infiltrate": "Infiltration"}
"""BBox_List_2017.csv names one finding otherwise."""


def canonical_finding(name: str) -> str | None:
    """The name as `FINDINGS` has it, whatever its spelling; None where it is none of the 14."""
    try:
        return FINDINGS[finding_index(_OTHER_NAMES.get(name.strip(), name))]
    except PinError:
        return None


def read_labels(path: Path) -> tuple[pd.DataFrame, list[Problem]]:
    """Data_Entry_2017.csv of either release.

    Columns: image_index, finding_labels (in the order of `FINDINGS`, "Effusion|Mass" or "No
    Finding"; names that are none of the 14 are left out and reported), patient_id, age in years
    (the first release writes 058Y), sex, view_position; all text but age, an integer or NA.
    """
    header = pd.read_csv(path, nrows=0, index_col=False, encoding="utf-8-sig").columns
    places = {_fold(column): position for position, column in enumerate(header)}
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
    """Names of an official list, one a line."""
    return tuple(
        name for line in path.read_text("utf-8-sig").splitlines() if (name := line.strip())
    )


def read_boxes(path: Path) -> tuple[pd.DataFrame, list[Problem]]:
    """BBox_List_2017.csv: image_index, finding (None where it is none of the 14), x, y, w, h.

    Box sides in pixels of the 1024 x 1024 image. The header has nine columns over six values.
    """
    names = ["image_index", "finding", "x", "y", "w", "h"]
    table = pd.read_csv(
        path, header=None, skiprows=1, names=names, usecols=range(6), dtype=str, index_col=False
    )
    where = (table["image_index"] + " " + table["finding"]).fillna("empty row")
    table["finding"] = table["finding"].fillna("").map(canonical_finding)
    sides = table[["x", "y", "w", "h"]].apply(pd.to_numeric, errors="coerce")
    table[["x", "y", "w", "h"]] = sides
    inside = (
        (sides["x"] >= 0)
        & (sides["y"] >= 0)
        & (sides["w"] > 0)
        & (sides["h"] > 0)
        & (sides["x"] + sides["w"] <= FILM_SIDE)
        & (sides["y"] + sides["h"] <= FILM_SIDE)
    )
    problems = concerning("boxes of unknown findings", where[table["finding"].isna()])
    problems += concerning("boxes that do not lie within the film", where[~inside])
    return table, problems


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


def _fold(column: str) -> str:
    return "".join(letter for letter in column.lower() if letter.isalnum())

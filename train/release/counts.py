"""How many films carry each label in the releases that NIH published; mixtures are refused."""

from __future__ import annotations

import pandas as pd

from lmeran.findings import FINDINGS
from train.release.problems import Problem
from train.release.tables import NO_FINDING

FILMS, TRAIN_VAL, TEST, PATIENTS = 112_120, 86_524, 25_596, 30_805
BOXES = 984

_V2020 = (11559, 2776, 13317, 19894, 5782, 6331, 1431, 5302, 4667, 2303, 2516, 1686, 3385, 227)

RELEASES: dict[str, dict[str, int]] = {
    "Data_Entry_2017_v2020": {NO_FINDING: 60_361, **dict(zip(FINDINGS, _V2020, strict=True))},
    # Only these two counts of the older release are known.
    "Data_Entry_2017 of 2017": {NO_FINDING: 60_412, "Pneumonia": 1_353},
}
"""Films by label; a table is of the release whose known counts it has."""


def label_counts(table: pd.DataFrame) -> dict[str, int]:
    """Films that carry each of the 14 findings, and those with none."""
    counts = dict.fromkeys((NO_FINDING, *FINDINGS), 0)
    for text, films in table["finding_labels"].value_counts().items():
        for label in str(text).split("|"):
            counts[label] += int(films)
    return counts


def release_of(table: pd.DataFrame) -> str | None:
    """Name of the release whose counts the table has, None where it has those of none."""
    counts = label_counts(table)
    for name, known in RELEASES.items():
        if all(counts[label] == count for label, count in known.items()):
            return name
    return None


def check_counts(table: pd.DataFrame) -> list[Problem]:
    """Label counts of a whole table against the releases; of a part, only that it is one."""
    if len(table) != FILMS:
        what = f"{len(table):,} rows in the label table instead of {FILMS:,}"
        return [Problem(what, tolerable=len(table) < FILMS)]
    if release_of(table) is not None:
        return []
    counts, known = label_counts(table), next(iter(RELEASES.items()))
    wrong = tuple(
        f"{label} {counts[label]:,} instead of {count:,}"
        for label, count in known[1].items()
        if counts[label] != count
    )
    return [Problem(f"labels whose counts are of no release (compared: {known[0]})", wrong)]

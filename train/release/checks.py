"""What the tables of the release must fulfil before any pixel is read: they must agree with each
other, and with the label counts of one of the releases that NIH published."""

from __future__ import annotations

import pandas as pd

from lmeran.findings import FINDINGS
from train.data.table import NO_FINDING
from train.release.tables import Problem, concerning

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
    carried = table["finding_labels"].str.split("|").explode().value_counts()
    return {label: int(carried.get(label, 0)) for label in (NO_FINDING, *FINDINGS)}


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


def with_splits(
    labels: pd.DataFrame, train_val: tuple[str, ...], test: tuple[str, ...]
) -> pd.DataFrame:
    """The label table with official_split: "train_val", "test", or "" (in no list or in both)."""
    names = labels["image_index"]
    first, second = names.isin(train_val), names.isin(test)
    split = pd.Series("", index=labels.index)
    split[first & ~second] = "train_val"
    split[second & ~first] = "test"
    return labels.assign(official_split=split)


def check_labels(
    labels: pd.DataFrame, train_val: tuple[str, ...], test: tuple[str, ...]
) -> list[Problem]:
    """Everything that label table and official lists must fulfil (both lists as read).

    labels: as `read_labels` gives it.
    """
    names = labels["image_index"]
    split = with_splits(labels, train_val, test)
    listed = set(train_val) | set(test)
    return [
        *check_counts(labels),
        *_check_size("patients in the label table", labels["patient_id"].nunique(), PATIENTS),
        *_check_size("names in train_val_list.txt", len(train_val), TRAIN_VAL),
        *_check_size("names in test_list.txt", len(test), TEST),
        *concerning("films twice in the label table", _twice(tuple(names))),
        *concerning("films twice in one official list", _twice(train_val) | _twice(test)),
        *concerning("films in both official lists", set(train_val) & set(test)),
        *concerning("films in no official list", set(names) - listed),
        *concerning("listed films without labels", listed - set(names), tolerable=True),
        *concerning("films whose name is not of their patient", names[~_own_name(labels)]),
        *concerning("patients in both official splits", _shared_patients(split)),
    ]


def check_boxes(boxes: pd.DataFrame, labels: pd.DataFrame) -> list[Problem]:
    """That the boxes are all there and on films of the label table."""
    unknown = set(boxes["image_index"].dropna()) - set(labels["image_index"])
    return [
        *_check_size("boxes in BBox_List_2017.csv", len(boxes), BOXES),
        *concerning("films with boxes but without labels", unknown, tolerable=True),
    ]


def _check_size(what: str, found: int, expected: int) -> list[Problem]:
    if found == expected:
        return []
    return [Problem(f"{found:,} {what} instead of {expected:,}", tolerable=found < expected)]


def _twice(names: tuple[str, ...]) -> set[str]:
    listed = pd.Series(names, dtype=str)
    return set(listed[listed.duplicated()])


def _own_name(labels: pd.DataFrame) -> pd.Series:
    prefix = labels["image_index"].str.extract(r"^0*(\d+)_\d+\.png$")[0]
    return prefix == labels["patient_id"]


def _shared_patients(split: pd.DataFrame) -> set[str]:
    known = split[split["official_split"] != ""]
    splits = known.groupby("patient_id")["official_split"].nunique()
    return set(splits[splits > 1].index)

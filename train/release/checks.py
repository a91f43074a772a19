"""The label side of the release: tables that must agree with each other, before any pixel."""

from __future__ import annotations

import pandas as pd

from train.release.counts import BOXES, PATIENTS, TEST, TRAIN_VAL, check_counts
from train.release.problems import Problem, concerning


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
        *concerning("films twice in the label table", set(names[names.duplicated()])),
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
    series = pd.Series(names, dtype=str)
    return set(series[series.duplicated()])


def _own_name(labels: pd.DataFrame) -> pd.Series:
    prefix = labels["image_index"].str.extract(r"^0*(\d+)_\d+\.png$")[0]
    return prefix == labels["patient_id"]


def _shared_patients(split: pd.DataFrame) -> set[str]:
    known = split[split["official_split"] != ""]
    splits = known.groupby("patient_id")["official_split"].nunique()
    return set(splits[splits > 1].index)

"""The label side of the whole release: 112,120 rows of the published tables, without pixels."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from tests.conftest import ROOT
from train.config import TrainConfig
from train.data.index import Index, split_by_patient
from train.release.checks import (
    check_boxes,
    check_counts,
    check_labels,
    label_counts,
    release_of,
    with_splits,
)
from train.release.sources import find_sources
from train.release.tables import read_boxes, read_labels, read_list

SHARED = ROOT.parent / "shared" / "data"
pytestmark = pytest.mark.skipif(not SHARED.is_dir(), reason="the release's label table is not here")


@pytest.fixture(scope="module")
def whole_labels() -> pd.DataFrame:
    sources, problems = find_sources(SHARED)
    assert not problems
    labels, odd = read_labels(sources.labels)
    assert not odd
    return labels


@pytest.fixture(scope="module")
def lists() -> tuple[tuple[str, ...], tuple[str, ...]]:
    folder = SHARED / "splits"
    return read_list(folder / "train_val_list.txt"), read_list(folder / "test_list.txt")


def test_the_published_tables_are_consistent(
    whole_labels: pd.DataFrame, lists: tuple[tuple[str, ...], tuple[str, ...]]
) -> None:
    assert check_labels(whole_labels, *lists) == []
    assert release_of(whole_labels) == "Data_Entry_2017_v2020"
    boxes, odd = read_boxes(SHARED / "labels" / "BBox_List_2017.csv")
    assert odd == check_boxes(boxes, whole_labels) == []
    assert boxes["finding"].nunique() == 8
    assert label_counts(whole_labels)["Hernia"] == 227


def test_the_older_release_is_known_and_a_mixture_refused(whole_labels: pd.DataFrame) -> None:
    labels = whole_labels["finding_labels"].copy()
    alone = labels.index[labels == "Pneumonia"][:51]
    beside = labels.index[labels.str.contains(r"Pneumonia\|")][:27]
    labels[alone] = "No Finding"
    labels[beside] = labels[beside].str.replace("Pneumonia|", "", regex=False)
    older = whole_labels.assign(finding_labels=labels)
    assert release_of(older) == "Data_Entry_2017 of 2017"
    half = older.assign(
        finding_labels=np.where(
            np.arange(len(older)) % 2, older["finding_labels"], whole_labels["finding_labels"]
        )
    )
    assert release_of(half) is None
    (problem,) = check_counts(half)
    assert "Pneumonia" in str(problem)
    assert not problem.tolerable, "a mixture is refused in a part as well"


def test_the_validation_share_is_near_the_papers(
    whole_labels: pd.DataFrame, lists: tuple[tuple[str, ...], tuple[str, ...]]
) -> None:
    split = with_splits(whole_labels, *lists)
    rows = split[split["official_split"] == "train_val"]
    count = len(rows)
    index = Index(
        root=Path(),
        files=tuple(rows["image_index"]),
        names=tuple(rows["image_index"]),
        patients=rows["patient_id"].to_numpy(),
        labels=np.zeros((count, 14), np.float32),
        groups=np.zeros(count, np.int64),
    )
    _, validation = split_by_patient(index, TrainConfig().validation_share, TrainConfig().seed)
    assert abs(len(validation) - 11_212) < 0.05 * 11_212
    train, validation = split_by_patient(index, 0.1264, 0)
    assert (len(train), len(validation)) == (75_312, 11_212), "the sizes of the paper"
    assert not set(train.patients) & set(validation.patients)

"""The index of a data set, its splits and its pixel cache."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import cv2
import numpy as np
import pandas as pd
import pytest

from lmeran.config import Preprocessing
from lmeran.findings import FINDINGS
from train.data.index import (
    DataError,
    label_sets,
    label_vector,
    read_index,
    source_offsets,
    split_by_patient,
)
from train.data.pixels import cached_pixels


def test_the_index_is_read_in_the_order_of_the_findings(data: Path) -> None:
    index = read_index(data, "test")
    assert len(index) == 8
    row = index.names.index("33.png")
    assert index.labels[row, FINDINGS.index("Effusion")] == 1
    assert index.labels[row, FINDINGS.index("Edema")] == 1
    assert label_vector("No Finding").sum() == 0


def test_no_patient_is_on_both_sides_of_the_validation_split(data: Path) -> None:
    whole = read_index(data, "train_val")
    train, validation = split_by_patient(whole, 0.3, 0)
    assert not set(train.patients) & set(validation.patients)
    assert sorted(train.names + validation.names) == sorted(whole.names)
    assert split_by_patient(whole, 0.3, 0)[1].names == validation.names
    assert split_by_patient(whole, 0.3, 5)[1].names != validation.names


@pytest.mark.parametrize(
    ("change", "word"),
    [
        (lambda t: t.assign(finding_labels="Effusion|Cough"), "Cough"),
        (lambda t: t.assign(patient_id=1), "both official splits"),
        (lambda t: t.assign(image_index="x.png"), "twice"),
        (lambda t: t.drop(columns="file"), "lacks"),
        (lambda t: t.assign(official_split="test"), "no image"),
    ],
)
def test_an_index_that_cannot_be_used_is_refused(
    data: Path, tmp_path: Path, change: object, word: str
) -> None:
    table = pd.read_csv(data / "index.csv")
    change(table).to_csv(tmp_path / "index.csv", index=False)
    with pytest.raises(DataError, match=word):
        read_index(tmp_path, "train_val")


def test_label_sets_count_every_film_once() -> None:
    labels = np.stack([label_vector(t) for t in ["Mass", "No Finding", "Mass", "Effusion|Mass"]])
    assert label_sets(labels) == {"Mass": 2, "Effusion|Mass": 1, "No Finding": 1}


def test_the_pixel_cache_is_built_once_and_anew_when_a_file_changes(
    data: Path, tmp_path: Path
) -> None:
    index, preprocessing = read_index(data, "test"), Preprocessing(image_size=64)
    first = cached_pixels(index, preprocessing, tmp_path)
    assert first.shape == (8, 64, 64)
    expected = cv2.imread(str(data / index.files[3]), cv2.IMREAD_GRAYSCALE)
    assert np.array_equal(first[3], expected)
    cached_pixels(index, preprocessing, tmp_path)
    assert len(list(tmp_path.glob("*.npy"))) == 1
    (data / index.files[3]).touch()
    cached_pixels(index, preprocessing, tmp_path)
    assert len(list(tmp_path.glob("*.npy"))) == 2


def test_unreadable_images_are_named_all_at_once(data: Path, tmp_path: Path) -> None:
    index = read_index(data, "test")
    broken = dataclasses.replace(index, files=("gone1.png", "gone2.png", *index.files[2:]))
    with pytest.raises(DataError, match=r"2 image.*gone1.*gone2"):
        cached_pixels(broken, Preprocessing(image_size=64), tmp_path)


def test_source_offsets_are_what_a_source_says_by_itself(data: Path) -> None:
    index = read_index(data, "train_val")
    everywhere = source_offsets(index)  # one source: next to nothing to add
    assert np.abs(everywhere[:, [2, 4, 9]]).max() < 0.1
    halves = dataclasses.replace(index, groups=(np.arange(len(index)) >= 16).astype(np.int64))
    labels = np.zeros_like(index.labels)
    labels[:16, 2] = 1
    offsets = source_offsets(dataclasses.replace(halves, labels=labels), pseudo=4)
    assert offsets[0, 2] == pytest.approx(np.log((16 + 2) / 2), rel=1e-3)
    assert offsets[1, 2] == pytest.approx(-np.log((16 + 2) / 2), rel=1e-3)


def test_what_subgroups_need_is_read_where_the_index_tells_it(data: Path, tmp_path: Path) -> None:
    plain = read_index(data, "test")
    assert (plain.views, plain.sexes, plain.ages, plain.sources) == (None,) * 4
    assert plain.take(np.array([1])).views is None
    table = pd.read_csv(data / "index.csv").assign(
        view_position=["PA", "AP"] * 20,
        sex=["M", None] * 20,
        age=["58", "411", "", "7"] * 10,
        source=["one"] * 40,
    )
    table.to_csv(tmp_path / "index.csv", index=False)
    index = read_index(tmp_path, "test")
    assert index.views.tolist() == ["PA", "AP"] * 4
    assert index.sexes.tolist() == ["M", ""] * 4
    np.testing.assert_equal(index.ages, [58, np.nan, np.nan, 7] * 2)
    some = index.take(np.array([3, 0]))
    assert (some.views.tolist(), some.ages.tolist()) == (["AP", "PA"], [7, 58])
    assert some.sources.tolist() == ["one", "one"]

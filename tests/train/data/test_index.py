"""The index of a data set and its splits."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from lmeran.findings import FINDINGS
from train.data.index import (
    DataError,
    label_sets,
    label_vector,
    read_index,
    source_offsets,
    split_by_patient,
)


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


BLANK = ("file", "image_index", "official_split", "patient_id", "finding_labels")


def edited(data: Path, folder: Path, cells: dict[tuple[int, str], str]) -> pd.DataFrame:
    """The index of `data` with some cells replaced, by row of a spreadsheet and column."""
    table = pd.read_csv(data / "index.csv", dtype=str)
    for (row, column), text in cells.items():
        table.loc[row - 2, column] = text
    table["file"] = [str(data / file) if file else "" for file in table["file"]]
    table.to_csv(folder / "index.csv", index=False)
    return table


def refusal(folder: Path) -> str:
    with pytest.raises(DataError) as told:
        read_index(folder, "train_val")
    return str(told.value)


def test_every_fault_is_told_at_once_with_its_row(data: Path, tmp_path: Path) -> None:
    cells = {(5 + k, column): "" for k, column in enumerate(BLANK)}
    cells |= {(12, "finding_labels"): "Effusion|Cough", (13, "finding_labels"): "No Finding|Mass"}
    cells |= {(14, "official_split"): "Train_val", (15, "image_index"): "14.png"}
    cells |= {(17, "height"): "tall", (18, "finding_labels"): "Mass|"}
    edited(data, tmp_path, cells)
    assert refusal(tmp_path).splitlines()[1:] == [
        *(f"- {column} is empty: row {5 + k}" for k, column in enumerate(BLANK)),
        "- official_split is neither train_val nor test: row 14 (Train_val)",
        "- not one of the 14 findings: row 12 (Cough), 18 ()",
        "- No Finding beside a finding: row 13",
        "- image_index is listed twice: row 15 (14.png), 16 (14.png)",
        "- height is no number of pixels: row 17 (tall)",
    ]


def test_many_rows_with_a_fault_are_counted_and_the_first_named(data: Path, tmp_path: Path) -> None:
    edited(data, tmp_path, {(row, "finding_labels"): "" for row in range(2, 42)})
    assert refusal(tmp_path).endswith("20, 21 and 20 more")


@pytest.mark.parametrize(
    ("one", "other"), [("3", "00000003"), ("3", "3.0"), (" 3", "3 "), ("P3", "p3")]
)
def test_one_patient_under_two_numbers_is_never_in_both_splits(
    data: Path, tmp_path: Path, one: str, other: str
) -> None:
    edited(data, tmp_path, {(8, "patient_id"): one, (9, "patient_id"): one})
    read_index(tmp_path, "train_val")
    edited(
        data, tmp_path, {(8, "patient_id"): one, (9, "patient_id"): one, (40, "patient_id"): other}
    )
    assert "- patient in both official splits: row 8" in refusal(tmp_path)


def test_one_patient_under_two_numbers_stays_on_one_side_of_validation(
    data: Path, tmp_path: Path
) -> None:
    table = edited(data, tmp_path, {})
    padded = [f"{int(p):08}" if k % 2 else p for k, p in enumerate(table["patient_id"])]
    table.assign(patient_id=padded).to_csv(tmp_path / "index.csv", index=False)
    plain, mixed = read_index(data, "train_val"), read_index(tmp_path, "train_val")
    assert mixed.patients.tolist() == plain.patients.tolist()
    assert split_by_patient(mixed, 0.3, 0)[0].names == split_by_patient(plain, 0.3, 0)[0].names


def test_one_image_under_two_names_is_never_in_both_splits(data: Path, tmp_path: Path) -> None:
    table = edited(data, tmp_path, {})
    copy = tmp_path / "copy.png"
    copy.write_bytes((data / "images" / "3.png").read_bytes())
    table.loc[38, "file"] = "copy.png"
    table.to_csv(tmp_path / "index.csv", index=False)
    assert "the same image in both official splits: row 5" in refusal(tmp_path)
    copy.write_bytes(copy.read_bytes()[:-1] + b"\0")
    read_index(tmp_path, "train_val")
    copy.unlink()  # told when it is needed, with all other images that cannot be read
    read_index(tmp_path, "train_val")


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le"])
@pytest.mark.parametrize("separator", [",", ";", "\t"])
def test_what_spreadsheets_write_is_read(
    data: Path, tmp_path: Path, encoding: str, separator: str
) -> None:
    table = edited(data, tmp_path, {}).assign(source="Hôpital")
    text = table.to_csv(index=False, sep=separator, lineterminator="\r\n") + separator * 3 + "\r\n"
    mark = "\ufeff" if encoding == "utf-16-le" else ""
    (tmp_path / "index.csv").write_bytes((mark + text).encode(encoding))
    assert read_index(tmp_path, "test").names == read_index(data, "test").names
    assert read_index(tmp_path, "test").sources[0] == "Hôpital"


def test_another_encoding_is_told_with_its_row(data: Path, tmp_path: Path) -> None:
    text = edited(data, tmp_path, {(7, "finding_labels"): "Épanchement"}).to_csv(index=False)
    (tmp_path / "index.csv").write_bytes(text.encode("latin-1"))
    assert "UTF-8 nor UTF-16 (row 7)" in refusal(tmp_path)


@pytest.mark.parametrize("text", ["", "a,b\n1,2,3,4\n", "a,b\n1,2\n1,2,3\n", "no table"])
def test_what_is_no_table_is_told(tmp_path: Path, text: str) -> None:
    (tmp_path / "index.csv").write_text(text)
    assert "index.csv" in refusal(tmp_path)


def test_label_sets_count_every_film_once() -> None:
    labels = np.stack([label_vector(t) for t in ["Mass", "No Finding", "Mass", "Effusion|Mass"]])
    assert label_sets(labels) == {"Mass": 2, "Effusion|Mass": 1, "No Finding": 1}


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

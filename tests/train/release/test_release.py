"""From the NIH release to the index: every layout and spelling, and every fault at once."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from lmeran.config import Preprocessing
from lmeran.findings import FINDINGS
from tests.support.release_making import (
    FIRST_TEST_PATIENT,
    LABELS,
    SIDE,
    film_names,
    labels_of,
    write_release,
    write_tables,
)
from train.__main__ import main
from train.data.boxes import canonical_finding
from train.data.index import DataError, read_index
from train.data.pixels import cached_pixels
from train.release import checks
from train.release.build import INDEX_COLUMNS, index_release
from train.release.sources import check_films, find_sources
from train.release.tables import read_labels


@pytest.fixture()
def small_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    """Takes the 24 made films for the whole release."""
    names = film_names()
    carried = [label for name in names for label in labels_of(name).split("|")]
    known = {label: carried.count(label) for label in ("No Finding", *FINDINGS)}
    test = sum(int(name[:8]) >= FIRST_TEST_PATIENT for name in names)
    monkeypatch.setattr(checks, "FILMS", len(names))
    monkeypatch.setattr(checks, "RELEASES", {"made": known})
    monkeypatch.setattr(checks, "PATIENTS", 12)
    monkeypatch.setattr(checks, "TRAIN_VAL", len(names) - test)
    monkeypatch.setattr(checks, "TEST", test)
    monkeypatch.setattr(checks, "BOXES", 3)


@pytest.mark.usefixtures("small_counts")
@pytest.mark.parametrize("spelling", ["v2020", "2017"])
@pytest.mark.parametrize("layout", ["numbered", "numbered flat", "one folder", "flat"])
def test_every_layout_and_spelling_gives_the_same_index(
    tmp_path: Path, layout: str, spelling: str
) -> None:
    folder = write_release(tmp_path / "nih", layout, spelling)
    indexed, tolerated = index_release(folder)
    assert checks.release_of(indexed) == "made"
    assert not tolerated
    table = pd.read_csv(folder / "index.csv")
    assert list(table.columns) == INDEX_COLUMNS
    assert list(table["image_index"]) == film_names()
    assert set(table["finding_labels"]) == {
        "No Finding", "Effusion|Mass", "Pleural_Thickening", "Effusion|Hernia", "Pneumonia"
    }  # fmt: skip
    assert set(table["age"]) == {57}
    assert set(table["sex"]) == {"M"}
    assert set(table["height"]) == set(table["width"]) == {SIDE}
    assert list(table["image_index"][table["has_bbox"]]) == [
        f"{FIRST_TEST_PATIENT:08}_000.png",
        f"{FIRST_TEST_PATIENT:08}_001.png",
    ]
    assert (folder / "labels" / "BBox_List_2017.csv").read_text().startswith("Image Index,")

    for split, films in (("train_val", 18), ("test", 6)):
        index = read_index(folder, split)
        assert len(index) == films
        assert all((folder / file).is_file() for file in index.files)
        for row, name in enumerate(index.names):
            on = {f for f, is_on in zip(FINDINGS, index.labels[row], strict=True) if is_on}
            assert on == set(labels_of(name).split("|")) - {"No Finding"}
    again, _ = index_release(folder)  # with its own copy of the boxes in the folder
    assert again.equals(indexed)


@pytest.mark.usefixtures("small_counts")
def test_an_index_elsewhere_trains_as_well(tmp_path: Path) -> None:
    folder = write_release(tmp_path / "nih")
    before = sorted(folder.rglob("*"))
    index_release(folder, tmp_path / "out")
    assert sorted(folder.rglob("*")) == before, "the release is not changed"
    index = read_index(tmp_path / "out", "test")
    assert all(Path(file).is_absolute() for file in index.files)
    pixels = cached_pixels(index, Preprocessing(image_size=64), tmp_path / "cache")
    assert pixels[:].shape == (6, 64, 64)
    rgba = index.names.index("00000012_000.png")
    assert pixels[rgba].std() > 10


def test_columns_stay_in_place_where_rows_end_in_a_comma(tmp_path: Path) -> None:
    write_tables(tmp_path, "2017")
    assert ",0.143,\n" in (tmp_path / "Data_Entry_2017.csv").read_text()
    table, problems = read_labels(tmp_path / "Data_Entry_2017.csv")
    assert not problems
    assert list(table["image_index"]) == film_names()
    assert table["patient_id"][0] == "1"


def test_findings_are_known_in_every_spelling() -> None:
    assert canonical_finding("Infiltrate") == "Infiltration"
    assert canonical_finding("Pleural Thickening") == "Pleural_Thickening"
    assert canonical_finding(" pleural_thickening") == "Pleural_Thickening"
    assert canonical_finding("Cough") is None


@pytest.mark.parametrize(
    ("text", "years"), [("058Y", 58), ("011M", 0), ("018M", 1), ("58", 58), ("old", None)]
)
def test_ages_of_both_releases_are_years(tmp_path: Path, text: str, years: int | None) -> None:
    write_tables(tmp_path)
    path = tmp_path / "Data_Entry_2017_v2020.csv"
    path.write_text(path.read_text().replace(",57,M", f",{text},M"))
    age = read_labels(path)[0]["age"][0]
    assert age is pd.NA if years is None else age == years


def edit(path: Path, old: str, new: str) -> None:
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))


@pytest.mark.usefixtures("small_counts")
def test_all_that_is_wrong_is_told_at_once(tmp_path: Path) -> None:
    folder = write_release(tmp_path / "nih")
    images = folder / "images_001" / "images"
    (images / "00000001_000.png").unlink()
    whole = (images / "00000002_000.png").read_bytes()
    (images / "00000002_000.png").write_bytes(whole[: len(whole) // 2])
    (images / "00000003_000.png").write_bytes(b"")
    flipped = bytearray((images / "00000004_001.png").read_bytes())
    flipped[200] ^= 1
    (images / "00000004_001.png").write_bytes(flipped)
    (images / "00000099_000.png").write_bytes(whole)
    (folder / "images_002" / "images" / "00000005_000.png").write_bytes(whole)
    labels = folder / "Data_Entry_2017_v2020.csv"
    edit(labels, "00000001_001.png,Pleural_Thickening", "00000001_001.png,Cough")
    edit(labels, "00000005_000.png,No Finding", "00000005_000.png,No Finding|Mass")
    edit(labels, "00000006_000.png,Effusion|Mass,0,6", "00000006_000.png,Effusion|Mass,0,12")
    edit(folder / "train_val_list.txt", "00000007_000.png", "00000011_000.png")
    edit(folder / "BBox_List_2017.csv", "Infiltrate", "Sneeze")
    edit(folder / "BBox_List_2017.csv", "300.25,400.0", "1300.25,400.0")

    with pytest.raises(DataError) as told:
        index_release(folder)
    lines = str(told.value).splitlines()[1:]
    for words in (
        ("missing: 1", "00000001_000.png"),
        ("unreadable", "3", "00000002_000.png: cut short", "3_000.png: no PNG", "4_001.png: cut"),
        ("without labels: 1", "00000099_000.png"),
        ("two places: 1", "00000005_000.png"),
        ("unknown findings: 1", "Cough"),
        ("findings and No Finding: 1", "00000005_000.png"),
        ("not of their patient: 1", "00000006_000.png"),
        ("both official lists: 1", "00000011_000.png"),
        ("no official list: 1", "00000007_000.png"),
        ("patients in both official splits: 1", "12"),
        ("counts are of no release", "Pleural_Thickening 5 instead of 6"),
        ("boxes of unknown findings: 1", "Sneeze"),
        ("not lie within the film: 1", "Atelectasis"),
    ):
        assert any(all(word in line for word in words) for line in lines), (words, lines)
    assert not (folder / "index.csv").exists()


def test_a_part_of_the_release_needs_a_word_of_the_user(tmp_path: Path) -> None:
    folder = write_release(tmp_path / "nih", "one folder")
    for name in film_names()[:5]:
        (folder / "images" / name).unlink()
    with pytest.raises(DataError, match=r"24 rows.*(.|\n)*give --partial"):
        index_release(folder)
    part, tolerated = index_release(folder, partial=True)
    assert len(part) == 19
    assert "image files missing: 5" in "".join(map(str, tolerated))
    assert len(read_index(folder, "train_val")) == 13


def test_a_part_is_still_checked(tmp_path: Path) -> None:
    folder = write_release(tmp_path / "nih", "flat")
    edit(folder / "train_val_list.txt", "00000007_000.png", "00000011_000.png")
    with pytest.raises(DataError, match="both official lists") as told:
        index_release(folder, partial=True)
    assert "--partial" not in str(told.value)
    assert "rows in the label table" not in str(told.value)


def test_missing_and_ambiguous_tables_are_told_together(tmp_path: Path) -> None:
    folder = write_release(tmp_path / "nih", "flat")
    (folder / "test_list.txt").unlink()
    (folder / "BBox_List_2017.csv").unlink()
    write_tables(tmp_path / "nih", "2017")
    (folder / "test_list_NIH.txt").unlink()
    (folder / "BBox_List_2017_Official_NIH.csv").unlink()
    with pytest.raises(DataError) as told:
        index_release(folder, partial=True)
    assert "test_list.txt is missing" in str(told.value)
    assert "Data_Entry_2017_v2020.csv, name one by --labels: 2" in str(told.value)
    with pytest.raises(DataError) as told:
        index_release(folder, labels=folder / "Data_Entry_2017.csv")
    assert "--labels" not in str(told.value)
    assert "BBox_List_2017.csv is missing" in str(told.value)


def test_a_table_that_is_none_is_told(tmp_path: Path) -> None:
    folder = write_release(tmp_path / "nih", "flat")
    labels = folder / "Data_Entry_2017_v2020.csv"
    edit(labels, "Finding Labels", "Diagnosis")
    with pytest.raises(DataError, match=r"columns missing in Data_Entry.*finding_labels"):
        index_release(folder, partial=True)
    labels.write_bytes(b"\xff\xfe\x00<html>")
    with pytest.raises(DataError, match="a table cannot be read"):
        index_release(folder, partial=True)
    with pytest.raises(DataError, match="is no folder"):
        index_release(tmp_path / "nowhere")


def test_linked_folders_are_entered_once(tmp_path: Path) -> None:
    write_release(tmp_path / "disk" / "nih")
    (tmp_path / "here").mkdir()
    (tmp_path / "here" / "release").symlink_to(tmp_path / "disk" / "nih")
    (tmp_path / "disk" / "nih" / "loop").symlink_to(tmp_path / "disk")
    sources, problems = find_sources(tmp_path / "here")
    assert len(sources.films) == 24
    assert not problems


def test_every_cut_of_a_file_is_found(tmp_path: Path) -> None:
    whole = (write_release(tmp_path / "nih", "flat") / "00000004_000.png").read_bytes()
    paths = []
    for k, length in enumerate([0, 5, 8, 20, 33, len(whole) // 2, len(whole) - 12, len(whole)]):
        paths.append(tmp_path / f"{k}.png")
        paths[-1].write_bytes(whole[:length])
    *cut, complete = check_films(paths, workers=2)
    assert all(isinstance(reason, str) for reason in cut)
    assert complete == (SIDE, SIDE)


def test_the_command_line_indexes(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = write_release(tmp_path / "nih")
    assert main(["index", str(folder)]) == 1
    assert "--partial" in capsys.readouterr().err
    out = tmp_path / "out"
    assert main(["index", str(folder), "--partial", "--out", str(out), "--workers", "1"]) == 0
    printed = capsys.readouterr().out
    assert "24 films of 12 patients" in printed
    assert "train_val: 18" in printed
    assert len(LABELS) == 5
    assert (out / "index.csv").is_file()

"""The official boxes: read by name, in fractions of the film, refused in words."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from tests.conftest import ROOT
from train.data.boxes import Box, box_file, boxed_rows, coverage, read_boxes
from train.data.index import DataError, read_index

HEADER = "Image Index,Finding Label,Bbox [x,y,w,h],,,"
SHARED = ROOT.parent / "shared" / "data"


def write(folder: Path, *rows: str, header: str = HEADER, name: str = "labels") -> Path:
    (folder / name).mkdir(exist_ok=True)
    path = folder / name / "BBox_List_2017.csv"
    path.write_text("\n".join([header, *rows]) + "\n")
    return path


def test_boxes_are_fractions_of_the_film_under_our_names(tmp_path: Path) -> None:
    write(
        tmp_path,
        "a.png,Infiltrate,256,512,128,64",
        "a.png,Mass,0,0,1024,1024",
        "b.png,Mass,960,-32,128,96",
        "b.png,Mass,0,0,512,512",
    )
    boxes = read_boxes(tmp_path)
    assert boxes["a.png"] == {
        "Infiltration": (Box(0.25, 0.5, 0.375, 0.5625),),
        "Mass": (Box(0, 0, 1, 1),),
    }
    assert boxes["b.png"]["Mass"] == (Box(0.9375, 0, 1, 0.0625), Box(0, 0, 0.5, 0.5))


def test_the_list_may_lie_beside_the_index_itself(tmp_path: Path) -> None:
    assert box_file(tmp_path) is None
    write(tmp_path, name=".")
    assert box_file(tmp_path) == tmp_path / "BBox_List_2017.csv"
    assert read_boxes(tmp_path) == {}


@pytest.mark.parametrize(
    ("rows", "header", "word"),
    [
        (["a.png,Cough,1,1,1,1"], HEADER, "Cough"),
        (["a.png,Mass,1,1,0,1"], HEADER, r"a\.png"),
        (["a.png,Mass,1,1,,1"], HEADER, r"a\.png"),
        (["a.png,Mass,x,1,1,1"], HEADER, r"a\.png"),
        (["a.png,Mass,1030,1,5,5"], HEADER, r"a\.png"),
        (["a.png,Mass"], "Image Index,Finding Label", "not NIH's list"),
        (["a.png,Mass,1,1,1,1"], "name,what,x,y,w,h", "not NIH's list"),
    ],
)
def test_what_is_no_box_list_is_refused(
    tmp_path: Path, rows: list[str], header: str, word: str
) -> None:
    write(tmp_path, *rows, header=header)
    with pytest.raises(DataError, match=word):
        read_boxes(tmp_path)


def test_a_missing_list_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"labels/BBox_List_2017\.csv"):
        read_boxes(tmp_path)


def test_boxed_rows_are_those_of_the_index(data: Path) -> None:
    index = read_index(data, "test")
    boxes = {name: {"Mass": (Box(0, 0, 1, 1),)} for name in ("34.png", "33.png", "1.png")}
    assert [index.names[row] for row in boxed_rows(index, boxes)] == ["33.png", "34.png"]


@pytest.mark.parametrize("seed", range(5))
def test_coverage_equals_fine_sampling(seed: int) -> None:
    rng = np.random.default_rng(seed)
    left, right = np.sort(rng.integers(0, 701, 2)) / 700
    top, bottom = np.sort(rng.integers(0, 901, 2)) / 900
    box = Box(left, top, right + 1e-9, bottom + 1e-9)
    y, x = (np.indices((900, 700)).astype(float) + 0.5) / np.array([900, 700])[:, None, None]
    sampled = box.contains(x, y).reshape(9, 100, 7, 100).mean(axis=(1, 3))
    assert coverage((box,), 9, 7) == pytest.approx(sampled, abs=1e-6)


def test_coverage_keeps_what_is_smaller_than_a_pixel_and_joins_boxes() -> None:
    speck = Box(0.5, 0.5, 0.51, 0.52)
    assert coverage((speck,), 4, 4).sum() == pytest.approx(0.01 * 0.02 * 16, rel=1e-5)
    halves = (Box(0, 0, 0.5, 1), Box(0.25, 0, 0.75, 1))
    assert np.array_equal(coverage(halves, 2, 4), [[1, 1, 1, 0]] * 2)


@pytest.mark.skipif(not SHARED.is_dir(), reason="needs the shared data folder")
def test_the_official_list() -> None:
    boxes = read_boxes(SHARED)
    assert len(boxes) == 880
    assert sum(len(of_film) for of_film in boxes.values()) == 984
    assert len({finding for of_film in boxes.values() for finding in of_film}) == 8
    index = read_index(SHARED, "test")
    rows = boxed_rows(index, boxes)
    assert len(rows) == 449
    for row in rows:
        findings = boxes[index.names[row]]
        assert all(len(of_finding) == 1 for of_finding in findings.values())

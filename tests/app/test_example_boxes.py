"""True boxes of the films on offer, from their list to the page."""

from __future__ import annotations

from pathlib import Path

import cv2
import pytest

from app.boxes import Box, BoxError, boxes_of_folder, parse_boxes
from app.examples import load_examples
from app.server import main
from app.service import ReadingService
from app.sessions import RadiographStore
from lmeran.findings import FINDINGS
from lmeran.imaging.decoding_process import DecodingProcess
from lmeran.imaging.files import read_bytes
from lmeran.predictor import Predictor
from tests.conftest import film_pixels

HEADER = "file,finding,left,top,width,height\n"


@pytest.fixture()
def folder(tmp_path: Path) -> Path:
    """Two films, one with two boxes in pixels."""
    for name in ("a.png", "b.png"):
        cv2.imwrite(str(tmp_path / name), film_pixels(200, 100))
    rows = "a.png,Mass,10,20,30,40\na.png,pleural thickening,0,100,50,100\nc.png,Mass,1,1,1,1\n"
    (tmp_path / "boxes.csv").write_text(HEADER + rows)
    return tmp_path


def test_a_folders_boxes_belong_to_their_films(folder: Path) -> None:
    with DecodingProcess() as process:
        first, second = load_examples(folder, process)
    thick = FINDINGS.index("Pleural_Thickening")
    assert first.boxes == (
        Box(FINDINGS.index("Mass"), 10, 20, 30, 40),
        Box(thick, 0, 100, 50, 100),
    )
    assert second.boxes == ()


def test_the_page_gets_shares_of_the_films_sides(folder: Path, predictor: Predictor) -> None:
    with DecodingProcess() as process:
        examples = load_examples(folder, process)
    service = ReadingService(predictor, examples, RadiographStore(), read_bytes)
    reply = service.open_example(0, "me")
    assert reply["boxes"][0] == {
        "finding": FINDINGS.index("Mass"),
        "left": 0.1,
        "top": 0.1,
        "right": 0.4,
        "bottom": pytest.approx(0.3),
    }
    assert service.open_example(1, "me")["boxes"] == []


@pytest.mark.parametrize("row", ["a.png,Cough,1,1,1,1", "a.png,Mass,1,x,1,1", "a.png,Mass,1"])
def test_a_list_that_cannot_be_used_is_refused_in_words(folder: Path, row: str) -> None:
    (folder / "boxes.csv").write_text(HEADER + row + "\n")
    with pytest.raises(BoxError, match=r"Box 1 of boxes.csv is not a finding"):
        boxes_of_folder(folder)


def test_the_viewer_does_not_start_on_such_a_list(
    folder: Path, checkpoint_folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / "boxes.csv").write_text(HEADER + "a.png,Cough,1,1,1,1\n")
    assert main(["--checkpoint", str(checkpoint_folder), "--examples", str(folder)]) == 2
    assert "boxes.csv" in capsys.readouterr().err


def test_without_a_list_there_are_no_boxes(tmp_path: Path) -> None:
    assert boxes_of_folder(tmp_path) == {}
    assert parse_boxes([], "x") == ()

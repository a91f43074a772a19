"""`--frame` of the command line: predict, explain, export and replay read the same frame."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pydicom import Dataset, dcmread

from lmeran.cli.main import main
from lmeran.imaging.files import read_file
from lmeran.predictor import Predictor
from tests.support import dicom_making
from tests.support.readings import predict_file

REFERENCES = {"StudyInstanceUID": "1.2.3.5", "SeriesInstanceUID": "1.2.3.6"}


@pytest.fixture()
def path(tmp_path: Path) -> Path:
    """A file of two frames that differ."""
    return write(tmp_path / "two.dcm", frames())


@pytest.fixture()
def second(tmp_path: Path) -> Path:
    """The second frame alone."""
    return write(tmp_path / "one.dcm", frames()[1:])


def frames() -> list[np.ndarray]:
    noise = np.random.default_rng(0).integers(0, 4095, (2, 90, 70))
    return list(noise.astype(np.uint16))


def write(path: Path, pictures: list[np.ndarray]) -> Path:
    ds = dicom_making.film(pictures[0], **REFERENCES, NumberOfFrames=len(pictures))
    ds.PixelData = b"".join(picture.tobytes() for picture in pictures)
    path.write_bytes(dicom_making.written(ds))
    return path


def answer(capsys: pytest.CaptureFixture[str], *arguments: object) -> dict[str, Any]:
    main([str(argument) for argument in arguments])
    return json.loads(capsys.readouterr().out)


def test_predict_and_explain_read_the_frame(
    capsys: pytest.CaptureFixture[str],
    path: Path,
    second: Path,
    predictor: Predictor,
    checkpoint_folder: Path,
) -> None:
    wanted = predict_file(predictor, second, {})["findings"]
    free = [entry["free"] for entry in wanted]
    for command in ("predict", "explain"):
        options = ("--frame", 2, "--checkpoint", checkpoint_folder)
        film = answer(capsys, command, path, *options)
        assert [e["free"] for e in film["findings"]] == pytest.approx(free, abs=1e-5)
        assert any("frame 2 of 2" in warning for warning in film["warnings"])
    film = answer(capsys, "predict", path, "--frame", 3, "--checkpoint", checkpoint_folder)
    assert "choose one from 1 to 2" in film["error"]


def test_an_exported_frame_is_replayed_on_that_frame_only(
    capsys: pytest.CaptureFixture[str], path: Path, tmp_path: Path, checkpoint_folder: Path
) -> None:
    common = ["--checkpoint", str(checkpoint_folder)]
    made = ["--as", "reading", "--frame", "2", "--out", str(tmp_path / "out")]
    assert main(["export", str(path), *made, *common]) == 0
    [reading] = (tmp_path / "out").iterdir()
    replay = ["replay", str(reading), "--image", str(path), *common]
    assert main([*replay, "--frame", "2"]) == 0
    capsys.readouterr()
    assert main(replay) != 0


def test_dicom_objects_name_the_frame(path: Path, tmp_path: Path, checkpoint_folder: Path) -> None:
    pytest.importorskip("highdicom")
    made = ["--as", "sr,seg,sc", "--frame", "2", "--out", str(tmp_path / "out")]
    assert main(["export", str(path), *made, "--checkpoint", str(checkpoint_folder)]) == 0
    for file in sorted((tmp_path / "out").iterdir()):
        ds = dcmread(file)
        assert set(frames_named(ds)) == {2}, ds.Modality


def frames_named(ds: Dataset) -> list[int]:
    """Referenced Frame Number (0008,1160) at any depth."""
    found: list[int] = []
    ds.walk(lambda _, e: found.append(e.value) if e.keyword == "ReferencedFrameNumber" else None)
    return found


def test_a_frame_is_a_number_from_one_on(
    capsys: pytest.CaptureFixture[str], film_file: Path
) -> None:
    for command in ("predict", "explain", "export"):
        with pytest.raises(SystemExit):
            main([command, str(film_file), "--frame", "0"])
        assert "whole number from 1 on" in capsys.readouterr().err
    assert read_file(film_file).frames == 1

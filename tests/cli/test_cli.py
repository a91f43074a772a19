"""`python -m lmeran predict` as a user runs it."""

from __future__ import annotations

import csv
import io
import json
import subprocess
import sys
from pathlib import Path

import cv2
import pytest

from lmeran.cli.main import main
from lmeran.findings import FINDINGS
from tests.conftest import ROOT, film_pixels


@pytest.fixture()
def folder(tmp_path: Path) -> Path:
    inside = tmp_path / "films" / "deeper"
    inside.mkdir(parents=True)
    cv2.imwrite(str(tmp_path / "films" / "a.png"), film_pixels())
    cv2.imwrite(str(inside / "b.jpg"), film_pixels(90, 140, 1))
    (inside / "broken.dcm").write_bytes(b"not a film")
    (tmp_path / "films" / "notes.txt").write_text("no film")
    return tmp_path / "films"


def run(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    status = main(["predict", *arguments])
    captured = capsys.readouterr()
    return status, captured.out, captured.err


def test_json_is_one_object_a_film(
    capsys: pytest.CaptureFixture[str], film_file: Path, checkpoint_folder: Path
) -> None:
    status, out, _ = run(
        capsys,
        str(film_file),
        "--checkpoint",
        str(checkpoint_folder),
        *("--pin", "Effusion=positive", "--pin", "edema=negative"),
    )
    assert status == 0
    film = json.loads(out)
    assert film["file"] == str(film_file)
    assert len(film["checkpoint"]) == 12
    assert film["warnings"] == []
    assert [entry["finding"] for entry in film["findings"]] == list(FINDINGS)
    for entry in film["findings"]:
        assert 0 < entry["free"] < 1
        pinned = entry["finding"] in ("Effusion", "Edema")
        assert (entry["conditioned"] is None) == pinned
        assert (entry["state"] == "unknown") == (not pinned)


def test_csv_is_one_row_a_film_and_a_bad_file_is_a_row(
    capsys: pytest.CaptureFixture[str], folder: Path, checkpoint_folder: Path
) -> None:
    common = (str(folder), "--checkpoint", str(checkpoint_folder), "--pin", "Mass=positive")
    status, out, _ = run(capsys, *common, "--format", "csv")
    assert status == 1
    rows = list(csv.DictReader(io.StringIO(out)))
    assert list(rows[0]) == ["file", *FINDINGS, "warnings", "error"]
    assert [Path(row["file"]).name for row in rows] == ["a.png", "b.jpg", "broken.dcm"]
    assert rows[2]["error"]
    assert rows[2]["Mass"] == ""
    _, out, _ = run(capsys, *common)
    films = [json.loads(line) for line in out.splitlines()]
    assert films[2]["error"] == rows[2]["error"]
    for row, film in zip(rows[:2], films, strict=False):
        for entry in film["findings"]:
            shown = entry["free"] if entry["conditioned"] is None else entry["conditioned"]
            assert float(row[entry["finding"]]) == shown


def test_out_writes_a_file(
    capsys: pytest.CaptureFixture[str], film_file: Path, checkpoint_folder: Path, tmp_path: Path
) -> None:
    target = tmp_path / "out.json"
    status, out, _ = run(
        capsys, str(film_file), "--checkpoint", str(checkpoint_folder), "--out", str(target)
    )
    assert (status, out) == (0, "")
    assert json.loads(target.read_text())["error"] is None


@pytest.mark.parametrize(
    "extra",
    [["--pin", "Efusion=positive"], ["--checkpoint", "/nowhere"], ["--checkpoint", "hf://x"]],
)
def test_what_cannot_start_says_why_in_one_line(
    capsys: pytest.CaptureFixture[str], film_file: Path, extra: list[str]
) -> None:
    status, out, err = run(capsys, str(film_file), *extra)
    assert (status, out) == (2, "")
    assert len(err.strip().splitlines()) == 1


def test_a_folder_without_films_says_so(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    status, _, err = run(capsys, str(tmp_path))
    assert status == 2
    assert "No film" in err


def test_neither_the_package_nor_its_help_waits_for_pytorch() -> None:
    code = "import atexit, sys, lmeran; from lmeran.cli.main import main; lmeran.FINDINGS\n"
    code += "atexit.register(lambda: print('torch' in sys.modules)); main(['predict', '--help'])"
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    assert "FILE_OR_DIR" in done.stdout
    assert done.stdout.endswith("False\n")


def test_explain_without_a_box_adds_what_it_is_worth(
    capsys: pytest.CaptureFixture[str], film_file: Path, checkpoint_folder: Path
) -> None:
    arguments = ["explain", str(film_file), "--checkpoint", str(checkpoint_folder)]
    assert main(arguments) == 0
    plain = json.loads(capsys.readouterr().out)
    assert main([*arguments, "--without", "10,20,30,25"]) == 0
    explained = json.loads(capsys.readouterr().out)
    region = explained.pop("region")
    assert explained == plain
    assert region["box"] == [10, 20, 30, 25]
    whole = {entry["finding"]: entry["free"] for entry in plain["findings"]}
    for finding, values in region["findings"].items():
        assert values["whole"] == pytest.approx(whole[finding], abs=1e-4)
        assert len(values["without_controls"]) == len(region["control_boxes"])
    assert main([*arguments, "--without", "5000,5000,10,10"]) == 0
    assert "on the film" in json.loads(capsys.readouterr().out)["region"]["error"]

"""`predict` on folders: the numbers of one film at a time, in order, through stops, shared out."""

from __future__ import annotations

import csv
import io
import json
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from lmeran.cli.main import main
from lmeran.findings import FINDINGS, State
from lmeran.imaging.radiograph import Radiograph
from lmeran.predictor import Predictor
from tests.conftest import ROOT, film_pixels
from tests.imaging.test_zipped import png, zipped
from tests.support.dicom_making import film, written
from tests.support.readings import predict_file

PIN = ("--pin", "Effusion=positive")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """13 films, three of them unreadable, in a folder, a deeper one and a zip."""
    top = tmp_path_factory.mktemp("films")
    (top / "deep").mkdir()
    for k in range(7):
        cv2.imwrite(str(top / f"{k}.png"), film_pixels(100 + 9 * k, 120, k))
    (top / "2b.dcm").write_bytes(b"no film")
    (top / "deep" / "IM1").write_bytes(written(film()))
    (top / "deep" / "US").write_bytes(written(film(Modality="US")))
    (top / "deep" / "notes.txt").write_text("no film")
    (top / "m.zip").write_bytes(zipped({"a/1.png": png(20), "a/bad.png": b"no", "a/IM2": png(21)}))
    return top


def labels_of(folder: Path) -> list[str]:
    """What is answered, in order."""
    names = ["0.png", "1.png", "2.png", "2b.dcm", *(f"{k}.png" for k in range(3, 7))]
    names += ["deep/IM1", "deep/US", "m.zip/a/1.png", "m.zip/a/IM2", "m.zip/a/bad.png"]
    return [f"{folder}/{name}" for name in names]


def command(folder: Path, checkpoint: Path, *options: object) -> list[str]:
    given = ["predict", folder, "--checkpoint", checkpoint, "--device", "cpu", *PIN, *options]
    return [str(argument) for argument in given]


def answers(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_bytes().splitlines()]


def assert_same(got: list[dict[str, Any]], wanted: list[dict[str, Any]]) -> None:
    """The same films in the same order, with the same numbers but for the last digits."""
    assert [film["file"] for film in got] == [film["file"] for film in wanted]
    for one, other in zip(got, wanted, strict=True):
        for key in ("checkpoint", "warnings", "error"):
            assert one[key] == other[key]
        for a, b in zip(one["findings"], other["findings"], strict=True):
            assert (a["finding"], a["state"]) == (b["finding"], b["state"])
            for value in ("free", "conditioned"):
                assert a[value] == (None if b[value] is None else pytest.approx(b[value], abs=1e-5))


@pytest.fixture(scope="module")
def whole(folder: Path, checkpoint_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The answers of a run that nothing stopped, by two processes that decode, 4 films a pass."""
    out = tmp_path_factory.mktemp("whole") / "out.jsonl"
    options = ("--workers", 2, "--batch", 4, "--out", out)
    assert main(command(folder, checkpoint_folder, *options)) == 1
    return out


def test_batches_and_processes_give_what_one_film_at_a_time_gives(
    whole: Path, folder: Path, predictor: Predictor
) -> None:
    got = answers(whole)
    assert [film["file"] for film in got] == labels_of(folder)
    bad = [k for k, film in enumerate(got) if film["error"]]
    assert [Path(got[k]["file"]).name for k in bad] == ["2b.dcm", "US", "bad.png"]
    alone = [film for film in got if not film["error"] and ".zip" not in film["file"]]
    pins = {"Effusion": State.POSITIVE}
    assert_same(alone, [predict_file(predictor, Path(f["file"]), pins) for f in alone])


def test_in_this_process_and_as_csv_it_is_the_same(
    capsys: pytest.CaptureFixture[str], whole: Path, folder: Path, checkpoint_folder: Path
) -> None:
    assert main(command(folder, checkpoint_folder, "--workers", 1, "--format", "csv")) == 1
    rows = list(csv.DictReader(io.StringIO(capsys.readouterr().out)))
    for row, film_ in zip(rows, answers(whole), strict=True):
        assert (row["file"], row["error"]) == (film_["file"], film_["error"] or "")
        assert row["warnings"] == " ".join(film_["warnings"])
        for entry in film_["findings"]:
            shown = entry["free"] if entry["conditioned"] is None else entry["conditioned"]
            assert float(row[entry["finding"]]) == pytest.approx(shown, abs=1e-5)


def test_a_killed_run_leaves_no_process_and_is_gone_on_with(
    whole: Path, folder: Path, checkpoint_folder: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out.jsonl"
    options = ("--workers", 2, "--batch", 1, "--out", out)
    given = [sys.executable, "-m", "lmeran", *command(folder, checkpoint_folder, *options)]
    run = subprocess.Popen(given, cwd=ROOT, stderr=subprocess.DEVNULL)
    wait_for(lambda: out.exists() and out.read_bytes().count(b"\n") >= 3)
    children = children_of(run.pid)
    run.kill()
    run.wait()
    wait_for(lambda: not any(Path(f"/proc/{child}").exists() for child in children))
    torn = out.read_bytes()[:-20]
    before = torn.count(b"\n")
    assert before >= 2
    out.write_bytes(torn)
    assert main(command(folder, checkpoint_folder, "--workers", 1, "--out", out)) == 1
    assert out.read_bytes().startswith(torn[: torn.rindex(b"\n") + 1])
    assert_same(answers(out), answers(whole))


def children_of(pid: int) -> list[int]:
    listed = Path(f"/proc/{pid}/task/{pid}/children")
    return [int(child) for child in listed.read_text().split()] if listed.exists() else []


def wait_for(condition: Any, seconds: float = 120) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.02)


def test_what_is_answered_is_not_read_again(
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    whole: Path,
    folder: Path,
    checkpoint_folder: Path,
) -> None:
    before = whole.read_bytes()
    monkeypatch.setattr(Predictor, "encode_many", None)
    assert main(command(folder, checkpoint_folder, "--out", whole)) == 1
    assert whole.read_bytes() == before
    assert "13 films answered, 13 of them before, 3 could not be read" in capsys.readouterr().err
    status = main([*command(folder, checkpoint_folder, "--out", whole), "--pin", "Mass=negative"])
    assert status == 2
    told = capsys.readouterr().err
    assert "other pins" in told
    assert len(told.splitlines()) == 1


def test_processes_of_a_launcher_share_the_films(
    whole: Path,
    folder: Path,
    checkpoint_folder: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Told of each other by torchrun's variables alone."""
    monkeypatch.setenv("WORLD_SIZE", "2")
    for rank in "01":
        monkeypatch.setenv("RANK", rank)
        options = ("--workers", 1, "--out", tmp_path / "out.jsonl")
        assert main(command(folder, checkpoint_folder, *options)) == 0
    shares = [answers(tmp_path / f"out.{rank}-of-2.jsonl") for rank in range(2)]
    assert all(shares)
    together = sorted([film for share in shares for film in share], key=lambda film: film["file"])
    assert_same(together, sorted(answers(whole), key=lambda film: film["file"]))


def test_several_processes_need_a_file(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, folder: Path
) -> None:
    monkeypatch.setenv("RANK", "0")
    monkeypatch.setenv("WORLD_SIZE", "2")
    assert main(["predict", str(folder)]) == 2
    assert "--out" in capsys.readouterr().err


@pytest.mark.parametrize("pins", [{}, {"Effusion": State.POSITIVE, "Mass": State.NEGATIVE}])
def test_films_read_together_read_as_alone(predictor: Predictor, pins: dict[str, State]) -> None:
    films = [Radiograph(film_pixels(90 + k, 80, k), "PNG", 8) for k in range(3)]
    alone = [predictor.encode(one) for one in films]
    squares = np.stack([film_pixels(96, 96, k) for k in range(3)])
    together = predictor.encode_many(squares, [(96, 96)] * 3)
    for one, square in zip(together, squares, strict=True):
        wanted = predictor.encode(Radiograph(square, "PNG", 8))
        np.testing.assert_allclose(one.free_logits, wanted.free_logits, atol=1e-4)
        np.testing.assert_allclose(one.free_attention, wanted.free_attention, atol=1e-5)
        assert one.geometry == wanted.geometry
    for got, encoded in zip(predictor.read_films(alone, pins), alone, strict=True):
        wanted = predictor.read(encoded, pins)
        for name in ("states", "free", "conditioned", "attention", "free_attention"):
            np.testing.assert_allclose(getattr(got, name), getattr(wanted, name), atol=1e-5)
    assert len(FINDINGS) == got.free.size


def test_names_that_a_spreadsheet_would_run_are_plain_text_and_known_again(
    tmp_path: Path, checkpoint_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = ["'quoted.png", "+1.png", "-2.png", "=cmd()|A0.png", "@sum.png", "plain.png"]
    for k, name in enumerate(names):
        cv2.imwrite(str(tmp_path / name), film_pixels(seed=k))
    monkeypatch.chdir(tmp_path)
    given = ["predict", "--checkpoint", str(checkpoint_folder), "--device", "cpu"]
    given += ["--format", "csv", "--out", "out.csv", "--", *names]
    assert main(given) == 0
    before = Path("out.csv").read_bytes()
    cells = [row["file"] for row in csv.DictReader(io.StringIO(before.decode()))]
    assert cells == [*(f"'{name}" for name in names[:-1]), "plain.png"]
    assert main(given) == 0
    assert Path("out.csv").read_bytes() == before, "none is answered twice"

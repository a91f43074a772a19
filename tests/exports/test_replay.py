"""Reading files: written, read strictly, recomputed."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from lmeran import __version__
from lmeran.checkpoint import save_checkpoint
from lmeran.cli.main import main
from lmeran.exports.reading_file import (
    ImageIdentity,
    ReadingFile,
    ReadingFileError,
    parse_reading_file,
    reading_outputs,
    write_reading_file,
)
from lmeran.exports.replay import replay
from lmeran.findings import FINDINGS, State
from lmeran.imaging.files import read_file
from lmeran.imaging.radiograph import Radiograph
from lmeran.predictor import EncodedRadiograph, Predictor
from tests.conftest import film_pixels, lively_model, small_config
from tests.support.fitting import a_calibration

PINS = {"Effusion": State.POSITIVE, "Mass": State.NEGATIVE}
VIEW = {"zoom": 2.5, "window": [0.1, 0.9], "finding": 4, "layer": None, "kind": "attention"}


@pytest.fixture(scope="module")
def film() -> Radiograph:
    return Radiograph(film_pixels(), "PNG", 8)


@pytest.fixture(scope="module")
def encoded(predictor: Predictor, film: Radiograph) -> EncodedRadiograph:
    return predictor.encode(film)


@pytest.fixture(scope="module")
def written(predictor: Predictor, film: Radiograph, encoded: EncodedRadiograph) -> ReadingFile:
    return write_reading_file(predictor, ImageIdentity.of(film), encoded, PINS, VIEW)


def test_what_is_written_is_read_back(written: ReadingFile) -> None:
    reread = parse_reading_file(written.to_bytes())
    assert reread.to_bytes() == written.to_bytes()
    assert (reread.image, reread.pins, reread.view) == (written.image, PINS, VIEW)
    assert reread.versions["lmeran"] == __version__


def test_outputs_are_the_readings_and_decompositions_sum_to_them(
    written: ReadingFile, predictor: Predictor, encoded: EncodedRadiograph
) -> None:
    reading = predictor.read(encoded, PINS)
    for i, entry in enumerate(written.findings):
        assert entry["free"] == pytest.approx(reading.free[i], abs=1e-6)
        logit = sum(line["logits"] for line in entry["decomposition"])
        pinned = entry["finding"] in PINS
        assert len(entry["decomposition"]) == (3 if pinned else 5)
        shown = reading.free[i] if pinned else reading.conditioned[i]
        assert 1 / (1 + np.exp(-logit)) == pytest.approx(shown, abs=1e-5)


def test_the_same_image_in_another_file_is_known_again(
    written: ReadingFile, tmp_path: Path
) -> None:
    for name, level in (("a.png", 0), ("b.png", 9)):
        cv2.imwrite(str(tmp_path / name), film_pixels(), [cv2.IMWRITE_PNG_COMPRESSION, level])
        assert ImageIdentity.of(read_file(tmp_path / name)) == written.image
    turned = Radiograph(film_pixels().reshape(100, 120), "PNG", 8)
    assert ImageIdentity.of(turned) != written.image


def test_replay_on_the_same_film_is_equal(
    written: ReadingFile, predictor: Predictor, encoded: EncodedRadiograph
) -> None:
    result = replay(written, predictor, written.image, encoded)
    assert result.equal
    assert result.largest <= 1e-6
    assert result.lines()[0].startswith(
        "Equal (probabilities within 0.002 and parts of logits within 0.02"
    )


def test_replay_names_each_value_that_differs(
    written: ReadingFile, predictor: Predictor, encoded: EncodedRadiograph
) -> None:
    findings = json.loads(json.dumps(written.findings))
    edema, hernia = FINDINGS.index("Edema"), FINDINGS.index("Hernia")
    findings[edema]["conditioned"] = recorded = 1 - findings[edema]["conditioned"]
    findings[hernia]["free"] += 1e-4
    findings[hernia]["decomposition"][1]["logits"] += 0.5
    result = replay(replace(written, findings=findings), predictor, written.image, encoded)
    assert [(d.where, d.what) for d in result.differences] == [
        ("Edema", "conditioned"),
        ("Hernia", "logit, image"),
    ]
    assert f"Edema: conditioned was {recorded:.6f} and is " in "\n".join(result.lines())
    assert result.largest == pytest.approx(abs(1 - 2 * recorded), abs=1e-6)
    assert result.largest_logit == pytest.approx(0.5, abs=1e-6)
    strict = replay(
        replace(written, findings=findings), predictor, written.image, encoded, tolerance=1e-5
    )
    assert ("Hernia", "free") in [(d.where, d.what) for d in strict.differences]


def test_a_value_only_the_file_has_differs_and_one_only_the_program_has_does_not(
    written: ReadingFile, predictor: Predictor, encoded: EncodedRadiograph
) -> None:
    more = [{**entry, "another": 0.5} for entry in written.findings]
    result = replay(replace(written, findings=more), predictor, written.image, encoded)
    assert len(result.differences) == len(FINDINGS)
    assert result.differences[0].found == "not there"
    needed = ("finding", "state", "free", "conditioned", "decomposition")
    fewer = [{key: entry[key] for key in needed} for entry in written.findings]
    assert replay(replace(written, findings=fewer), predictor, written.image, encoded).equal


def test_another_calibration_differs_and_a_later_one_does_not(
    written: ReadingFile, predictor: Predictor, encoded: EncodedRadiograph
) -> None:
    assert written.calibration is None
    fitted = a_calibration()
    later = Predictor(replace(predictor.checkpoint, calibration=fitted))
    assert replay(written, later, written.image, encoded).equal
    recorded = write_reading_file(later, written.image, encoded, PINS)
    assert parse_reading_file(recorded.to_bytes()).calibration == fitted.identity
    assert replay(recorded, later, written.image, encoded).equal
    gone = replay(recorded, predictor, written.image, encoded)
    assert [(d.where, d.found) for d in gone.differences] == [("calibration", "not there")]


def test_another_image_is_said_and_compared(written: ReadingFile, predictor: Predictor) -> None:
    other = Radiograph(film_pixels(90, 140, seed=3), "PNG", 8)
    result = replay(written, predictor, ImageIdentity.of(other), predictor.encode(other))
    assert [d.what for d in result.differences[:2]] == ["SHA-256 of the pixels", "size"]
    assert {d.where for d in result.differences} > {"image", "Hernia"}


def test_no_probability_of_a_pinned_finding_is_written(written: ReadingFile) -> None:
    for entry in written.findings:
        assert (entry["conditioned"] is None) == (entry["finding"] in PINS)


def changed(written: ReadingFile, *path: str | int, to: Any) -> bytes:
    content = json.loads(written.to_bytes())
    place = content
    for step in path[:-1]:
        place = place[step]
    place[path[-1]] = to
    return json.dumps(content).encode()


@pytest.mark.parametrize(
    ("path", "value", "words"),
    [
        (("schema",), "other", "not a reading file"),
        (("version",), 3, "another version"),
        (("version",), True, "another version"),
        (("image", "sha256"), "3f", "damaged (image)"),
        (("image", "height"), -1, "damaged (image)"),
        (("checkpoint",), "../checkpoint", "damaged (checkpoint)"),
        (("calibration",), 7, "damaged (calibration)"),
        (("pins",), {"Efusion": "positive"}, "damaged (pins)"),
        (("pins",), {"Effusion": "unknown"}, "damaged (pins)"),
        (("pins",), {"Effusion": "positive"}, "damaged (findings)"),
        (("view",), [1], "damaged (view)"),
        (("view",), {"note": "x" * 65}, "damaged (view)"),
        (("view",), {str(k): "x" * 60 for k in range(400)}, "damaged (view)"),
        (("findings",), [], "damaged (findings)"),
        (("findings", 0, "free"), 1.5, "damaged (findings)"),
        (("findings", 0, "free"), 10**400, "damaged (findings)"),
        (("findings", 0, "finding"), "Hernia", "damaged (findings)"),
        (("findings", 2, "conditioned"), 0.5, "damaged (findings)"),
        (("findings", 0, "decomposition"), [{"part": "bias"}], "damaged (findings)"),
        (("versions",), {"lmeran": 1}, "damaged (versions)"),
        (("patient",), "A", "damaged (parts are missing or unknown)"),
    ],
)
def test_what_is_not_a_reading_file_is_refused_in_one_sentence(
    written: ReadingFile, path: tuple[str, ...], value: Any, words: str
) -> None:
    with pytest.raises(ReadingFileError) as caught:
        parse_reading_file(changed(written, *path, to=value))
    assert words in str(caught.value)
    assert str(caught.value).endswith(".")


@pytest.mark.parametrize(
    "data",
    [b"", b"\x89PNG", b"[1, 2]", b'{"schema": "lmeran-reading"', b"[" * 100_000, b"NaN"],
)
def test_bytes_that_are_no_reading_file_are_refused(data: bytes) -> None:
    with pytest.raises(ReadingFileError, match="not a reading file"):
        parse_reading_file(data)


def test_a_file_of_version_1_is_read_as_one_of_today(written: ReadingFile) -> None:
    old = written.to_bytes().replace(b'"decomposition"', b'"ledger"')
    old = old.replace(b'"version": 2', b'"version": 1')
    assert parse_reading_file(old).to_bytes() == written.to_bytes()


def test_not_a_number_is_no_value(written: ReadingFile) -> None:
    text = written.to_bytes().replace(b'"zoom": 2.5', b'"zoom": NaN')
    with pytest.raises(ReadingFileError):
        parse_reading_file(text)


def test_a_cut_file_is_refused(written: ReadingFile) -> None:
    data = written.to_bytes()
    for end in range(0, len(data) - 2, 997):
        with pytest.raises(ReadingFileError):
            parse_reading_file(data[:end])


def test_deep_nesting_is_refused(written: ReadingFile) -> None:
    deep = b"[" * 3000 + b"]" * 3000
    data = written.to_bytes().replace(b'"zoom": 2.5', b'"zoom": ' + deep)
    with pytest.raises(ReadingFileError):
        parse_reading_file(data)


def test_the_command_says_equal_or_what_differs(
    written: ReadingFile,
    film_file: Path,
    checkpoint_folder: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    reading = tmp_path / "reading.json"
    reading.write_bytes(written.to_bytes())
    common = ["replay", str(reading), "--image", str(film_file)]
    assert main([*common, "--checkpoint", str(checkpoint_folder)]) == 0
    assert capsys.readouterr().out.startswith("Equal (")
    save_checkpoint(tmp_path / "other", lively_model(small_config(), seed=1), {}, {})
    assert main([*common, "--checkpoint", str(tmp_path / "other")]) == 1
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("Not equal")
    assert lines[1].startswith("checkpoint: identity was ")
    assert any(line.startswith("Hernia: free was ") for line in lines)


@pytest.mark.parametrize("missing", ["reading", "image", "checkpoint"])
def test_the_command_says_what_it_lacks(
    written: ReadingFile,
    film_file: Path,
    checkpoint_folder: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    missing: str,
) -> None:
    (tmp_path / "reading.json").write_bytes(written.to_bytes())
    paths = {
        "reading": tmp_path / "reading.json",
        "image": film_file,
        "checkpoint": checkpoint_folder,
    } | {missing: tmp_path / "nowhere"}
    given = [str(paths["reading"]), "--image", str(paths["image"])]
    status = main(["replay", *given, "--checkpoint", str(paths["checkpoint"])])
    captured = capsys.readouterr()
    assert (status, captured.out) == (2, "")
    assert len(captured.err.strip().splitlines()) == 1


def test_outputs_do_not_depend_on_what_else_was_asked(
    predictor: Predictor, encoded: EncodedRadiograph, written: ReadingFile
) -> None:
    reading_outputs(predictor, encoded, {"Edema": State.POSITIVE})
    assert reading_outputs(predictor, encoded, PINS) == written.findings

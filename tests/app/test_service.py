"""What the page asks and what it is told, without a browser."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from app.api import named_pins
from app.examples import Example, load_examples
from app.payload.facts import page_facts
from app.service import ReadingService
from app.sessions import RadiographStore
from app.settings import read_settings
from lmeran.checkpoint import load_checkpoint
from lmeran.findings import FINDINGS, PinError, State
from lmeran.imaging.decoding_process import DecodingProcess
from lmeran.imaging.files import read_bytes, read_file
from lmeran.imaging.radiograph import ReadError
from lmeran.predictor import Predictor
from tests.conftest import film_pixels
from tests.support.readings import predict_file


@pytest.fixture()
def service(predictor: Predictor, film_file: Path) -> ReadingService:
    examples = [Example(film_file, "Synthetic", b"")]
    return ReadingService(predictor, examples, RadiographStore(), read_bytes)


def request(token: str, **pinned: int) -> dict[str, Any]:
    return {"token": token, "pins": [pinned.get(f, 0) for f in FINDINGS]}


def cells(packed: str) -> np.ndarray:
    """A map as the page unpacks it."""
    return np.frombuffer(base64.b64decode(packed), "<f4")


def test_opening_gives_the_film_and_its_free_reading(
    service: ReadingService, film_file: Path
) -> None:
    reply = service.open_film(film_file.read_bytes(), "me")
    assert (reply["width"], reply["height"]) == (100, 120)
    assert reply["reading"]["free"] == reply["reading"]["conditioned"]
    maps = reply["reading"]["maps"]["free"]
    expected = service.predictor.read(service.predictor.encode(read_file(film_file)), {}).maps()
    for packed, wanted in zip(maps, expected, strict=True):
        np.testing.assert_allclose(cells(packed), wanted.values.ravel(), rtol=1e-5)
    assert "film.png" not in json.dumps(reply)


def test_a_pin_moves_the_others_and_hides_its_own(service: ReadingService, film_file: Path) -> None:
    opened = service.open_film(film_file.read_bytes(), "me")
    reading = service.pin(request(opened["token"], Effusion=int(State.POSITIVE)), "me")
    assert reading["conditioned"][FINDINGS.index("Effusion")] is None
    others = [i for i, f in enumerate(FINDINGS) if f != "Effusion"]
    assert all(reading["conditioned"][i] != reading["free"][i] for i in others)
    assert reading["maps"]["free"] != reading["maps"]["pinned"]


def test_the_explanation_is_of_the_same_reading(service: ReadingService, film_file: Path) -> None:
    token = service.open_film(film_file.read_bytes(), "me")["token"]
    asked = request(token, Effusion=int(State.POSITIVE), Mass=int(State.NEGATIVE))
    reading, why = service.pin(asked, "me"), service.explain(asked, "me")
    for i, entry in enumerate(why["findings"]):
        assert entry["conditioned"] == reading["conditioned"][i]
        if entry["conditioned"] is None:
            assert why["sum"][i] is None
            continue
        parts = entry["decomposition"]
        shift = sum(entry["per_pin"].values())
        logit = parts["bias"] + parts["image"] + parts["label_free"] + shift
        assert 1 / (1 + np.exp(-logit)) == pytest.approx(entry["conditioned"], abs=1e-4)
        assert cells(why["sum"][i]).mean() == pytest.approx(
            parts["logit"] - parts["bias"], abs=0.02
        )
    assert why["split"] == {"layer": 3, "head": None}
    other = service.explain({**asked, "layer": 1, "head": 2}, "me")
    assert other["split"] == {"layer": 1, "head": 2}
    assert other["label_matrix"] != why["label_matrix"]
    shares = other["attention"]["Edema"]
    total = shares["image"] + shares["own"] + sum(shares["labels"].values())
    assert total == pytest.approx(1, abs=1e-4)
    json.dumps(why, allow_nan=False)
    with pytest.raises(ReadError):
        service.explain(asked, "you")


def test_rollout_is_chosen_in_place_of_a_layer(service: ReadingService, film_file: Path) -> None:
    token = service.open_film(film_file.read_bytes(), "me")["token"]
    maps = service.pin({**request(token, Mass=2), "layer": 0}, "me")["maps"]
    assert (maps["layer"], maps["head"]) == (0, None)
    assert maps["free"] != maps["pinned"]


def test_another_reader_cannot_pin_my_film(service: ReadingService, film_file: Path) -> None:
    token = service.open_film(film_file.read_bytes(), "me")["token"]
    with pytest.raises(ReadError, match="no longer open"):
        service.pin(request(token), "you")


@pytest.mark.parametrize(
    "change",
    [
        {"pins": None},
        {"pins": [0] * 13},
        {"pins": [3] + [0] * 13},
        {"pins": [True] * 14},
        {"layer": "1"},
        {"layer": 9},
        {"head": 0},
        {"layer": -1},
        {"layer": 1.5},
    ],
)
def test_nonsense_requests_are_refused_in_words(
    service: ReadingService, film_file: Path, change: dict[str, Any]
) -> None:
    token = service.open_film(film_file.read_bytes(), "me")["token"]
    with pytest.raises(PinError):
        service.pin({**request(token), **change}, "me")


def test_a_bad_file_leaves_what_was_open(service: ReadingService, film_file: Path) -> None:
    token = service.open_film(film_file.read_bytes(), "me")["token"]
    with pytest.raises(ReadError):
        service.open_film(b"no", "me")
    assert service.films.get(token, "me") is not None


def test_examples_open_and_a_wrong_number_is_refused(service: ReadingService) -> None:
    assert service.open_example(0, "me")["title"] == "Synthetic"
    with pytest.raises(ReadError):
        service.open_example(-1, "me")


@pytest.mark.parametrize(
    "pins", [{"Effusion": "positive", "Edema": "negative"}, ["Effusion=positive", "Edema=negative"]]
)
def test_predict_is_the_command_lines_object(
    service: ReadingService, film_file: Path, pins: Any
) -> None:
    known = {"Effusion": State.POSITIVE, "Edema": State.NEGATIVE}
    expected = predict_file(service.predictor, film_file, known)
    answer = service.predict(film_file.read_bytes(), named_pins(pins))
    assert answer == {**expected, "file": "film"}


def test_examples_of_a_folder_are_titled_by_number(
    tmp_path: Path,
) -> None:
    cv2.imwrite(str(tmp_path / "Doe_John.png"), film_pixels())
    (tmp_path / "broken.png").write_bytes(b"no")
    (tmp_path / "notes.txt").write_text("no")
    with DecodingProcess() as process:
        examples = load_examples(tmp_path, process)
    assert [e.title for e in examples] == ["Film 1"]
    assert examples[0].thumbnail.startswith(b"\xff\xd8")


def test_bundled_examples_are_there_and_say_they_are_synthetic() -> None:
    with DecodingProcess() as process:
        examples = load_examples(None, process)
    assert len(examples) >= 3
    assert all("synthetic" in e.title.lower() for e in examples)


def test_the_page_is_told_what_was_measured(checkpoint_folder: Path) -> None:
    facts = page_facts(load_checkpoint(checkpoint_folder), ["a"])
    assert facts["prevalence"] == [0.07] * 14
    means = {s["known"]: s["mean"] for s in facts["model"]["test"]["scores"]}
    assert means == pytest.approx({0: 0.6, 7: 0.67})
    json.dumps(facts)


def test_settings_command_line_over_environment_over_defaults(tmp_path: Path) -> None:
    assert read_settings([], {}).host == "127.0.0.1"
    assert read_settings([], {"SPACE_ID": "a/b"}).host == "0.0.0.0"
    given = {
        "LMERAN_PORT": "9000",
        "LMERAN_CHECKPOINT": "hf://a/b",
        "LMERAN_EXAMPLES": str(tmp_path),
    }
    settings = read_settings(["--port", "9001"], given)
    assert (settings.port, settings.checkpoint, settings.examples) == (9001, "hf://a/b", tmp_path)
    with pytest.raises(SystemExit):
        read_settings(["--examples", str(tmp_path / "none")], {})

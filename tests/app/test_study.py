"""What a study asks of the server: films without the model, films without a region, the example."""

from __future__ import annotations

import hashlib
from dataclasses import replace

import cv2
import pytest

from app.examples import STUDIED, example_study, load_examples
from lmeran.explain.region import what_if
from lmeran.findings import FINDINGS, State
from lmeran.imaging.decoding_process import DecodingProcess
from lmeran.imaging.radiograph import Radiograph
from lmeran.predictor import Predictor
from tests.conftest import film_pixels
from tests.support.serving import PageRoutes


@pytest.fixture()
def routes(predictor: Predictor) -> PageRoutes:
    return PageRoutes(predictor)


def png() -> bytes:
    return cv2.imencode(".png", film_pixels())[1].tobytes()


def test_of_a_film_shown_alone_the_model_sees_and_says_nothing(
    routes: PageRoutes, monkeypatch: pytest.MonkeyPatch
) -> None:
    def seen(*_: object) -> None:
        raise AssertionError("the model was asked")

    with monkeypatch.context() as patch:
        patch.setattr(Predictor, "encode_many", seen)
        film = routes.send("films?alone=true", png()).json()
    assert not {"reading", "cam", "thumbnail", "title", "boxes"} & set(film)
    assert film["gate"] is None
    assert len(routes.client.get(f"/lmeran/film/{film['token']}").content) > 1000
    asked = {"token": film["token"], "pins": [0] * 14, "box": [1, 1, 5, 5]}
    for path in ("pins", "why", "without"):
        assert routes.send(path, json=asked).status_code == 404
    export = {"pins": {}, "finding": "Mass"}
    assert routes.send(f"export/{film['token']}/csv", json=export).status_code == 404


def test_without_a_region_is_what_the_command_line_says(
    routes: PageRoutes, predictor: Predictor
) -> None:
    film = routes.send("films", png()).json()
    pins = [0] * 14
    pins[FINDINGS.index("Mass")] = int(State.POSITIVE)
    asked = {"token": film["token"], "pins": pins, "box": [20, 30, 25, 20.5]}
    found = routes.send("without", json=asked).json()
    later = routes.send("without", json={**asked, "beside": True}).json()
    assert "without_controls" not in found["findings"]["Edema"]
    encoded = predictor.encode(Radiograph(film_pixels(), "PNG", 8))
    wanted = what_if(predictor, encoded, (20, 30, 25, 20.5), {"Mass": State.POSITIVE})
    assert found["box"] == later["box"] == wanted["box"]
    assert found["findings"]["Mass"]["whole"] is None
    edema, whole = found["findings"]["Edema"], wanted["findings"]["Edema"]
    assert edema == {key: pytest.approx(whole[key], abs=1e-4) for key in ("whole", "without")}
    for value, found_later in later["findings"]["Edema"].items():
        assert found_later == pytest.approx(whole[value], abs=0.02)
    assert set(edema) | set(later["findings"]["Edema"]) == set(whole)
    for box in ([1, 2, 3], "all", None, [0, 0, True, 5], [500, 500, 5, 5]):
        refused = routes.send("without", json={**asked, "box": box})
        assert refused.status_code == 400, box
        assert "region" in refused.json()["message"]


def test_the_example_study_names_films_by_their_content() -> None:
    with DecodingProcess() as process:
        examples = load_examples(None, process)
    study = example_study(examples, truth=True)
    assert len(study["films"]) == len(examples)
    for film, example in zip(study["films"], examples, strict=True):
        assert film["sha256"] == hashlib.sha256(example.path.read_bytes()).hexdigest()
        drawn = {FINDINGS[box.finding] for box in example.boxes}
        assert film["truth"] == {finding: finding in drawn for finding in study["findings"]}
    for finding in study["findings"]:
        assert 0 < sum(film["truth"][finding] for film in study["films"]) < len(examples)
    unknown = example_study([replace(example, boxes=()) for example in examples], truth=True)
    assert unknown["findings"] == list(STUDIED)
    assert not any(film["truth"] for film in unknown["films"])
    for film in study["films"]:
        del film["truth"]
    assert example_study(examples) == study

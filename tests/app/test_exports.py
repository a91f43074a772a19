"""What the server hands out of an open film, without a browser: bytes, refusals, no trace."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import cv2
import pypdf
import pytest
from starlette.testclient import TestClient

from app.exports import MEDIA, OTHER_IMAGE
from app.service import ReadingService
from lmeran.exports.reading_file import parse_reading_file
from lmeran.exports.record import MapChoice, Record, record_of
from lmeran.exports.tables import reading_csv, reading_json, regions_csv
from lmeran.findings import State
from lmeran.imaging.files import read_file
from lmeran.predictor import Predictor
from tests.conftest import film_pixels
from tests.support import dicom_making
from tests.support.serving import PageRoutes

PINS = {"Effusion": "positive", "Pleural Thickening": "negative"}
ASKED: dict[str, Any] = {
    "pins": PINS,
    "finding": "Mass",
    "layer": 2,
    "head": None,
    "scale": "absolute",
    "view": {"zoom": 2, "selected": 4},
}


@pytest.fixture()
def routes(predictor: Predictor) -> PageRoutes:
    return PageRoutes(predictor)


@pytest.fixture()
def service(routes: PageRoutes) -> ReadingService:
    return routes.service


@pytest.fixture()
def client(routes: PageRoutes) -> TestClient:
    return routes.client


@pytest.fixture()
def token(service: ReadingService, film_file: Path) -> str:
    return service.open_film(film_file.read_bytes(), "me")["token"]


@pytest.fixture()
def record(predictor: Predictor, film_file: Path) -> Record:
    film = read_file(film_file)
    pins = {"Effusion": State.POSITIVE, "Pleural_Thickening": State.NEGATIVE}
    return record_of(predictor, film, predictor.encode(film), pins, "Mass", MapChoice(2))


def test_tables_are_those_of_the_command_line(
    client: TestClient, token: str, record: Record
) -> None:
    same = {"csv": reading_csv, "json": reading_json, "boxes": regions_csv}
    for form, make in same.items():
        answer = client.post(f"/lmeran/export/{token}/{form}", json=ASKED)
        assert answer.status_code == 200
        assert answer.content == make(record)
        assert answer.headers["cache-control"] == "no-store"
        assert answer.headers["content-type"] == MEDIA[form]
        name = answer.headers["content-disposition"]
        assert name.startswith(f'attachment; filename="{record.name}')


def test_the_report_is_of_the_film_and_its_pins(client: TestClient, token: str) -> None:
    data = client.post(f"/lmeran/export/{token}/pdf", json=ASKED).content
    text = " ".join(pypdf.PdfReader(io.BytesIO(data)).pages[0].extract_text().split())
    assert "Pinned by the reader: Effusion positive, Pleural Thickening negative" in text
    assert "100 x 120 px" in text
    assert "layer 2" in text


def test_a_reading_file_comes_back_to_its_own_film_alone(
    client: TestClient, service: ReadingService, token: str, tmp_path: Path
) -> None:
    data = client.post(f"/lmeran/export/{token}/reading", json=ASKED).content
    assert parse_reading_file(data).view == ASKED["view"]
    opened = client.post(f"/lmeran/reading/{token}", content=data).json()
    assert opened["pins"] == [0, 0, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0]
    assert opened["view"] == ASKED["view"]
    assert opened["equal"] is True
    cv2.imwrite(str(tmp_path / "other.png"), film_pixels(seed=1))
    other = service.open_film((tmp_path / "other.png").read_bytes(), "you")["token"]
    refused = client.post(f"/lmeran/reading/{other}", content=data)
    assert (refused.status_code, refused.json()["message"]) == (409, OTHER_IMAGE)


def test_a_reading_that_comes_out_otherwise_is_opened_and_said(
    client: TestClient, token: str
) -> None:
    content = client.post(f"/lmeran/export/{token}/reading", json=ASKED).json()
    content["findings"][4]["free"] = 1 - content["findings"][4]["free"]
    opened = client.post(f"/lmeran/reading/{token}", json=content).json()
    assert opened["equal"] is False
    assert opened["message"].startswith("1 finding comes out otherwise")
    content["checkpoint"] = "0" * 12
    opened = client.post(f"/lmeran/reading/{token}", json=content).json()
    assert "made with checkpoint 000000000000" in opened["message"]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"pins": [0] * 14}, "not states of findings"),
        ({"pins": {"Effusion": 2}}, "not states of findings"),
        ({"pins": {"Effusion": "maybe"}}, "not a state"),
        ({"finding": None}, "not named"),
        ({"finding": "../../etc"}, "not one of the 14"),
        ({"layer": "1"}, "whole number"),
        ({"layer": 99}, "layers 1 to 3"),
        ({"view": {"note": "x" * 100}}, "view"),
    ],
)
def test_a_request_without_sense_is_refused_in_words(
    client: TestClient, token: str, change: dict[str, Any], words: str
) -> None:
    answer = client.post(f"/lmeran/export/{token}/reading", json={**ASKED, **change})
    assert answer.status_code == 400
    assert words in answer.json()["message"]


def test_films_and_forms_that_are_not_there_are_refused(client: TestClient, token: str) -> None:
    assert client.post("/lmeran/export/guess/pdf", json=ASKED).status_code == 404
    assert client.post("/lmeran/reading/guess", content=b"{}").status_code == 404
    for form in ("sr", "png", "../pdf"):
        assert client.post(f"/lmeran/export/{token}/{form}", json=ASKED).status_code in (400, 404)
    for body in (b"", b"[]", b"\xff", b"[" * 10_000):
        assert client.post(f"/lmeran/export/{token}/csv", content=body).status_code == 400
    big = client.post(f"/lmeran/reading/{token}", content=b" " * (2**20 + 1))
    assert big.status_code == 413
    assert "the limit of 1.0 MB" in big.json()["message"]


def test_nothing_of_the_header_is_kept_for_exports_or_written_down(
    client: TestClient, service: ReadingService, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ds = dicom_making.film(PatientComments="SENTINEL", AccessionNumber="SENTINEL")
    path = tmp_path / "Tremblay.dcm"
    path.write_bytes(dicom_making.written(ds))
    token = service.open_film(path.read_bytes(), "me")["token"]

    def no_file(*_: Any, **__: Any) -> None:
        raise AssertionError("a temporary file was made")

    monkeypatch.setattr("tempfile.mkstemp", no_file)
    monkeypatch.setattr("tempfile.NamedTemporaryFile", no_file)
    for form in MEDIA:
        answer = client.post(f"/lmeran/export/{token}/{form}", json={**ASKED, "layer": None})
        assert answer.status_code == 200, answer.text
        said = answer.content + json.dumps(dict(answer.headers)).encode()
        if form == "pdf":
            said += pypdf.PdfReader(io.BytesIO(answer.content)).pages[0].extract_text().encode()
        for word in (b"Tremblay", b"RAMQ", b"SENTINEL"):
            assert word not in said


def test_a_failure_is_one_sentence_and_quotes_nothing(
    client: TestClient,
    token: str,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    def fail(*_: Any) -> None:
        raise RuntimeError("Tremblay")

    monkeypatch.setattr("app.exports.record_of", fail)
    answer = client.post(f"/lmeran/export/{token}/csv", json=ASKED)
    assert answer.status_code == 500
    assert "Tremblay" not in answer.text + caplog.text
    assert "RuntimeError" in caplog.text

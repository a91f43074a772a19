"""Films over the page's routes: opened, of a worklist, in turn; one sentence for what is none."""

from __future__ import annotations

import base64
import logging
import threading
from concurrent.futures import wait
from pathlib import Path

import cv2
import numpy as np
import pytest

from app.http.gateway import UNEXPECTED
from app.http.routes import JSON_BYTES
from app.page import NO_SESSION
from app.quotas import Quotas
from app.scheduler import Scheduler
from app.service import ROW_PIXELS
from lmeran.imaging.radiograph import MAX_FILE_BYTES, Radiograph
from lmeran.predictor import Predictor
from tests.conftest import film_pixels
from tests.support.serving import PageRoutes, session


def png(seed: int = 0, height: int = 120, width: int = 100) -> bytes:
    return cv2.imencode(".png", film_pixels(height, width, seed))[1].tobytes()


@pytest.fixture()
def routes(predictor: Predictor) -> PageRoutes:
    return PageRoutes(predictor)


def test_a_row_says_what_the_film_would_say_and_leaves_nothing(
    routes: PageRoutes, predictor: Predictor
) -> None:
    response = routes.send("rows", png())
    row = response.json()
    assert response.headers["cache-control"] == "no-store"
    film = predictor.encode(Radiograph(film_pixels(), "PNG", 8))
    assert row["reading"]["free"] == pytest.approx(predictor.read(film, {}).free, abs=2e-6)
    assert set(row) == {"warnings", "gate", "reading", "thumbnail"}
    assert row["reading"]["maps"] is None
    media, data = row["thumbnail"].split(",")
    assert media == "data:image/jpeg;base64"
    small = cv2.imdecode(np.frombuffer(base64.b64decode(data), np.uint8), cv2.IMREAD_GRAYSCALE)
    assert small.shape == (ROW_PIXELS, round(ROW_PIXELS * 100 / 120))
    assert len(routes.service.films) == 0


def test_an_opened_film_belongs_to_its_session(routes: PageRoutes) -> None:
    film = routes.send("films", png()).json()
    other = routes.send("films", png(1), "you").json()
    films = routes.service.films
    assert (film["width"], film["height"]) == (100, 120)
    mine = session("me")["LMeRAN-Session"]
    assert films.get(film["token"], mine) is not None
    assert films.get(other["token"], mine) is None
    assert film["thumbnail"].startswith("data:image/jpeg;base64,")
    pins = {"token": film["token"], "pins": [2] + [0] * 13}
    assert routes.send("pins", json=pins).json()["pins"] == pins["pins"]
    stranger = routes.send("pins", reader="you", json=pins)
    assert (stranger.status_code, "no longer open" in stranger.json()["message"]) == (404, True)


def test_a_prior_film_stands_beside_and_both_are_forgotten(routes: PageRoutes) -> None:
    film = routes.send("films", png()).json()
    prior = routes.send("films?prior=true", png(1)).json()
    held = routes.client.get("/lmeran/session", headers=session("me")).json()
    assert held["films"] == 2
    for token in (film["token"], prior["token"]):
        assert routes.client.get(f"/lmeran/film/{token}").status_code == 200
    assert routes.client.request("DELETE", "/lmeran/session", headers=session("me")).is_success
    assert routes.client.get("/lmeran/session", headers=session("me")).status_code == 404
    assert routes.client.get(f"/lmeran/film/{film['token']}").status_code == 404


@pytest.mark.parametrize("path", ["rows", "films"])
@pytest.mark.parametrize(
    ("data", "words"),
    [(b"no film", "not a DICOM, PNG or JPEG"), (b"", "empty"), (png()[:200], "damaged")],
)
def test_a_bad_file_is_one_sentence(routes: PageRoutes, path: str, data: bytes, words: str) -> None:
    kept = routes.send("films", png()).json()["token"]
    answer = routes.send(path, data)
    assert answer.status_code == 422
    assert words in answer.json()["message"]
    assert routes.service.films.get(kept) is not None


@pytest.mark.parametrize(
    ("path", "size"),
    [("rows", MAX_FILE_BYTES), ("films", MAX_FILE_BYTES), ("pins", JSON_BYTES), ("session", 0)],
)
def test_no_route_takes_more_than_it_may(routes: PageRoutes, path: str, size: int) -> None:
    for body in (bytes(size + 1), iter([bytes(size), b"1"])):
        answer = routes.client.post(f"/lmeran/{path}", content=body, headers=session("me"))
        assert answer.status_code == (413 if size else 404)


@pytest.mark.parametrize("path", ["rows", "films", "examples/0", "pins", "why"])
@pytest.mark.parametrize("token", ["", "short", "x" * 65, "with blank" * 4])
def test_a_request_without_a_session_is_refused(routes: PageRoutes, path: str, token: str) -> None:
    answer = routes.client.post(f"/lmeran/{path}", headers={"LMeRAN-Session": token})
    assert (answer.status_code, answer.json()["message"]) == (400, NO_SESSION)


def test_opening_counts_among_the_films_a_minute_and_rows_do_not(predictor: Predictor) -> None:
    routes = PageRoutes(predictor, Quotas(films_per_minute=1))
    assert routes.send("films", png()).status_code == 200
    late = routes.send("films", png())
    assert (late.status_code, "try again in" in late.json()["message"]) == (429, True)
    assert all(routes.send("rows", png(k)).status_code == 200 for k in range(3))


def test_what_nobody_expected_is_one_sentence_and_quotes_nothing(
    routes: PageRoutes, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(*_: object) -> None:
        raise RuntimeError("Doe^John")

    monkeypatch.setattr(routes.service, "read_row", fail)
    with caplog.at_level(logging.DEBUG, "app"):
        answer = routes.send("rows", png())
    assert (answer.status_code, answer.json()["message"]) == (500, UNEXPECTED)
    assert "RuntimeError" in caplog.text
    assert "Doe" not in caplog.text


def test_readers_take_turns_before_what_runs_behind_and_pins_wait_for_none() -> None:
    scheduler, order = Scheduler(), []
    begun, begin = threading.Event(), threading.Event()
    first = scheduler.film(lambda: begun.set() or begin.wait(10), "a")
    assert begun.wait(10)
    asked = [("a", "a1", False), ("a", "a2", False), ("c", "row", True), ("b", "b1", False)]
    films = [
        scheduler.film(lambda name=name: order.append(name), reader, behind)
        for reader, name, behind in asked
    ]
    scheduler.pin(lambda: order.append("pin")).result(10)
    begin.set()
    wait([first, *films], 10)
    assert order == ["pin", "a1", "b1", "a2", "row"]


def test_a_film_that_fails_or_is_given_up_holds_nobody_up() -> None:
    scheduler, begin = Scheduler(), threading.Event()
    scheduler.film(lambda: begin.wait(10), "a")
    bad = scheduler.film(lambda: 1 // 0, "a")
    given_up = scheduler.film(lambda: 1, "a")
    good = scheduler.film(lambda: 2, "a")
    given_up.cancel()
    begin.set()
    assert good.result(10) == 2
    assert isinstance(bad.exception(), ZeroDivisionError)
    assert given_up.cancelled()


def test_nothing_is_written_to_the_disk(
    routes: PageRoutes, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    for path in ("films", "films?prior=true", "rows"):
        assert routes.send(path, png()).status_code == 200
    assert list(tmp_path.iterdir()) == []

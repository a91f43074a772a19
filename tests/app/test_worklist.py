"""The server's side of a worklist: rows that leave nothing, tickets, scheduling, failures."""

from __future__ import annotations

import base64
import logging
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient

from app.quotas import Quotas
from app.scheduler import Scheduler
from app.service import ROW_PIXELS, ReadingService
from app.sessions import RadiographStore
from app.worklist import NO_TICKET, UNEXPECTED, Tickets, add_worklist
from lmeran.imaging.radiograph import MAX_FILE_BYTES, Radiograph
from lmeran.predictor import Predictor
from tests.conftest import film_pixels


def png(seed: int = 0, height: int = 120, width: int = 100) -> bytes:
    return cv2.imencode(".png", film_pixels(height, width, seed))[1].tobytes()


class Counter:
    """The routes over a real service, as the page calls them."""

    def __init__(self, predictor: Predictor, quotas: Quotas) -> None:
        self.service = ReadingService(predictor, [], RadiographStore())
        self.tickets = Tickets()
        app = FastAPI()
        add_worklist(app, self.service, quotas, self.tickets)
        self.client = TestClient(app)

    def send(self, what: str, ticket: str, data: bytes) -> dict[str, Any]:
        response = self.client.post(f"/lmeran/worklist/{ticket}/{what}", content=data)
        assert response.headers["cache-control"] == "no-store"
        return response.json()


@pytest.fixture()
def counter(predictor: Predictor) -> Counter:
    return Counter(predictor, Quotas())


def test_a_row_says_what_the_film_would_say_and_leaves_nothing(
    counter: Counter, predictor: Predictor
) -> None:
    row = counter.send("read", counter.tickets.issue("me"), png())["row"]
    film = predictor.encode(Radiograph(film_pixels(), "PNG", 8))
    assert row["reading"]["free"] == pytest.approx(predictor.read(film, {}).free, abs=2e-6)
    assert set(row) == {"warnings", "gate", "reading", "thumbnail"}
    assert row["reading"]["maps"] is None
    media, data = row["thumbnail"].split(",")
    assert media == "data:image/jpeg;base64"
    small = cv2.imdecode(np.frombuffer(base64.b64decode(data), np.uint8), cv2.IMREAD_GRAYSCALE)
    assert small.shape == (ROW_PIXELS, round(ROW_PIXELS * 100 / 120))
    assert len(counter.service.films) == 0


def test_an_opened_film_belongs_to_the_session_of_the_ticket(counter: Counter) -> None:
    mine, yours = counter.tickets.issue("me"), counter.tickets.issue("you")
    film = counter.send("open", mine, png())["film"]
    other = counter.send("open", yours, png(1))["film"]
    films = counter.service.films
    assert (film["kind"], film["width"], film["height"]) == ("film", 100, 120)
    assert films.get(film["token"], "me") is not None
    assert films.get(film["token"], "you") is None
    assert films.get(other["token"], "you") is not None
    assert film["thumbnail"].startswith("data:image/jpeg;base64,")


@pytest.mark.parametrize("what", ["read", "open"])
@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"no film", "not a DICOM, PNG or JPEG"),
        (b"", "empty"),
        (png()[:200], "damaged"),
        (bytes(MAX_FILE_BYTES + 1), "the limit is 64 MB"),
    ],
)
def test_a_bad_file_is_an_answer_of_one_sentence(
    counter: Counter, what: str, data: bytes, words: str
) -> None:
    answer = counter.send(what, counter.tickets.issue("me"), data)
    assert set(answer) == {"error"}
    assert words in answer["error"]
    assert len(counter.service.films) == 0


@pytest.mark.parametrize("what", ["read", "open"])
def test_a_ticket_is_needed_and_is_worth_nothing_after_it_was_dropped(
    counter: Counter, what: str
) -> None:
    ticket = counter.tickets.issue("me")
    counter.tickets.drop("me")
    for unknown in (ticket, "guess"):
        response = counter.client.post(f"/lmeran/worklist/{unknown}/{what}", content=png())
        assert (response.status_code, response.json()) == (404, {"message": NO_TICKET})


def test_a_reader_has_one_ticket_and_there_are_not_endlessly_many() -> None:
    tickets = Tickets(most=2)
    first, second = tickets.issue("me"), tickets.issue("me")
    assert first != second
    assert (tickets.owner(first), tickets.owner(second)) == (None, "me")
    tickets.issue("you")
    tickets.issue("they")
    assert tickets.owner(second) is None


def test_a_demonstration_takes_no_files_and_says_so(predictor: Predictor) -> None:
    counter = Counter(predictor, Quotas(demo=True))
    ticket = counter.tickets.issue("me")
    for what in ("read", "open"):
        answer = counter.send(what, ticket, png())
        assert set(answer) == {"refused"}
        assert "demonstration" in answer["refused"]


def test_opening_counts_among_the_films_a_minute_and_rows_do_not(predictor: Predictor) -> None:
    counter = Counter(predictor, Quotas(films_per_minute=1))
    ticket = counter.tickets.issue("me")
    assert "film" in counter.send("open", ticket, png())
    assert "try again in" in counter.send("open", ticket, png())["refused"]
    assert all("row" in counter.send("read", ticket, png(k)) for k in range(3))


def test_what_nobody_expected_is_one_sentence_and_quotes_nothing(
    counter: Counter, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(*_: object) -> None:
        raise RuntimeError("Doe^John")

    monkeypatch.setattr(counter.service, "read_row", fail)
    with caplog.at_level(logging.DEBUG, "app"):
        answer = counter.send("read", counter.tickets.issue("me"), png())
    assert answer == {"error": UNEXPECTED}
    assert "RuntimeError" in caplog.text
    assert "Doe" not in caplog.text


def test_a_film_that_was_opened_comes_before_what_runs_behind() -> None:
    scheduler, order = Scheduler(), []
    waiting: list[threading.Thread] = []

    def take(name: str, turn: Callable[[], Any]) -> None:
        with turn():
            order.append(name)

    with scheduler.background():
        for name, turn in (("row", scheduler.background), ("film", scheduler.first)):
            thread = threading.Thread(target=take, args=(name, turn))
            thread.start()
            waiting.append(thread)
            time.sleep(0.2)  # the row has waited longer
        assert order == []
    for thread in waiting:
        thread.join(10)
    assert order == ["film", "row"]


def test_a_failing_film_gives_its_turn_back(predictor: Predictor, tmp_path: Path) -> None:
    service = ReadingService(predictor, [], RadiographStore())
    bad, good = tmp_path / "bad.png", tmp_path / "good.png"
    bad.write_bytes(b"no film")
    good.write_bytes(png())
    for act in (lambda: service.open_file(str(bad), "me"), lambda: service.read_row(b"no film")):
        with pytest.raises(ValueError, match="not a DICOM, PNG or JPEG"):
            act()
    done: list[dict[str, Any]] = []
    thread = threading.Thread(target=lambda: done.append(service.open_file(str(good), "me")))
    thread.start()
    thread.join(60)
    assert done

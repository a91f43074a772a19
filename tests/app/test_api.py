"""The named endpoints through gradio_client: /predict, and readers kept apart."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import cv2
import pytest
from gradio_client import Client, handle_file

from app.uploads import SHARED_SECONDS
from lmeran.findings import FINDINGS, State
from lmeran.predictor import Predictor
from tests.conftest import ROOT, film_pixels
from tests.support.predicting import predict_file
from tests.support.serving import Viewer, running_viewer


@pytest.fixture(scope="module")
def viewer(tmp_path_factory: pytest.TempPathFactory, checkpoint_folder: Path) -> Iterator[Viewer]:
    folder = tmp_path_factory.mktemp("viewer")
    with running_viewer(folder, "--checkpoint", str(checkpoint_folder)) as running:
        yield running


def client_of(viewer: Viewer) -> Client:
    return Client(viewer.url, verbose=False)


def test_predict_gives_the_command_lines_json(
    viewer: Viewer, film_file: Path, predictor: Predictor
) -> None:
    pins = {"Effusion": "positive", "Edema": "negative"}
    answer = client_of(viewer).predict(handle_file(film_file), pins, api_name="/predict")
    states = {"Effusion": State.POSITIVE, "Edema": State.NEGATIVE}
    expected = predict_file(predictor, film_file, states)
    assert {k: v for k, v in answer.items() if k not in ("file", "findings")} == {
        k: v for k, v in expected.items() if k not in ("file", "findings")
    }
    for got, wanted in zip(answer["findings"], expected["findings"], strict=True):
        assert (got["finding"], got["state"]) == (wanted["finding"], wanted["state"])
        for value in ("free", "conditioned"):
            assert got[value] == pytest.approx(wanted[value], abs=2e-6)


def test_an_open_film_is_explained(viewer: Viewer, film_file: Path) -> None:
    client = client_of(viewer)
    token = client.predict(handle_file(film_file), api_name="/open")["token"]
    request = {"token": token, "seq": 1, "pins": [0, 0, 2] + [0] * 11}
    why = client.predict(request, api_name="/explain")["why"]
    assert why["pins"] == {"Effusion": "positive"}
    entry = why["findings"][0]
    assert entry["per_pin"]["Effusion"] == pytest.approx(entry["ledger"]["shift"], abs=1e-5)


def test_predict_says_what_is_wrong(viewer: Viewer, film_file: Path, tmp_path: Path) -> None:
    client = client_of(viewer)
    bad = tmp_path / "bad.dcm"
    bad.write_bytes(b"no film")
    with pytest.raises(Exception, match="not a DICOM, PNG or JPEG"):
        client.predict(handle_file(bad), None, api_name="/predict")
    with pytest.raises(Exception, match="not one of the 14 findings"):
        client.predict(handle_file(film_file), ["Efusion=positive"], api_name="/predict")


def test_every_endpoint_is_named(viewer: Viewer) -> None:
    config = client_of(viewer).config
    names = [d["api_name"] for d in config["dependencies"] if d["targets"] != [[None, "unload"]]]
    assert {"open", "example", "pin", "forget", "predict"} <= set(names)
    assert all(isinstance(name, str) and name for name in names)


def test_ten_readers_each_see_their_own_reading(viewer: Viewer, tmp_path: Path) -> None:
    """Ten clients with different films and pins at once; each must get its own answers."""

    def read(reader: int) -> None:
        path = tmp_path / f"{reader}.png"
        cv2.imwrite(str(path), film_pixels(100 + reader, 90 + 2 * reader, reader))
        client = client_of(viewer)
        opened = client.predict(handle_file(path), api_name="/open")
        assert (opened["height"], opened["width"]) == (100 + reader, 90 + 2 * reader)
        pins = [0] * len(FINDINGS)
        pins[reader] = int(State.POSITIVE)
        request = {"token": opened["token"], "seq": reader, "pins": pins}
        for _ in range(3):
            answer = client.predict(request, api_name="/pin")
            assert (answer["token"], answer["seq"]) == (opened["token"], reader)
            assert answer["reading"]["pins"] == pins
            assert answer["reading"]["free"] == opened["reading"]["free"]
        stranger = client_of(viewer).predict(request, api_name="/pin")
        assert stranger["kind"] == "error"

    with ThreadPoolExecutor(10) as pool:
        list(pool.map(read, range(10)))


def files_under(folder: Path, seconds: float = 0) -> list[str]:
    """Files that hold anything, once they are gone or after so many seconds.

    Gradio leaves empty files, which are swept a minute later.
    """
    end = time.monotonic() + seconds
    while True:
        found = [p.name for p in folder.rglob("*") if p.is_file() and p.stat().st_size]
        if not found or time.monotonic() > end:
            return found
        time.sleep(0.5)


def test_the_same_film_from_many_clients_at_once(viewer: Viewer, film_file: Path) -> None:
    """Gradio stores equal files under one path: none may go while another client waits for it."""

    def read(_: int) -> float:
        answer = client_of(viewer).predict(handle_file(film_file), None, api_name="/predict")
        return answer["findings"][0]["free"]

    with ThreadPoolExecutor(8) as pool:
        assert len(set(pool.map(read, range(16)))) == 1


def test_no_upload_stays_and_no_name_is_logged(viewer: Viewer, tmp_path: Path) -> None:
    client = client_of(viewer)
    path = tmp_path / "Doe_John_1970.png"
    cv2.imwrite(str(path), film_pixels())
    client.predict(handle_file(path), None, api_name="/predict")
    client.predict(handle_file(path), api_name="/open")
    broken = tmp_path / "Doe_Jane_1971.png"
    broken.write_bytes(b"\x89PNG\r\n\x1a\nbroken")
    answer: dict[str, Any] = client.predict(handle_file(broken), api_name="/open")
    assert answer["kind"] == "error"
    assert "Doe" not in json.dumps(answer)
    assert files_under(viewer.temp, seconds=SHARED_SECONDS + 15) == []
    assert "Doe" not in viewer.log.read_text()


WATCH_THE_NETWORK = """
import os, socket
look_up = socket.getaddrinfo
def watched(host, *rest, **more):
    with open(os.environ["LOOKED_UP"], "a") as log:
        print(host, file=log)
    return look_up(host, *rest, **more)
socket.getaddrinfo = watched
"""


def test_the_server_asks_for_no_other_host(
    tmp_path: Path, checkpoint_folder: Path, film_file: Path
) -> None:
    """Every name the server's process looks up, from its start over a reading to its end; also
    when a client names a web address in place of a file."""
    watcher, asked = tmp_path / "watcher", tmp_path / "asked.txt"
    watcher.mkdir()
    (watcher / "sitecustomize.py").write_text(WATCH_THE_NETWORK)
    arguments = ("--checkpoint", str(checkpoint_folder))
    variables = {"PYTHONPATH": str(watcher), "LOOKED_UP": str(asked)}
    with running_viewer(tmp_path / "v", *arguments, **variables) as viewer:
        client = client_of(viewer)
        client.predict(handle_file(film_file), None, api_name="/predict")
        elsewhere = handle_file("http://films.example/film.png")
        for name, pins in (("/predict", [None]), ("/open", [])):
            with pytest.raises(Exception, match="No file is fetched from a web address"):
                client.predict(elsewhere, *pins, api_name=name)
        with pytest.raises(Exception, match="No file is fetched"):
            client.predict({"pins": elsewhere}, api_name="/pin")
    hosts = set(asked.read_text().split())
    assert hosts <= {"127.0.0.1", "localhost", "None"}


def test_a_taken_port_is_said_in_one_sentence(
    viewer: Viewer, checkpoint_folder: Path, tmp_path: Path
) -> None:
    port = viewer.url.rsplit(":", 1)[1]
    done = subprocess.run(
        [sys.executable, "app.py", "--port", port, "--checkpoint", str(checkpoint_folder)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 2
    assert "choose another --port" in done.stderr
    assert "Traceback" not in done.stderr


def test_the_upload_folder_goes_with_the_viewer(tmp_path: Path, checkpoint_folder: Path) -> None:
    with running_viewer(tmp_path / "v", "--checkpoint", str(checkpoint_folder)) as viewer:
        assert [p.name for p in viewer.temp.glob("lmeran-viewer-*")]
    assert list(viewer.temp.glob("lmeran-viewer-*")) == []


def test_a_bad_checkpoint_stops_the_viewer_in_one_sentence(tmp_path: Path) -> None:
    with (
        pytest.raises(RuntimeError, match=r"no config\.json") as caught,
        running_viewer(tmp_path / "v", "--checkpoint", str(tmp_path)),
    ):
        pass
    assert "Traceback" not in str(caught.value)

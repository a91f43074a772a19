"""/predict and /explain through gradio_client and HTTP, and the viewer's process as a whole."""

from __future__ import annotations

import json
import os
import signal
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import cv2
import httpx
import numpy as np
import pytest
from gradio_client import Client, handle_file
from pydicom.uid import JPEGLossless

from app.api import KEPT_BYTES, KEPT_SECONDS, ClientFiles, files_of_form
from app.page import SESSION
from app.server import main
from lmeran.findings import FINDINGS, State
from lmeran.imaging.radiograph import ReadError
from lmeran.predictor import Predictor
from tests.conftest import film_pixels
from tests.imaging.test_codestreams import encapsulated
from tests.support.dicom_making import film, lossless_jpeg, written
from tests.support.readings import predict_file
from tests.support.serving import VARIABLES, Viewer, running_viewer

WATCH_THE_NETWORK = """
import os, socket
look_up = socket.getaddrinfo
def watched(host, *rest, **more):
    with open(os.environ["LOOKED_UP"], "a") as log:
        print(host, file=log)
    return look_up(host, *rest, **more)
socket.getaddrinfo = watched
"""


@pytest.fixture(scope="module")
def viewer(tmp_path_factory: pytest.TempPathFactory, checkpoint_folder: Path) -> Iterator[Viewer]:
    """Every name that its process looks up, from its start on, is in asked.txt."""
    folder = tmp_path_factory.mktemp("viewer")
    (folder / "sitecustomize.py").write_text(WATCH_THE_NETWORK)
    variables = {"PYTHONPATH": str(folder), "LOOKED_UP": str(folder / "asked.txt")}
    options = ("--checkpoint", str(checkpoint_folder), "--films-per-minute", "0")
    with running_viewer(folder, *options, **variables) as running:
        yield running


def client_of(viewer: Viewer) -> Client:
    return Client(viewer.url, verbose=False)


def post(viewer: Viewer, path: str, reader: str, **body: Any) -> httpx.Response:
    headers = {SESSION: reader.ljust(32, "-")}
    return httpx.post(f"{viewer.url}/lmeran/{path}", headers=headers, timeout=60, **body)


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


def test_pins_may_be_left_out_and_explain_says_why(viewer: Viewer, film_file: Path) -> None:
    client, film = client_of(viewer), handle_file(film_file)
    states = {f["state"] for f in client.predict(film, api_name="/predict")["findings"]}
    assert states == {"unknown"}
    why = client.predict(film, {"Effusion": "positive"}, api_name="/explain")
    assert why["pins"] == {"Effusion": "positive"}
    assert "region" not in why
    without = client.predict(film, None, [10, 20, 30, 40], api_name="/explain")["region"]
    assert without["box"] == [10, 20, 30, 40]
    with pytest.raises(Exception, match="A region is four numbers"):
        client.predict(film, None, [10, 20, 30], api_name="/explain")
    entry = why["findings"][0]
    assert entry["per_pin"]["Effusion"] == pytest.approx(entry["decomposition"]["shift"], abs=1e-5)


def test_the_two_endpoints_are_described_with_their_types(viewer: Viewer) -> None:
    described = client_of(viewer).view_api(return_format="dict")["named_endpoints"]
    assert set(described) == {"/predict", "/explain"}
    for name, endpoint in described.items():
        file, pins, *more = endpoint["parameters"]
        assert [p["parameter_name"] for p in more] == ["without"] * (name == "/explain")
        assert (file["parameter_name"], pins["parameter_name"]) == ("file", "pins")
        assert "filepath" in file["python_type"]["type"]
        assert pins["parameter_has_default"]
        assert "Research use" in endpoint["description"]


def test_plain_http_has_the_same_answer(viewer: Viewer, film_file: Path) -> None:
    api = f"{viewer.url}/gradio_api"
    sent = httpx.post(f"{api}/upload", files={"files": film_file.read_bytes()}).json()
    file = {"path": sent[0], "meta": {"_type": "gradio.FileData"}}
    event = httpx.post(f"{api}/call/predict", json={"data": [file, {"Mass": "negative"}]}).json()
    lines = httpx.get(f"{api}/call/predict/{event['event_id']}", timeout=30).text.splitlines()
    (answer,) = json.loads(lines[1].removeprefix("data: "))
    (mass,) = (f for f in answer["findings"] if f["finding"] == "Mass")
    assert mass["state"] == "negative"


def test_predict_says_what_is_wrong(viewer: Viewer, film_file: Path, tmp_path: Path) -> None:
    client = client_of(viewer)
    bad = tmp_path / "bad.dcm"
    bad.write_bytes(b"no film")
    with pytest.raises(Exception, match="not a DICOM, PNG or JPEG"):
        client.predict(handle_file(bad), api_name="/predict")
    with pytest.raises(Exception, match="not one of the 14 findings"):
        client.predict(handle_file(film_file), {"Efusion": "positive"}, api_name="/predict")
    with pytest.raises(Exception, match="Give a file"):
        client.predict("/etc/hostname", api_name="/predict")


def test_a_decoder_that_is_gone_costs_one_film_at_most_and_the_viewer_goes_on(
    viewer: Viewer, film_file: Path
) -> None:
    kept = post(viewer, "films", "me", content=film_file.read_bytes()).json()["token"]
    for process in children(viewer.process.pid):
        os.kill(process, signal.SIGKILL)
    answer = post(viewer, "films", "me", content=film_file.read_bytes())
    if answer.status_code != 200:
        assert answer.status_code == 422
        assert answer.json()["message"].startswith("The decoder crashed on this film")
    assert viewer.process.poll() is None
    pins = {"token": kept, "pins": [1] + [0] * 13}
    assert post(viewer, "pins", "me", json=pins).json()["pins"][0] == 1
    assert post(viewer, "films", "me", content=film_file.read_bytes()).status_code == 200


def test_a_film_whose_codestream_would_abort_a_decoder_is_refused_in_words(
    viewer: Viewer, tmp_path: Path
) -> None:
    values = film_pixels(64, 64).astype(np.uint16) * 16
    stream = lossless_jpeg(values, 12, tables=b"")  # GDCM calls abort() on it
    path = tmp_path / "film.dcm"
    path.write_bytes(written(encapsulated(film(values), stream, JPEGLossless), JPEGLossless))
    for route in ("films", "rows"):
        answer = post(viewer, route, "me", content=path.read_bytes())
        assert answer.status_code == 422
        assert "damaged" in answer.json()["message"]
    with pytest.raises(Exception, match="damaged"):
        client_of(viewer).predict(handle_file(path), api_name="/predict")
    assert viewer.process.poll() is None


def children(parent: int) -> list[int]:
    """The processes that a process started."""
    tasks = Path(f"/proc/{parent}/task").glob("*/children")
    return [int(child) for task in tasks for child in task.read_text().split()]


def test_ten_readers_each_see_their_own_reading(viewer: Viewer) -> None:
    """Ten readers with different films and pins at once; each must get its own answers."""

    def read(reader: int) -> None:
        pixels = film_pixels(100 + reader, 90 + 2 * reader, reader)
        data, name = cv2.imencode(".png", pixels)[1].tobytes(), f"reader-{reader}"
        opened = post(viewer, "films", name, content=data).json()
        assert (opened["height"], opened["width"]) == (100 + reader, 90 + 2 * reader)
        pins = [0] * len(FINDINGS)
        pins[reader] = int(State.POSITIVE)
        request = {"token": opened["token"], "pins": pins}
        for _ in range(3):
            answer = post(viewer, "pins", name, json=request).json()
            assert answer["pins"] == pins
            assert answer["free"] == opened["reading"]["free"]
        assert post(viewer, "pins", "stranger", json=request).status_code == 404

    with ThreadPoolExecutor(10) as pool:
        list(pool.map(read, range(10)))


def test_the_same_film_from_many_clients_at_once(viewer: Viewer, film_file: Path) -> None:
    def read(_: int) -> float:
        answer = client_of(viewer).predict(handle_file(film_file), api_name="/predict")
        return answer["findings"][0]["free"]

    with ThreadPoolExecutor(8) as pool:
        assert len(set(pool.map(read, range(16)))) == 1


def test_nothing_is_written_and_no_name_is_logged(viewer: Viewer, tmp_path: Path) -> None:
    client = client_of(viewer)
    path, broken = tmp_path / "Doe_John_1970.png", tmp_path / "Doe_Jane_1971.png"
    cv2.imwrite(str(path), film_pixels())
    broken.write_bytes(b"\x89PNG\r\n\x1a\nbroken")
    answer = client.predict(handle_file(path), api_name="/predict")
    with pytest.raises(Exception, match="damaged") as caught:
        client.predict(handle_file(broken), api_name="/predict")
    assert "Doe" not in json.dumps(answer) + str(caught.value)
    assert [each for each in viewer.temp.rglob("*") if each.is_file()] == []
    assert "Doe" not in viewer.log.read_text()


def test_the_server_asks_for_no_other_host(viewer: Viewer, film_file: Path) -> None:
    """Not for a reading, nor when a client names a web address in place of a file."""
    client = client_of(viewer)
    client.predict(handle_file(film_file), api_name="/predict")
    elsewhere = handle_file("http://films.example/film.png")
    for name in ("/predict", "/explain"):
        with pytest.raises(Exception, match="No file is fetched from a web address"):
            client.predict(elsewhere, api_name=name)
    for path in ("file=http://films.example/x", "proxy=http://films.example/x"):
        assert httpx.get(f"{viewer.url}/gradio_api/{path}").status_code == 404
    hosts = set((viewer.temp.parent / "asked.txt").read_text().split())
    assert hosts <= {"127.0.0.1", "localhost", "None"}


@pytest.fixture()
def started_here(monkeypatch: pytest.MonkeyPatch) -> Callable[..., int]:
    """`app.server.main` in this process, which leaves signals and variables as they were."""
    monkeypatch.setattr("signal.signal", lambda *_: None)
    for name in VARIABLES:
        monkeypatch.setenv(name, "")
    return lambda *arguments: main(["--checkpoint", *map(str, arguments)])


def test_what_stops_the_viewer_is_said_in_one_sentence(
    viewer: Viewer,
    checkpoint_folder: Path,
    tmp_path: Path,
    started_here: Callable[..., int],
    capsys: pytest.CaptureFixture[str],
) -> None:
    port = viewer.url.rsplit(":", 1)[1]
    assert started_here(checkpoint_folder, "--port", port) == 2
    assert "choose another --port" in capsys.readouterr().err
    assert started_here(tmp_path, "--port", "0") == 2
    said = capsys.readouterr().err
    assert "no config.json" in said
    assert len(said.splitlines()) == 1


def test_no_process_outlives_the_viewer(tmp_path: Path, checkpoint_folder: Path) -> None:
    with running_viewer(tmp_path / "v", "--checkpoint", str(checkpoint_folder)) as viewer:
        begun = [Path("/proc", str(pid)) for pid in children(viewer.process.pid)]
        assert begun
        viewer.process.kill()
        viewer.process.wait(30)
        end = time.monotonic() + 10
        while any(each.exists() for each in begun) and time.monotonic() < end:
            time.sleep(0.1)
        assert not any(each.exists() for each in begun)


def test_files_of_clients_are_taken_once_and_kept_for_a_while() -> None:
    now = [0.0]
    files = ClientFiles(lambda: now[0])
    name = files.add(b"abc")
    assert files.take({"path": name}) == b"abc"
    for nothing in ({"path": name}, {"path": "/etc/hostname"}, {}, None, name):
        with pytest.raises(ReadError, match="Give a file"):
            files.take(nothing)
    files.add(b"abc")
    now[0] = KEPT_SECONDS + 1
    files.sweep()
    assert len(files) == 0
    for _ in range(5):
        files.add(bytes(KEPT_BYTES // 4))
    assert len(files) == 4


def test_a_form_is_taken_apart() -> None:
    boundary = "multipart/form-data; boundary=abc"
    part = b"--abc\r\nContent-Disposition: form-data; filename=x\r\n\r\n\x00\r\n--ab\r\n"
    assert files_of_form(boundary, part + part + b"--abc--\r\n") == [b"\x00\r\n--ab"] * 2
    for content_type, body in (("text/plain", part), (boundary, b""), (boundary, b"--abc")):
        with pytest.raises(ReadError, match="as a form"):
            files_of_form(content_type, body)

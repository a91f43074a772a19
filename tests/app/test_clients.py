"""Clients that stall, send too much, leave, or say what is not to be kept."""

from __future__ import annotations

import contextlib
import logging
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from app.http.gateway import FILES_ROOM, ViewerServer
from app.http.routes import GRADIO
from app.page import SESSION
from app.scheduler import LOOK_SECONDS
from lmeran.imaging.radiograph import MAX_FILE_BYTES
from tests.support.serving import launched

Started = tuple[str, ViewerServer]


@pytest.fixture(scope="module")
def viewer(checkpoint_folder: Path) -> Iterator[Started]:
    with launched(checkpoint_folder, offering=True) as started:
        yield started


def stalled(url: str, path: str, size: int, sent: int) -> socket.socket:
    """A request that brings part of its body and then falls silent."""
    host, port = url.removeprefix("http://").split(":")
    connection = socket.create_connection((host, int(port)))
    head = f"POST {path} HTTP/1.1\r\nHost: {host}\r\nContent-Length: {size}\r\n"
    connection.sendall(f"{head}{SESSION}: {'x' * 32}\r\n\r\n".encode() + bytes(sent))
    return connection


def test_bodies_that_stall_hold_little_memory_and_nobody_up(viewer: Started) -> None:
    """25 of 60 MB held 1.1 GB. There is room for four; the others are not read."""
    url = viewer[0]

    def resident() -> int:
        return int(Path("/proc/self/statm").read_text().split()[1]) * 4096

    def send(connection: socket.socket) -> None:
        with contextlib.suppress(OSError):
            connection.sendall(bytes(60 * 2**20))

    before = resident()
    waiting = [stalled(url, "/lmeran/films", MAX_FILE_BYTES - 1, 0) for _ in range(25)]
    for connection in waiting:
        threading.Thread(target=send, args=(connection,), daemon=True).start()
    highest = 0
    for _ in range(20):
        time.sleep(0.1)
        highest = max(highest, resident() - before)
    assert highest < FILES_ROOM + 100 * 2**20
    assert httpx.get(url, timeout=5).status_code == 200
    small = httpx.post(
        f"{url}/lmeran/films", content=b"no film", headers={SESSION: "y" * 32}, timeout=30
    )
    assert small.status_code in (422, 503)
    for connection in waiting:
        connection.close()
    time.sleep(1)
    again = httpx.post(f"{url}/lmeran/films", content=b"no film", headers={SESSION: "y" * 32})
    assert again.status_code == 422


def test_a_request_of_hundreds_of_megabytes_is_not_read(viewer: Started) -> None:
    with stalled(viewer[0], f"{GRADIO}/queue/join", 600 * 2**20, 1024) as connection:
        connection.settimeout(5)
        answer = connection.recv(4096)
    assert answer.startswith(b"HTTP/1.1 413")
    assert b"connection: close" in answer.lower()


def test_logs_carry_nothing_that_a_client_sent(
    viewer: Started, capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    url = viewer[0]
    word = "Tremblay"
    calls = [
        {"data": [{"path": f"/{word}", "meta": {"_type": "gradio.FileData"}}], "fn_index": 0},
        {"data": [{"path": f"http://{word}/x", "meta": {"_type": "gradio.FileData"}}]},
        {"data": [word], "fn_index": 99, "session_hash": word},
        {"data": word},
        [word],
    ]
    for call in calls:
        for path in ("queue/join", "call/predict", f"call/{word}", "cancel"):
            httpx.post(f"{url}{GRADIO}/{path}", json=call)
    httpx.get(f"{url}/{word}")
    httpx.post(f"{url}/lmeran/pins", content=word, headers={SESSION: "x" * 32})
    httpx.post(f"{url}/lmeran/films?frame={word}", content=word, headers={SESSION: "x" * 32})
    time.sleep(1)
    said = capfd.readouterr()
    assert word not in said.out + said.err + caplog.text


def test_a_page_that_leaves_while_it_is_answered_leaves_no_trace(
    viewer: Started, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A traceback of CancelledError was logged, where the explanation was still being computed."""
    url, begun, left = viewer[0], threading.Event(), threading.Event()

    def why_facts(*_: object) -> dict[str, str]:
        begun.set()
        left.wait(30)
        return {}

    monkeypatch.setattr("app.service.why_facts", why_facts)
    monkeypatch.setattr(logging.getLogger("uvicorn"), "handlers", [caplog.handler])
    headers = {SESSION: "x" * 32}
    token = httpx.post(f"{url}/lmeran/examples/0", headers=headers, timeout=60).json()["token"]
    asked = {"token": token, "pins": [0] * 14}
    with contextlib.suppress(httpx.ReadTimeout):
        httpx.post(f"{url}/lmeran/why", json=asked, headers=headers, timeout=1)
    assert begun.is_set()
    time.sleep(2 * LOOK_SECONDS)
    left.set()
    assert httpx.get(url).status_code == 200
    assert caplog.records == []

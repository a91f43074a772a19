"""The whole viewer started here, in this process: what it holds, who comes in, what it refuses."""

from __future__ import annotations

import gc
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import httpx
import pytest
from gradio_client import Client, handle_file
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.responses import PlainTextResponse
from starlette.routing import BaseRoute, Mount, Route
from starlette.testclient import TestClient

from app.quotas import ADDRESS_SHARE, Quotas
from app.security import ENVELOPE, GRADIO, START, TRIES, UploadMiddleware
from app.server import prepare_environment, start
from app.sessions import OpenRadiograph
from app.settings import Settings
from lmeran.imaging.radiograph import MAX_FILE_BYTES
from lmeran.predictor import EncodedRadiograph
from tests.conftest import film_pixels

USER, PASSWORD = "ann", "correct horse battery"
VARIABLES = (
    "GRADIO_TEMP_DIR",
    "GRADIO_ANALYTICS_ENABLED",
    "HF_HUB_DISABLE_TELEMETRY",
    "FORWARDED_ALLOW_IPS",
    "NO_PROXY",
)


@dataclass(frozen=True)
class Started:
    """app: with all its routes; folder: of uploads."""

    url: str
    app: Any
    folder: Path


@contextmanager
def started(folder: Path, checkpoint: Path, **settings: Any) -> Iterator[Started]:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    given = Settings(checkpoint=str(checkpoint), port=port, **settings)
    folder.mkdir()
    with pytest.MonkeyPatch.context() as patch:
        for name in VARIABLES:  # to be put back afterwards
            patch.setenv(name, "")
        prepare_environment(folder, given)
        app, page = start(given, folder)
        try:
            yield Started(f"http://127.0.0.1:{port}", app, folder)
        finally:
            page.close(verbose=False)


@pytest.fixture(scope="module")
def closed(tmp_path_factory: pytest.TempPathFactory, checkpoint_folder: Path) -> Iterator[Started]:
    """A viewer with a password."""
    folder = tmp_path_factory.mktemp("closed") / "uploads"
    with started(folder, checkpoint_folder, user=USER, password=PASSWORD) as viewer:
        yield viewer


def alive(*kinds: type) -> int:
    gc.collect()
    return sum(type(each) in kinds for each in gc.get_objects())


def eventually(holds: Callable[[], bool], seconds: float = 10) -> bool:
    end = time.monotonic() + seconds
    while not holds() and time.monotonic() < end:
        time.sleep(0.1)
    return holds()


def addresses(routes: list[BaseRoute]) -> list[tuple[str, str]]:
    """Method and path of each route, with something in place of its parameters."""
    found = []
    for route in routes:
        if isinstance(route, Mount):
            found.append(("GET", f"{route.path}/main.js"))
        elif isinstance(route, Route):
            path = "/".join("x" if "{" in part else part for part in route.path.split("/"))
            found += [(method, path) for method in sorted(route.methods or {"GET"})]
        elif hasattr(route, "original_router"):  # FastAPI's own, of `include_router`
            found += addresses(route.original_router.routes)
    return found


def test_no_route_answers_those_who_are_not_signed_in(closed: Started) -> None:
    routes = addresses(closed.app.routes)
    assert len(routes) > 60
    ours = {path.split("/")[2] for _, path in routes if path.startswith("/lmeran/")}
    assert {"film", "held", "example", "export", "reading", "static"} <= ours
    assert {("POST", f"{GRADIO}/upload"), ("POST", f"{GRADIO}/queue/join")} <= set(routes)
    with httpx.Client(base_url=closed.url) as client:
        for method, path in routes:
            answer = client.request(method, path)
            if path == START:
                continue
            if path == "/":
                assert method == "HEAD" or 'name="password"' in answer.text
                assert "gradio" not in answer.text
                continue
            assert answer.status_code == 401, (method, path)
            if method != "HEAD":
                assert "Sign in" in answer.text or path == "/login"


def test_signing_in_by_the_page_and_out_again(closed: Started) -> None:
    with httpx.Client(base_url=closed.url, headers={"Accept": "text/html"}) as client:
        wrong = client.post("/login", data={"username": USER, "password": "guess"})
        assert wrong.status_code == 401
        assert "Name or password is wrong; try again." in wrong.text
        right = client.post("/login", data={"username": USER, "password": PASSWORD})
        assert (right.status_code, right.headers["location"]) == (303, "./")
        cookie = right.headers["set-cookie"]
        assert "HttpOnly" in cookie
        assert "samesite=lax" in cookie.lower()
        assert client.get("/lmeran/static/main.js").status_code == 200
        assert client.get("/lmeran/static/viewer/viewport.js").status_code == 200
        assert client.get("/lmeran/static/viewer/%2e%2e/%2e%2e/server.py").status_code == 404
        kept = dict(client.cookies)
        client.post("/logout")
        assert client.get("/lmeran/static/main.js").status_code == 401
        assert client.get("/lmeran/static/viewer/viewport.js").status_code == 401
        again = httpx.get(f"{closed.url}/lmeran/static/main.js", cookies=kept)
        assert again.status_code == 401, "the cookie that was stolen is worth nothing either"


def test_forgetting_leaves_nothing_in_memory_or_on_disk(closed: Started, tmp_path: Path) -> None:
    """Under the names the page makes up, and one that names a patient, as a client may send."""
    client = Client(closed.url, auth=(USER, PASSWORD), verbose=False)
    before = alive(EncodedRadiograph, OpenRadiograph)
    for name in (f"film-{'0' * 36}", f"prior-{'1' * 36}", f"film-{'2' * 36}"):
        cv2.imwrite(str(tmp_path / "film.png"), film_pixels(seed=len(name)))
        (tmp_path / "film.png").rename(tmp_path / name)
        opened = client.predict(handle_file(tmp_path / name), api_name="/open")
        assert opened["kind"] in ("film", "prior")
    request = {"token": opened["token"], "seq": 1, "pins": [2] + [0] * 13}
    assert client.predict(request, api_name="/pin")["kind"] == "reading"
    assert client.predict(request, api_name="/explain")["kind"] == "why"
    assert alive(EncodedRadiograph, OpenRadiograph) > before
    assert [
        path for path in closed.folder.rglob("*") if path.is_file() and path.stat().st_size
    ] == []
    client.predict({}, api_name="/forget")
    assert eventually(lambda: alive(EncodedRadiograph, OpenRadiograph) == before)
    answer = client.predict(request, api_name="/pin")
    assert (answer["kind"], "no longer open" in answer["message"]) == ("error", True)
    film = f"{closed.url}/lmeran/film/{opened['token']}"
    assert httpx.get(film, cookies=client.cookies).status_code == 404


def test_a_forged_address_does_not_help_against_the_limit_of_tries(
    tmp_path: Path, checkpoint_folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with started(
        tmp_path / "u", checkpoint_folder, user=USER, password=PASSWORD, films_per_minute=1
    ) as viewer:
        tries = [
            httpx.post(
                f"{viewer.url}/login",
                data={"username": USER, "password": PASSWORD if k == TRIES else f"guess {k}"},
                headers={"X-Forwarded-For": f"10.0.0.{k}"},
            )
            for k in range(TRIES + 1)
        ]
    assert [answer.status_code for answer in tries] == [401] * TRIES + [429]
    assert "try again in 5 minutes" in tries[-1].json()["message"]
    assert "guess" not in caplog.text


def test_too_many_films_and_idle_ones_over_http(
    tmp_path: Path, checkpoint_folder: Path, film_file: Path
) -> None:
    with started(
        tmp_path / "u", checkpoint_folder, films_per_minute=2, idle_minutes=0.05
    ) as viewer:
        client = Client(viewer.url, verbose=False)
        before = alive(EncodedRadiograph, OpenRadiograph)
        opened = client.predict(handle_file(film_file), api_name="/open")
        client.predict({"example": 0}, api_name="/example")
        opened = client.predict({"example": 0}, api_name="/example")
        assert opened["message"].startswith("Too many films in a short time (the limit is 2 a")
        with pytest.raises(Exception, match="Too many films"):
            client.predict(handle_file(film_file), None, api_name="/predict")
        # Nobody asks for it any more: the sweep in the background drops it.
        assert eventually(lambda: alive(EncodedRadiograph, OpenRadiograph) == before, 20)


def test_a_demonstration_reads_its_films_and_takes_no_file(
    tmp_path: Path, checkpoint_folder: Path, film_file: Path
) -> None:
    with started(tmp_path / "u", checkpoint_folder, demo=True) as viewer:
        client = Client(viewer.url, verbose=False)
        with httpx.Client(base_url=viewer.url) as raw:
            for path in ("/gradio_api/upload", "/gradio_api/process_recording"):
                answer = raw.post(path, files={"files": film_file.read_bytes()})
                assert answer.status_code == 403
                assert "takes no files" in answer.json()["message"]
            assert raw.post("/lmeran/worklist/x", content=bytes(10**6)).status_code == 403
            with pytest.raises(Exception, match="takes no files"):
                client.predict(None, None, api_name="/predict")
            opened = client.predict({"example": 1}, api_name="/example")
            assert opened["kind"] == "film"
            request = {"token": opened["token"], "seq": 1, "pins": [2] + [0] * 13}
            assert client.predict(request, api_name="/pin")["reading"]["pins"][0] == 2
            assert client.predict(request, api_name="/explain")["kind"] == "why"
            asked = {"pins": {}, "finding": "Mass"}
            report = raw.post(f"/lmeran/export/{opened['token']}/pdf", json=asked)
            assert report.content.startswith(b"%PDF")
            saved = raw.post(f"/lmeran/export/{opened['token']}/reading", json=asked)
            reopened = raw.post(f"/lmeran/reading/{opened['token']}", content=saved.content)
            assert reopened.status_code == 403
        assert list(viewer.folder.rglob("*.png")) == []


def uploading(quotas: Quotas) -> TestClient:
    """An app that takes every upload, behind the middleware."""

    async def taken(request: Any) -> PlainTextResponse:
        return PlainTextResponse(str(len(await request.body())))

    route = Route("/gradio_api/upload", taken, methods=["POST"])
    middleware = [Middleware(UploadMiddleware, quotas=quotas)]
    return TestClient(Starlette(routes=[route], middleware=middleware))


def test_uploads_too_large_or_too_many_never_reach_the_disk() -> None:
    client = uploading(Quotas(films_per_minute=2))
    path = "/gradio_api/upload"
    large = client.post(path, headers={"Content-Length": str(MAX_FILE_BYTES + ENVELOPE + 1)})
    assert (large.status_code, "64 MB" in large.json()["message"]) == (413, True)
    unknown = client.post(path, content=iter([b"abc"]))
    assert unknown.status_code == 411
    for _ in range(2 * ADDRESS_SHARE):
        assert client.post(path, content=b"abc").text == "3"
    late = client.post(path, content=b"abc")
    assert late.status_code == 429
    assert "try again in" in late.json()["message"]

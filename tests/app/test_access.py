"""The whole viewer started here: which routes answer whom, under which names, and with what."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from starlette.routing import BaseRoute, Mount, Route

from app.http.basic import TRIES
from app.http.gateway import ViewerServer
from app.http.hosts import Hosts, host_name
from app.http.routes import CLIENTS, GRADIO, PAGE, START
from app.page import SESSION
from tests.support.serving import launched

USER, PASSWORD = "ann", "correct horse battery"

OPEN_TO_ALL = {
    ("GET", "/"): "the page",
    ("HEAD", "/"): "the page",
    ("GET", "/lmeran/static/{path:path}"): "the page's own files",
    ("GET", "/lmeran/example/{position}"): "thumbnails of the films on offer",
    ("POST", "/lmeran/examples/{position}"): "who names a session",
    ("POST", "/lmeran/films"): "who names a session",
    ("POST", "/lmeran/rows"): "who names a session",
    ("GET", "/lmeran/film/{token}"): "who knows the film's token",
    ("POST", "/lmeran/pins"): "the film's own session",
    ("POST", "/lmeran/why"): "the film's own session",
    ("POST", "/lmeran/without"): "the film's own session",
    ("GET", "/lmeran/study"): "the example study",
    ("GET", "/lmeran/session"): "the session itself",
    ("DELETE", "/lmeran/session"): "the session itself",
    ("POST", "/lmeran/export/{token}/{form}"): "who knows the film's token",
    ("POST", "/lmeran/reading/{token}"): "who knows the film's token",
    ("GET", START): "says nothing",
    ("GET", "/config"): "clients of the API",
    ("GET", f"{GRADIO}/info"): "clients of the API",
    ("GET", f"{GRADIO}/heartbeat/{{session}}"): "clients of the API",
    ("POST", f"{GRADIO}/upload"): "clients of the API; memory only",
    ("POST", f"{GRADIO}/queue/join"): "clients of the API",
    ("GET", f"{GRADIO}/queue/data"): "the client that joined",
    ("POST", f"{GRADIO}/cancel"): "the client that joined",
    ("POST", f"{GRADIO}/call/{{name}}"): "clients of the API",
    ("GET", f"{GRADIO}/call/{{name}}/{{event}}"): "the client that called",
}
"""Every route that answers, and whom, where nobody has to sign in."""

Started = tuple[str, ViewerServer]


@pytest.fixture(scope="module")
def viewer(checkpoint_folder: Path) -> Iterator[Started]:
    with launched(checkpoint_folder, offering=True) as started:
        yield started


@pytest.fixture(scope="module")
def closed(checkpoint_folder: Path) -> Iterator[Started]:
    """A viewer with a password, behind a path."""
    with launched(
        checkpoint_folder, user=USER, password=PASSWORD, root_path="/lungs", films_per_minute=1
    ) as started:
        yield started


def all_routes(routes: list[BaseRoute]) -> list[tuple[str, str]]:
    """Method and path of each route that the server has, whoever made it."""
    found = []
    for route in routes:
        if isinstance(route, Mount):
            found.append(("GET", f"{route.path}/{{path:path}}"))
        elif isinstance(route, Route):
            found += [(method, route.path) for method in sorted(route.methods or {"GET"})]
        elif hasattr(route, "original_router"):  # FastAPI's own, of `include_router`
            found += all_routes(route.original_router.routes)
    return found


def an_address(path: str) -> str:
    """With something in place of what varies."""
    return "/".join("1" if "{" in part else part for part in path.split("/"))


def test_every_route_is_known_and_all_others_are_not_there(viewer: Started) -> None:
    url, server = viewer
    assert {(route.method, route.path) for route in (*PAGE, *CLIENTS)} == set(OPEN_TO_ALL)
    there = set(all_routes(list(server.routes)))
    assert len(there) > 60
    assert there >= set(OPEN_TO_ALL) - {("POST", f"{GRADIO}/call/{{name}}")} - {
        ("GET", f"{GRADIO}/heartbeat/{{session}}"),
        ("GET", f"{GRADIO}/call/{{name}}/{{event}}"),
    }
    patterns = [(route.method, route.pattern) for route in (*PAGE, *CLIENTS)]
    with httpx.Client(base_url=url) as client:
        for method, path in there:
            address = an_address(path)
            if any(m == method and pattern.fullmatch(address) for m, pattern in patterns):
                continue
            assert client.request(method, address).status_code == 404, (method, path)


@pytest.mark.parametrize(
    "path",
    [
        f"{GRADIO}/file=http://127.0.0.1:1/x",
        f"{GRADIO}/file=https://films.example/film.png",
        f"{GRADIO}/file/http://127.0.0.1:1/x",
        f"{GRADIO}/file=/etc/hostname",
        f"{GRADIO}/proxy=http://127.0.0.1:1/x",
        f"{GRADIO}/stream/a/b/c/playlist.m3u8",
        "/monitoring",
        "/theme.css",
        "/docs",
        "/openapi.json",
        f"{GRADIO}/mcp/",
        f"{GRADIO}/mcp/sse",
        "//etc/passwd",
    ],
)
def test_nothing_of_gradios_frontend_answers(viewer: Started, path: str) -> None:
    """File proxying above all: no web address is fetched for anybody, nor its name looked up."""
    for method in ("GET", "HEAD", "POST", "OPTIONS"):
        assert httpx.request(method, viewer[0] + path).status_code == 404


def test_static_files_are_ours_alone(viewer: Started) -> None:
    url = viewer[0]
    assert httpx.get(f"{url}/lmeran/static/main.js").status_code == 200
    for path in ("%2e%2e/server.py", "viewer/%2e%2e/%2e%2e/server.py", "../server.py", "none.js"):
        assert httpx.get(f"{url}/lmeran/static/{path}").status_code == 404


def test_what_every_answer_says_and_no_other_origin_is_let_in(viewer: Started) -> None:
    url = viewer[0]
    asked = {"Origin": "http://localhost:9999", "Access-Control-Request-Method": "POST"}
    for method, path in (("GET", "/"), ("GET", "/config"), ("GET", "/none"), ("OPTIONS", "/")):
        headers = httpx.request(method, url + path, headers=asked).headers
        assert not [name for name in headers if name.startswith("access-control")], path
        policy = headers["content-security-policy"]
        assert "script-src 'self';" in policy
        assert "frame-ancestors 'self'" in policy
        assert "unsafe" not in policy
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["referrer-policy"] == "no-referrer"
    page = httpx.get(url).text
    assert "gradio" not in page.lower()
    assert "set-cookie" not in httpx.get(url).headers


@pytest.mark.parametrize("host", ["evil.example", "evil.example:7860", "", "10.0.0.1"])
def test_a_viewer_of_this_machine_is_not_known_under_other_names(
    viewer: Started, host: str
) -> None:
    answer = httpx.get(viewer[0], headers={"Host": host})
    assert (answer.status_code, "--allow-host" in answer.text) == (400, True)


def test_names_that_a_viewer_for_others_is_known_under() -> None:
    hosts = Hosts("0.0.0.0", ["pacs.example"])
    known = ("pacs.example", "PACS.example:80", "10.1.2.3:7860", "[::1]:7860", "localhost")
    assert all(hosts.allows(name) for name in (*known, socket.gethostname()))
    assert not any(hosts.allows(name) for name in ("evil.example", "pacs.example.evil.example"))
    assert host_name("[fe80::1]:80") == "fe80::1"


def test_nobody_comes_in_without_the_password_under_either_path(closed: Started) -> None:
    url, server = closed
    for method, path in all_routes(list(server.routes)):
        for prefix in ("", "/lungs"):
            answer = httpx.request(method, url + prefix + an_address(path))
            if an_address(path) != START:
                assert answer.status_code == 401, (method, path)
                assert answer.headers["www-authenticate"].startswith("Basic ")
    for prefix in ("", "/lungs"):
        framed = httpx.get(f"{url}{prefix}/")
        assert 'target="_blank"' in framed.text
        for path in ("/", "/lmeran/static/main.js", "/config"):
            right = httpx.get(url + prefix + path, auth=(USER, PASSWORD))
            assert right.status_code == 200
    moved = httpx.get(f"{url}/lungs", auth=(USER, PASSWORD))
    assert (moved.status_code, moved.headers["location"]) == (308, "lungs/")


def test_tries_are_limited_by_address_whatever_is_forwarded(
    checkpoint_folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with launched(checkpoint_folder, user=USER, password=PASSWORD) as (url, _):
        tries = [
            httpx.get(
                url,
                auth=(USER, PASSWORD if k == TRIES else f"guess {k}"),
                headers={"X-Forwarded-For": f"10.0.0.{k}"},
            )
            for k in range(TRIES + 1)
        ]
    assert [answer.status_code for answer in tries] == [401] * TRIES + [429]
    assert "try again in 5 minutes" in tries[-1].json()["message"]
    assert "guess" not in caplog.text


def test_a_demonstration_takes_no_file(checkpoint_folder: Path) -> None:
    with (
        launched(checkpoint_folder, offering=True, demo=True) as (url, _),
        httpx.Client(base_url=url, headers={SESSION: "x" * 32}, timeout=60) as client,
    ):
        for path in ("/lmeran/films", "/lmeran/rows", "/lmeran/reading/x", f"{GRADIO}/upload"):
            answer = client.post(path, content=b"x")
            assert (answer.status_code, "takes no files" in answer.text) == (403, True)
        opened = client.post("/lmeran/examples/1").json()
        asked = {"token": opened["token"], "pins": [2] + [0] * 13}
        assert client.post("/lmeran/pins", json=asked).json()["pins"][0] == 2
        assert "sum" in client.post("/lmeran/why", json=asked).json()
        wanted = {"pins": {}, "finding": "Mass"}
        report = client.post(f"/lmeran/export/{opened['token']}/pdf", json=wanted)
        assert report.content.startswith(b"%PDF")

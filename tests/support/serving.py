"""Viewers for tests: the real `app.py` in a process of its own, or its routes in this process."""

from __future__ import annotations

import contextlib
import os
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

from app.exports import add_exports
from app.http.gateway import Access, ViewerServer
from app.http.hosts import Hosts
from app.page import SESSION, add_page
from app.quotas import Quotas
from app.scheduler import Scheduler
from app.server import prepare_environment, start
from app.service import ReadingService
from app.sessions import RadiographStore
from app.settings import Settings
from lmeran.imaging.files import read_bytes
from lmeran.predictor import Predictor
from tests.conftest import ROOT

VARIABLES = (
    "GRADIO_ANALYTICS_ENABLED",
    "HF_HUB_DISABLE_TELEMETRY",
    "FORWARDED_ALLOW_IPS",
    "NO_PROXY",
)


def free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


@dataclass(frozen=True)
class Viewer:
    """url: without trailing slash; temp: the TMPDIR it was given; log: what it printed."""

    url: str
    temp: Path
    log: Path
    process: subprocess.Popen[bytes]


@contextlib.contextmanager
def running_viewer(
    folder: Path, *arguments: str, examples: bool = False, **environment: str
) -> Iterator[Viewer]:
    """Start `app.py` on a free port with its own TMPDIR under `folder`; stop it politely.

    examples: with the bundled films, of which the page opens one by itself. environment: variables
    to set besides.
    """
    temp, log = folder / "tmp", folder / "log.txt"
    temp.mkdir(parents=True)
    if not examples:
        (folder / "no_films").mkdir()
        arguments = ("--examples", str(folder / "no_films"), *arguments)
    port = free_port()
    with log.open("wb") as stream:
        process = subprocess.Popen(
            [sys.executable, "app.py", "--port", str(port), *arguments],
            cwd=ROOT,
            env={**os.environ, "TMPDIR": str(temp), **environment},
            stdout=stream,
            stderr=subprocess.STDOUT,
        )
    viewer = Viewer(f"http://127.0.0.1:{port}", temp, log, process)
    try:
        _wait_until_ready(viewer)
        yield viewer
    finally:
        process.terminate()
        process.wait(120)


def _wait_until_ready(viewer: Viewer, seconds: float = 300) -> None:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if viewer.process.poll() is not None:
            raise RuntimeError(viewer.log.read_text())
        # Said once all of the page answers, also where one has to sign in first.
        if "LMeRAN viewer at" in viewer.log.read_text():
            return
        time.sleep(0.3)
    raise TimeoutError(viewer.log.read_text())


def session(reader: str) -> dict[str, str]:
    """The header by which the page of a reader names its session."""
    return {SESSION: reader.ljust(32, "-")}


def service_of(predictor: Predictor) -> ReadingService:
    """A service that decodes in this process, without films on offer."""
    return ReadingService(predictor, [], RadiographStore(), read_bytes)


@dataclass
class PageRoutes:
    """The page's routes over a real service, as the page calls them."""

    predictor: Predictor
    quotas: Quotas = field(default_factory=Quotas)
    access: Access = field(default_factory=lambda: Access(Hosts("testserver")))

    def __post_init__(self) -> None:
        self.service = service_of(self.predictor)
        self.scheduler = Scheduler()
        server = ViewerServer(self.access)
        add_page(server, self.service, self.scheduler, self.quotas)
        add_exports(server, self.service)
        self.client = TestClient(server)

    def send(self, path: str, data: bytes | None = None, reader: str = "me", **more: Any) -> Any:
        return self.client.post(f"/lmeran/{path}", content=data, headers=session(reader), **more)


@contextlib.contextmanager
def launched(
    checkpoint: Path, offering: bool = False, **settings: Any
) -> Iterator[tuple[str, ViewerServer]]:
    """Address and server of a viewer in this process, which has imported all it needs already.

    offering: with the bundled films.
    """
    port = free_port()
    with tempfile.TemporaryDirectory() as nothing, pytest.MonkeyPatch.context() as patch:
        films = {} if offering else {"examples": Path(nothing)}
        given = Settings(checkpoint=str(checkpoint), port=port, **(films | settings))
        for name in VARIABLES:  # to be put back afterwards
            patch.setenv(name, "")
        prepare_environment(given)
        server = start(given)
        try:
            yield f"http://127.0.0.1:{port}", server
        finally:
            server.get_blocks().close(verbose=False)

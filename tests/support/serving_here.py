"""The viewer's routes in this process: behind the gateway but without a socket, or all launched."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import contextmanager
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

VARIABLES = (
    "GRADIO_ANALYTICS_ENABLED",
    "HF_HUB_DISABLE_TELEMETRY",
    "FORWARDED_ALLOW_IPS",
    "NO_PROXY",
)


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


@contextmanager
def launched(checkpoint: Path, **settings: Any) -> Iterator[tuple[str, ViewerServer]]:
    """Address and server of a viewer that is started in this process."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    given = Settings(checkpoint=str(checkpoint), port=port, **settings)
    with pytest.MonkeyPatch.context() as patch:
        for name in VARIABLES:  # to be put back afterwards
            patch.setenv(name, "")
        prepare_environment(given)
        server = start(given)
        try:
            yield f"http://127.0.0.1:{port}", server
        finally:
            server.get_blocks().close(verbose=False)

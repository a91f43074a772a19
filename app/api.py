"""/predict and /explain for other programs, through Gradio's queue: gradio_client, HTTP and MCP.

Their files stay in memory, under names made up here: what the sender calls them is not kept.
"""

from __future__ import annotations

import asyncio
import logging
import re
import secrets
import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from typing import Any

import gradio as gr
from fastapi import Request, Response
from fastapi.responses import JSONResponse

from app.http.gateway import UNEXPECTED, ViewerServer, address_of, refusal
from app.http.routes import GRADIO
from app.quotas import Quotas
from app.scheduler import Scheduler
from app.service import ReadingService
from lmeran.errors import UserError
from lmeran.findings import PinError, Pins, parse_pins
from lmeran.imaging.radiograph import MAX_FILE_BYTES, ReadError, check_file_size

KEPT_SECONDS = 60.0
"""A file so old was sent, but never asked to be read."""

KEPT_BYTES = 4 * MAX_FILE_BYTES
NO_ADDRESS = "No file is fetched from a web address here; send the file itself."
NO_FILE = "Give a file: a chest X-ray as DICOM, PNG or JPEG."
NO_FORM = "Send the file as a form (multipart/form-data)."
log = logging.getLogger(__name__)


class ClientFiles:
    """Files that clients have sent and not yet asked to be read; each is taken once."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._files: OrderedDict[str, tuple[bytes, float]] = OrderedDict()

    def __len__(self) -> int:
        return len(self._files)

    def add(self, data: bytes) -> str:
        """Keep a file for a while; its name here."""
        name = secrets.token_urlsafe(24)
        with self._lock:
            self._files[name] = (data, self._clock())
            while sum(len(kept) for kept, _ in self._files.values()) > KEPT_BYTES:
                self._files.popitem(last=False)
        return name

    def take(self, file: Any) -> bytes:
        """The bytes of a file as a call names it. Raises `ReadError`."""
        path = file.get("path") if isinstance(file, dict) else None
        # MCP clients name what they have sent by the address that Gradio would serve it under.
        name = str(path).rpartition("/file=")[2]
        with self._lock:
            data, _ = self._files.pop(name, (None, 0))
        if data is None:
            is_address = str(path).lower().startswith(("http:", "https:"))
            raise ReadError(NO_ADDRESS if is_address else NO_FILE)
        return data

    def sweep(self) -> None:
        """Drop what nobody came back for."""
        oldest = self._clock() - KEPT_SECONDS
        with self._lock:
            while self._files and next(iter(self._files.values()))[1] < oldest:
                self._files.popitem(last=False)


def add_api(
    server: ViewerServer, service: ReadingService, scheduler: Scheduler, quotas: Quotas
) -> ClientFiles:
    """The two endpoints, and Gradio's route for uploads, answered here and without the disk."""
    files = ClientFiles()

    async def upload(request: Request) -> Response:
        try:
            sent = files_of_form(request.headers.get("content-type", ""), await request.body())
            for data in sent:
                check_file_size(len(data))
        except ReadError as error:
            return refusal(422, str(error))
        return JSONResponse([files.add(data) for data in sent])

    async def read(
        act: Callable[..., dict[str, Any]], file: Any, pins: Any, request: gr.Request, *more: Any
    ) -> dict[str, Any]:
        try:
            quotas.file()
            known, data = named_pins(pins), files.take(file)
            address = address_of(request.request.scope) if request.request else ""
            quotas.opening(str(request.session_hash), address)
            film = scheduler.film(lambda: act(data, known, *more), f"api {address}", behind=True)
            return await asyncio.wrap_future(film)
        except UserError as error:
            raise gr.Error(str(error), print_exception=False) from None
        except Exception as error:
            log.error("%s while answering the API", type(error).__name__)
            raise gr.Error(UNEXPECTED, print_exception=False) from None

    async def predict(
        file: gr.FileData, pins: dict[str, str] | None = None, request: gr.Request | None = None
    ) -> dict[str, Any]:
        """Read one frontal chest X-ray: raw (and where fitted calibrated) probabilities of 14
        findings, free and under pins. Research use, not for diagnosis.

        Args:
            file: DICOM, PNG or JPEG, at most 64 MB.
            pins: what is known, as {"Effusion": "positive", "Edema": "negative"}; may be left out.
        """
        return await read(service.predict, file, pins, request)

    async def explain(
        file: gr.FileData,
        pins: dict[str, str] | None = None,
        without: list[float] | None = None,
        request: gr.Request | None = None,
    ) -> dict[str, Any]:
        """Why the reading of one film is what it is: logits by part and pin, influence of each
        finding on each, what to look at next. Research use, not for diagnosis.

        Args:
            file: DICOM, PNG or JPEG, at most 64 MB.
            pins: what is known, as {"Effusion": "positive", "Edema": "negative"}; may be left out.
            without: a region to read the film without, as [left, top, width, height] in pixels of
                the film; may be left out.
        """
        return await read(service.predict_why, file, pins, request, without)

    server.add_api_route(f"{GRADIO}/upload", upload, methods=["POST"])
    for endpoint in (predict, explain):
        # The scheduler has them one at a time; the queue only keeps them in order.
        server.api(endpoint, name=endpoint.__name__, concurrency_limit=4, concurrency_id="films")
    return files


def named_pins(pins: Any) -> Pins:
    """{"Effusion": "positive"}, ["Effusion=positive"] or nothing. Raises `PinError`."""
    if not pins:
        return {}
    if isinstance(pins, dict):
        pins = [f"{finding}={state}" for finding, state in pins.items()]
    if not isinstance(pins, list) or not all(isinstance(pin, str) for pin in pins):
        raise PinError('Pins are written {"Effusion": "positive"} or ["Effusion=positive"].')
    return parse_pins(pins)


def files_of_form(content_type: str, body: bytes) -> list[bytes]:
    """The parts of multipart/form-data (RFC 7578), without their headers. Raises `ReadError`."""
    found = re.search(r'boundary="?([^";,]+)"?', content_type)
    if not content_type.lower().startswith("multipart/form-data") or not found:
        raise ReadError(NO_FORM)
    parts = (b"\r\n" + body).split(b"\r\n--" + found[1].encode("latin-1"))[1:-1]
    if not parts:
        raise ReadError(NO_FORM)
    return [part.partition(b"\r\n\r\n")[2] for part in parts]

"""What the page takes along: reports, tables and reading files of an open film, made in memory.

A request names the film by its unguessable token, as the film's own pixels are fetched. Nothing is
written to disk, nothing of the file's header is there to be written: DICOM objects, which need it,
are made on the command line.
"""

from __future__ import annotations

import json
import logging
import threading
from collections.abc import Awaitable, Callable
from typing import Any

from fastapi import FastAPI, Request, Response
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import JSONResponse

from app.service import FILM_GONE, ReadingService
from app.sessions import OpenRadiograph
from lmeran.exports.formats import FORMATS
from lmeran.exports.formats import Request as ExportRequest
from lmeran.exports.reading_file import (
    MAX_BYTES,
    ReadingFile,
    ReadingFileError,
    parse_reading_file,
    write_reading_file,
)
from lmeran.exports.record import ExportError, MapChoice, record_of
from lmeran.exports.replay import Replay, replay
from lmeran.findings import FINDINGS, PinError, Pins, parse_pins, states_of
from lmeran.imaging.radiograph import ReadError

MEDIA = {
    "pdf": "application/pdf",
    "csv": "text/csv; charset=utf-8",
    "json": "application/json",
    "boxes": "text/csv; charset=utf-8",
    "reading": "application/json",
}
"""The forms the page offers, by name; see `lmeran.exports.formats`."""

AT_ONCE = 2
"""Reports made at the same time; the others wait."""

OTHER_IMAGE = "This reading file belongs to another image; open that film first, then the file."
UNEXPECTED = "The program failed on this; nothing was changed. Try again, or reload the page."
_PRIVATE = {"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff"}
log = logging.getLogger(__name__)


class Exports:
    """Answers what the page asks for its open film."""

    def __init__(self, service: ReadingService) -> None:
        self.service = service
        self._turn = threading.BoundedSemaphore(AT_ONCE)

    def make(self, token: str, form: str, asked: dict[str, Any]) -> tuple[str, bytes]:
        """File name and bytes of one form.

        asked: pins ({"Effusion": "positive"}), finding, layer and head (as in
        `ReadingService.pin`), free (the map without the pins), scale ("absolute" or "relative")
        and, for a reading file, view.
        Raises `ReadError` where the film is gone, `PinError`, `ExportError` or `ReadingFileError`
        where the request makes no sense.
        """
        film, predictor = self._film(token), self.service.predictor
        if form not in MEDIA:
            raise ExportError(f"There is no such form here; use one of {', '.join(MEDIA)}.")
        pins, view = _pins(asked.get("pins")), asked.get("view")
        layer, head = (_whole(asked.get(name), name) for name in ("layer", "head"))
        choice = MapChoice(layer, head, asked.get("free") is True)
        preview, finding = film.preview, asked.get("finding")
        if not isinstance(finding, str):
            raise PinError("The finding to export is not named; reload the page.")
        with self._turn:
            try:
                record = record_of(
                    predictor, preview.film, film.encoded, pins, finding, choice, preview.image
                )
            except ValueError as error:
                raise PinError(str(error)) from None
            name = f"{record.name}{FORMATS[form].ending}"
            if form == "reading":
                file = write_reading_file(predictor, preview.image, film.encoded, pins, view)
                return name, file.to_bytes()
            scale = "relative" if asked.get("scale") == "relative" else "absolute"
            request = ExportRequest(predictor, film.encoded, record, scale)
            return name, FORMATS[form].make(request)

    def open_reading(self, token: str, data: bytes) -> dict[str, Any]:
        """Pins and view of a reading file of this film, and in words whether it comes out equal.

        Raises `ReadError` where the film is gone, `ReadingFileError` for a file that is none or is
        of another image.
        """
        film = self._film(token)
        file = parse_reading_file(data)
        if file.image != film.preview.image:
            raise ReadingFileError(OTHER_IMAGE)
        with self._turn:
            result = replay(file, self.service.predictor, film.preview.image, film.encoded)
        return {
            "pins": states_of(file.pins).tolist(),
            "view": file.view,
            "equal": result.equal,
            "message": _in_a_sentence(file, result, self.service.predictor.checkpoint.identity),
        }

    def _film(self, token: str) -> OpenRadiograph:
        film = self.service.films.get(token)
        if film is None:
            raise ReadError(FILM_GONE)
        return film


def add_exports(app: FastAPI, service: ReadingService) -> None:
    """POST /lmeran/export/TOKEN/FORM (a JSON object) and /lmeran/reading/TOKEN (a reading file)."""
    exports = Exports(service)

    async def export(token: str, form: str, request: Request) -> Response:
        async def answer() -> Response:
            asked = _object(await _body(request))
            name, data = await run_in_threadpool(exports.make, token, form, asked)
            headers = {**_PRIVATE, "Content-Disposition": f'attachment; filename="{name}"'}
            return Response(data, media_type=MEDIA[form], headers=headers)

        return await _answered(answer)

    async def reading(token: str, request: Request) -> Response:
        async def answer() -> Response:
            data = await _body(request)
            found = await run_in_threadpool(exports.open_reading, token, data)
            return JSONResponse(found, headers=_PRIVATE)

        return await _answered(answer)

    app.add_api_route("/lmeran/export/{token}/{form}", export, methods=["POST"])
    app.add_api_route("/lmeran/reading/{token}", reading, methods=["POST"])


async def _answered(answer: Callable[[], Awaitable[Response]]) -> Response:
    """The answer, or an error as one sentence. What is logged quotes nothing."""
    try:
        return await answer()
    except ReadError as error:
        return _refusal(404, str(error))
    except (PinError, ExportError, ReadingFileError) as error:
        return _refusal(400, str(error))
    except Exception as error:
        log.error("%s while exporting", type(error).__name__)
        return _refusal(500, UNEXPECTED)


def _refusal(status: int, message: str) -> Response:
    return JSONResponse({"message": message}, status_code=status, headers=_PRIVATE)


async def _body(request: Request) -> bytes:
    """The request's body, cut off by refusal where it is longer than any reading file."""
    data = bytearray()
    async for part in request.stream():
        data += part
        if len(data) > MAX_BYTES:
            raise ReadingFileError("What was sent is far too large; choose a reading file.")
    return bytes(data)


def _object(data: bytes) -> dict[str, Any]:
    try:
        asked = json.loads(data)
    except (ValueError, RecursionError):
        asked = None
    if not isinstance(asked, dict):
        raise ExportError("The request is not understood; reload the page.")
    return asked


def _pins(value: Any) -> Pins:
    if not isinstance(value, dict) or not all(isinstance(s, str) for s in value.values()):
        raise PinError("The pins sent are not states of findings; reload the page.")
    return parse_pins(f"{finding}={state}" for finding, state in value.items())


def _whole(value: Any, name: str) -> int | None:
    if value is not None and type(value) is not int:
        raise PinError(f"'{name}' must be a whole number.")
    return value


def _in_a_sentence(file: ReadingFile, result: Replay, checkpoint: str) -> str:
    """What the reader is told after a reading file was opened."""
    if result.equal:
        return "The reading comes out as it was recorded."
    values = [d for d in result.differences if d.where in FINDINGS]
    count = len({difference.where for difference in values})
    changed = "1 finding comes" if count == 1 else f"{count} findings come"
    if file.checkpoint != checkpoint:
        return (
            f"The reading was made with checkpoint {file.checkpoint}, this is {checkpoint}: "
            f"{changed} out otherwise than recorded."
        )
    return (
        f"{changed} out otherwise than recorded; `replay` on the command line says which and how "
        "far."
    )

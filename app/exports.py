"""What the page takes along: reports, tables and reading files of an open film, made in memory.

A request names the film by its unguessable token, as the film's own pixels are fetched. Nothing is
written to disk, nothing of the file's header is there to be written: DICOM objects, which need it,
are made on the command line.
"""

from __future__ import annotations

import threading
from typing import Any

from fastapi import FastAPI, Request, Response
from fastapi.concurrency import run_in_threadpool

from app.http.gateway import refusal
from app.page import answering, sent_object
from app.service import FilmGoneError, ReadingService, whole
from app.sessions import OpenRadiograph
from lmeran.exports.formats import FORMATS
from lmeran.exports.formats import Request as ExportRequest
from lmeran.exports.reading_file import (
    ReadingFile,
    ReadingFileError,
    parse_reading_file,
    write_reading_file,
)
from lmeran.exports.record import ExportError, MapChoice, record_of
from lmeran.exports.replay import Replay, replay
from lmeran.findings import FINDINGS, PinError, Pins, parse_pins, states_of

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

OTHER_IMAGE = "This reading file belongs to another image; open that film, and the reading follows."


class OtherImageError(ReadingFileError):
    """A reading file that is about another film than the open one."""

    def __init__(self) -> None:
        super().__init__(OTHER_IMAGE)


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
        Raises `FilmGoneError`, `PinError`, `ExportError` or `ReadingFileError`
        where the request makes no sense.
        """
        film, predictor = self._film(token), self.service.predictor
        if form not in MEDIA:
            raise ExportError(f"There is no such form here; use one of {', '.join(MEDIA)}.")
        pins, view = _pins(asked.get("pins")), asked.get("view")
        layer, head = (whole(asked.get(name), name) for name in ("layer", "head"))
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

        Raises `FilmGoneError`, and `ReadingFileError` for a file that is none or is of another
        image.
        """
        film = self._film(token)
        file = parse_reading_file(data)
        if file.image != film.preview.image:
            raise OtherImageError
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
        if film is None or film.encoded is None:
            raise FilmGoneError
        return film


def add_exports(app: FastAPI, service: ReadingService) -> None:
    """POST /lmeran/export/TOKEN/FORM (a JSON object) and /lmeran/reading/TOKEN (a reading file)."""
    exports = Exports(service)

    @answering
    async def export(token: str, form: str, request: Request) -> Any:
        asked = await sent_object(request)
        name, data = await run_in_threadpool(exports.make, token, form, asked)
        headers = {"Content-Disposition": f'attachment; filename="{name}"'}
        return Response(data, media_type=MEDIA[form], headers=headers)

    @answering
    async def reading(token: str, request: Request) -> Any:
        try:
            return await run_in_threadpool(exports.open_reading, token, await request.body())
        except OtherImageError as error:  # by its status the page keeps it for the next film
            return refusal(409, str(error))

    app.add_api_route("/lmeran/export/{token}/{form}", export, methods=["POST"])
    app.add_api_route("/lmeran/reading/{token}", reading, methods=["POST"])


def _pins(value: Any) -> Pins:
    if not isinstance(value, dict) or not all(isinstance(s, str) for s in value.values()):
        raise PinError("The pins sent are not states of findings; reload the page.")
    return parse_pins(f"{finding}={state}" for finding, state in value.items())


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

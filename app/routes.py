"""Bytes the page fetches by address: its own modules, films (from memory), thumbnails."""

from __future__ import annotations

from fastapi import FastAPI, HTTPException, Response
from fastapi.responses import JSONResponse
from fastapi.staticfiles import StaticFiles

from app.page import STATIC
from app.service import ReadingService

_PRIVATE = {"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff"}
_PACKED = {**_PRIVATE, "Content-Encoding": "gzip"}


def add_routes(app: FastAPI, service: ReadingService) -> None:
    """/lmeran/static/..., /lmeran/film/TOKEN, /lmeran/held/TOKEN, /lmeran/example/NUMBER."""

    def film(token: str) -> Response:
        held = service.films.get(token)
        if held is None:
            raise HTTPException(404)
        return Response(held.values, media_type="application/octet-stream", headers=_PACKED)

    def held(token: str) -> JSONResponse:
        films = service.films.held(token)
        if not films:
            raise HTTPException(404)
        facts = {"films": len(films), "bytes": sum(film.nbytes for film in films)}
        return JSONResponse(facts, headers=_PRIVATE)

    def example(position: int) -> Response:
        if not 0 <= position < len(service.examples):
            raise HTTPException(404)
        thumbnail = service.examples[position].thumbnail
        return Response(thumbnail, media_type="image/jpeg", headers=_PRIVATE)

    app.add_api_route("/lmeran/film/{token}", film, methods=["GET"])
    app.add_api_route("/lmeran/held/{token}", held, methods=["GET"])
    app.add_api_route("/lmeran/example/{position}", example, methods=["GET"])
    app.mount("/lmeran/static", StaticFiles(directory=STATIC))

"""The page and what it asks for: its files, films, pins. Looks and behaviour are in `static/`.

A film comes as the body of a request into memory, the same way for the open one, a prior one and
the rows of a worklist. Which session asks is told by a header that only our page can send.
"""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Awaitable, Callable
from functools import wraps
from pathlib import Path
from typing import Any

from fastapi import FastAPI, Request, Response
from fastapi.responses import HTMLResponse, JSONResponse
from fastapi.staticfiles import StaticFiles

from app.examples import example_study
from app.http.bodies import Disconnected
from app.http.gateway import UNEXPECTED, address_of, refusal
from app.payload.facts import page_facts
from app.quotas import QuotaError, Quotas
from app.scheduler import Scheduler, result_of
from app.service import FilmGoneError, ReadingService
from lmeran.errors import UserError
from lmeran.findings import PinError
from lmeran.imaging.radiograph import ReadError

STATIC = Path(__file__).resolve().parent / "static"
SESSION = "LMeRAN-Session"
NO_SESSION = "The request names no session; reload the page."
_TOKEN = re.compile(r"[A-Za-z0-9_-]{22,64}")
_GZIP = {"Content-Encoding": "gzip"}
log = logging.getLogger(__name__)


def add_page(
    server: FastAPI, service: ReadingService, scheduler: Scheduler, quotas: Quotas
) -> None:
    """The routes of `app.http.routes.PAGE`, but for what is exported (`app.exports`)."""
    index = _index(service, quotas)

    async def page() -> Response:
        return HTMLResponse(index)

    async def opened(request: Request, read: Callable[[str], Any], behind: bool = False) -> Any:
        """What `read` gives of a film for a session, when it is its turn."""
        owner = session_of(request)
        if not behind:  # rows wait for all that is opened, and are not counted
            quotas.opening(owner, address_of(request.scope))
        return await result_of(scheduler.film(lambda: read(owner), owner, behind), request)

    @answering
    async def open_film(
        request: Request, frame: int = 1, prior: bool = False, alone: bool = False
    ) -> Any:
        data = await request.body()
        return await opened(
            request, lambda owner: service.open_film(data, owner, frame, prior, alone)
        )

    @answering
    async def open_example(
        request: Request, position: int, frame: int = 1, alone: bool = False
    ) -> Any:
        return await opened(
            request, lambda owner: service.open_example(position, owner, frame, alone)
        )

    @answering
    async def read_row(request: Request) -> Any:
        data = await request.body()
        return await opened(request, lambda _: service.read_row(data), behind=True)

    def asking(answer: Callable[[dict[str, Any], str], Any]) -> Callable[..., Any]:
        """The route of what a session asks about its open film; never behind a film."""

        @answering
        async def route(request: Request) -> Any:
            owner, asked = session_of(request), await sent_object(request)
            return await result_of(scheduler.pin(lambda: answer(asked, owner)), request)

        return route

    async def study(truth: bool = False) -> Response:
        return JSONResponse(example_study(service.examples, truth))

    @answering
    async def held(request: Request) -> Any:
        films = service.films.held(session_of(request))
        if not films:
            raise FilmGoneError
        return {"films": len(films), "bytes": sum(film.nbytes for film in films)}

    @answering
    async def forget(request: Request) -> Any:
        service.films.forget(session_of(request))
        return {}

    async def values(token: str) -> Response:
        film = service.films.get(token)
        if film is None:
            return refusal(404, str(FilmGoneError()))
        return Response(film.values, media_type="application/octet-stream", headers=_GZIP)

    async def example(position: int) -> Response:
        if not 0 <= position < len(service.examples):
            return refusal(404, "There is no such example.")
        return Response(service.examples[position].thumbnail, media_type="image/jpeg")

    for method, path, handler in (
        ("GET", "/", page),
        ("HEAD", "/", page),
        ("POST", "/lmeran/films", open_film),
        ("POST", "/lmeran/examples/{position}", open_example),
        ("POST", "/lmeran/rows", read_row),
        ("POST", "/lmeran/pins", asking(service.pin)),
        ("POST", "/lmeran/why", asking(service.explain)),
        ("POST", "/lmeran/without", asking(service.without)),
        ("GET", "/lmeran/study", study),
        ("GET", "/lmeran/session", held),
        ("DELETE", "/lmeran/session", forget),
        ("GET", "/lmeran/film/{token}", values),
        ("GET", "/lmeran/example/{position}", example),
    ):
        server.add_api_route(path, handler, methods=[method])
    server.mount("/lmeran/static", StaticFiles(directory=STATIC))


def _index(service: ReadingService, quotas: Quotas) -> str:
    """The page with the facts it needs, which no browser takes for a script."""
    examples = [example.facts() for example in service.examples]
    facts = {**page_facts(service.predictor.checkpoint, examples), "session": quotas.facts()}
    text = json.dumps(facts).replace("<", "\\u003c")
    paths = sorted(path.relative_to(STATIC).as_posix() for path in STATIC.rglob("*.js"))
    # All at once: a browser else hears of a module from the one that imports it.
    modules = [f'<link rel="modulepreload" href="lmeran/static/{path}">' for path in paths]
    page = (STATIC / "index.html").read_text(encoding="utf-8")
    return page.replace("{modules}", "\n".join(modules)).replace("{facts}", text)


def session_of(request: Request) -> str:
    """The session that the page made up for itself. Raises `PinError` without one."""
    token = request.headers.get(SESSION, "")
    if not _TOKEN.fullmatch(token):
        raise PinError(NO_SESSION)
    return token


async def sent_object(request: Request) -> dict[str, Any]:
    """The JSON object in the body. Raises `PinError` where there is none."""
    try:
        asked = json.loads(await request.body())
    except (ValueError, RecursionError):
        asked = None
    if not isinstance(asked, dict):
        raise PinError("The request is not understood; reload the page.")
    return asked


def answering(route: Callable[..., Awaitable[Any]]) -> Callable[..., Awaitable[Response]]:
    """The route's result, a response or what becomes JSON, or why not in one sentence. What is
    logged quotes nothing."""

    @wraps(route)
    async def answered(*given: Any, **named: Any) -> Response:
        try:
            result = await route(*given, **named)
            return result if isinstance(result, Response) else JSONResponse(result)
        except Disconnected:
            return Response()  # heard by nobody
        except FilmGoneError as error:
            return refusal(404, str(error))
        except QuotaError as error:
            return refusal(429, str(error))
        except ReadError as error:
            return refusal(422, str(error))
        except UserError as error:
            return refusal(400, str(error))
        except Exception as error:
            log.error("%s while answering the page", type(error).__name__)
            return refusal(500, UNEXPECTED)

    return answered

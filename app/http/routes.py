"""The routes that answer; all others, of Gradio or ours, are 404.

Gradio's server has some eighty routes for its own frontend. One of them fetches web addresses for
whoever asks, others write uploads to the disk. Here are those that our page, the clients of
Gradio's API and MCP need.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from lmeran.exports.reading_file import MAX_BYTES as READING_FILE_BYTES
from lmeran.imaging.radiograph import MAX_FILE_BYTES

GRADIO = "/gradio_api"
START = f"{GRADIO}/startup-events"
"""Asked by the program itself when it starts; says nothing."""

JSON_BYTES = 256 * 1024
FORM_BYTES = 64 * 1024
"""What a form holds beside the file."""


@dataclass(frozen=True)
class Route:
    """path: with {names} in place of what varies, {name:path} for several parts. body: bytes a
    request may bring; file: whether these are a reader's file, which a demonstration refuses;
    call: whether it is a call of Gradio's API, whose body Gradio reads."""

    method: str
    path: str
    body: int = 0
    file: bool = False
    call: bool = False

    @property
    def pattern(self) -> re.Pattern[str]:
        """Matches the paths of the route."""
        parts = re.split(r"(\{[^}]*\})", self.path)
        inner = [_part(part) if part.startswith("{") else re.escape(part) for part in parts]
        return re.compile("".join(inner))


def _part(name: str) -> str:
    return r"[^\0]*" if name.endswith(":path}") else r"[^/\0]+"


PAGE = (
    Route("GET", "/"),
    Route("HEAD", "/"),
    Route("GET", "/lmeran/static/{path:path}"),
    Route("GET", "/lmeran/example/{position}"),
    Route("POST", "/lmeran/examples/{position}"),
    Route("POST", "/lmeran/films", MAX_FILE_BYTES, file=True),
    Route("POST", "/lmeran/rows", MAX_FILE_BYTES, file=True),
    Route("GET", "/lmeran/film/{token}"),
    Route("POST", "/lmeran/pins", JSON_BYTES),
    Route("POST", "/lmeran/why", JSON_BYTES),
    Route("POST", "/lmeran/without", JSON_BYTES),
    Route("GET", "/lmeran/study"),
    Route("GET", "/lmeran/session"),
    Route("DELETE", "/lmeran/session"),
    Route("POST", "/lmeran/export/{token}/{form}", JSON_BYTES),
    Route("POST", "/lmeran/reading/{token}", READING_FILE_BYTES, file=True),
)
"""What our page asks for. Films belong to the session that opened them."""

CLIENTS = (
    Route("GET", START),
    Route("GET", "/config"),
    Route("GET", f"{GRADIO}/info"),
    Route("GET", f"{GRADIO}/heartbeat/{{session}}"),
    Route("POST", f"{GRADIO}/upload", MAX_FILE_BYTES + FORM_BYTES, file=True),
    Route("POST", f"{GRADIO}/queue/join", JSON_BYTES, call=True),
    Route("GET", f"{GRADIO}/queue/data"),
    Route("POST", f"{GRADIO}/cancel", JSON_BYTES, call=True),
    Route("POST", f"{GRADIO}/call/{{name}}", JSON_BYTES, call=True),
    Route("GET", f"{GRADIO}/call/{{name}}/{{event}}"),
)
"""What gradio_client and plain HTTP clients of /predict and /explain ask for."""

MCP = tuple(
    Route(method, f"{GRADIO}/mcp/{{path:path}}", JSON_BYTES if method == "POST" else 0)
    for method in ("GET", "POST", "DELETE")
)
"""Only with --mcp. Gradio's MCP server calls the two endpoints by the routes above."""


class RouteTable:
    """Which of some routes a request is of."""

    def __init__(self, routes: Iterable[Route]) -> None:
        self._routes = [(route.method, route.pattern, route) for route in routes]

    def find(self, method: str, path: str) -> Route | None:
        """The route, or None for a request that is not answered."""
        for each, pattern, route in self._routes:
            if each == method and pattern.fullmatch(path):
                return route
        return None

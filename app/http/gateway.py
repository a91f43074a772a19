"""The server: Gradio's, behind a gateway that every request passes first.

It wraps the whole app and not as one of its layers: Gradio adds layers of its own around those when
it launches (one of which answers requests of any origin), and one around all cannot leave any out.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable
from dataclasses import dataclass

import gradio as gr
from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import HTMLResponse, JSONResponse, RedirectResponse, Response
from starlette.types import Message, Receive, Scope, Send

from app.http.basic import CHALLENGE, SIGN_IN, BasicCredentials, SignInError
from app.http.bodies import Arrivals, BodyError, Disconnected
from app.http.calls import CallError, checked_call
from app.http.hosts import Hosts, content_security_policy
from app.http.routes import CLIENTS, JSON_BYTES, MCP, PAGE, START, RouteTable
from app.quotas import DEMO
from lmeran.imaging.radiograph import MAX_FILE_BYTES

FILES_ROOM = 4 * (MAX_FILE_BYTES + 2**20)
REQUESTS_ROOM = 64 * JSON_BYTES
UNKNOWN_HOST = "This viewer is not known under this name; start it with --allow-host NAME."
UNEXPECTED = (
    "The program failed on this; nothing was changed. Try another file, or reload the page."
)
SIGN_IN_PAGE = """<!doctype html><html lang="en"><meta charset="utf-8"><title>LMeRAN viewer</title>
<p>{} Inside another page the browser may not ask for name and password:
<a href="./" target="_blank" rel="noopener">open the viewer in a page of its own</a>.</p></html>
"""
NOT_BELIEVED = (b"origin", b"x-forwarded-host", b"x-gradio-server")
"""Headers by which Gradio would answer another origin, or take another address for its own."""

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Access:
    """Who may ask for what. hosts: names of the viewer; ancestors: origins whose pages may frame
    it; credentials: of all readers, None for no signing in; demo: takes no files; mcp: answers MCP
    too; root_path: of the viewer behind a proxy, stripped by it or not."""

    hosts: Hosts
    ancestors: tuple[str, ...] = ()
    credentials: BasicCredentials | None = None
    demo: bool = False
    mcp: bool = False
    root_path: str = ""

    @property
    def routes(self) -> RouteTable:
        """What is answered."""
        return RouteTable((*PAGE, *CLIENTS, *(MCP if self.mcp else ())))


class RefusedError(Exception):
    """A request that is not answered, and the response in place of one."""

    def __init__(self, response: Response) -> None:
        super().__init__(response.status_code)
        self.response = response


class ViewerServer(gr.Server):
    """`gradio.Server` behind the gateway."""

    def __init__(self, access: Access) -> None:
        super().__init__(
            title="LMeRAN viewer",
            docs_url=None,
            redoc_url=None,
            openapi_url=None,
            redirect_slashes=False,
        )
        self.access = access
        self._table = access.routes
        self._files = Arrivals(FILES_ROOM)
        self._requests = Arrivals(REQUESTS_ROOM)
        self._headers = {
            "Content-Security-Policy": content_security_policy(access.ancestors),
            "X-Content-Type-Options": "nosniff",
            "Referrer-Policy": "no-referrer",
            "Cross-Origin-Resource-Policy": "same-origin",
        }

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "websocket":
            return await send({"type": "websocket.close", "code": 1008})
        if scope["type"] != "http":
            return await super().__call__(scope, receive, send)
        answer = _Answer(send, self._headers)
        try:
            await self._pass(scope, receive, answer)
        except RefusedError as refused:
            await refused.response(scope, receive, answer)
        except BodyError as error:
            response = refusal(error.status, str(error))
            response.headers["Connection"] = "close"  # the rest of the body is not read
            await response(scope, receive, answer)
        except CallError as error:
            await refusal(400, str(error))(scope, receive, answer)
        except Disconnected:
            pass
        except Exception as error:
            # Only the kind: the words and a traceback may quote what was sent.
            log.error("%s while answering", type(error).__name__)
            if not answer.begun:
                await refusal(500, UNEXPECTED)(scope, receive, answer)
        return None

    async def _pass(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers = Headers(scope=scope)
        path = self._path(scope)
        if not self.access.hosts.allows(headers.get("host", "")):
            raise RefusedError(refusal(400, UNKNOWN_HOST))
        self._sign_in(headers, scope, path)
        route = self._table.find(scope["method"], path)
        if route is None:
            raise RefusedError(refusal(404, "There is nothing here."))
        if route.file and self.access.demo:
            raise RefusedError(refusal(403, DEMO))
        arrivals = self._files if route.body > JSON_BYTES else self._requests
        async with arrivals.body(receive, _length(headers), route.body) as body:
            if route.call and body:
                body = checked_call(body)
            root = self.access.root_path
            inner = {**scope, "path": root + path, "raw_path": None, "root_path": root}
            inner["headers"] = _believed(scope["headers"], len(body))
            await super().__call__(inner, _replayed(body, receive), send)

    def _path(self, scope: Scope) -> str:
        """The path without the prefix, where a proxy left it in place."""
        path, root = str(scope["path"]), self.access.root_path
        if root and path == root:  # relative addresses need the slash
            raise RefusedError(RedirectResponse(f"{root.rsplit('/', 1)[1]}/", 308))
        if root and path.startswith(f"{root}/"):
            return path[len(root) :]
        return path

    def _sign_in(self, headers: Headers, scope: Scope, path: str) -> None:
        credentials = self.access.credentials
        if credentials is None or path == START:
            return
        try:
            credentials.check(headers.get("authorization"), address_of(scope))
        except SignInError as error:
            if error.wait:
                response = refusal(429, str(error))
            elif path == "/":
                response = HTMLResponse(SIGN_IN_PAGE.format(SIGN_IN), 401)
            else:
                response = refusal(401, str(error))
            if not error.wait:
                response.headers["WWW-Authenticate"] = CHALLENGE
            raise RefusedError(response) from None


class _Answer:
    """Sends a response with our headers on it."""

    def __init__(self, send: Send, headers: dict[str, str]) -> None:
        self._send = send
        self._headers = headers
        self.begun = False

    async def __call__(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.begun = True
            headers = MutableHeaders(scope=message)
            headers.update(self._headers)
            headers.setdefault("Cache-Control", "no-store")
        await self._send(message)


def refusal(status: int, message: str) -> Response:
    """One sentence. "detail" is where Gradio's clients look for words, "message" where ours do."""
    return JSONResponse({"detail": message, "message": message}, status)


def address_of(scope: Scope) -> str:
    """The address a request came from: of a proxy, unless the viewer was told to believe it."""
    client = scope.get("client")
    return str(client[0]) if client else ""


def _length(headers: Headers) -> int | None:
    size = headers.get("content-length", "")
    if "transfer-encoding" in headers:
        return None
    return int(size) if size.isdigit() else 0


def _believed(headers: Iterable[tuple[bytes, bytes]], length: int) -> list[tuple[bytes, bytes]]:
    left_out = (*NOT_BELIEVED, b"content-length", b"transfer-encoding")
    kept = [(name, value) for name, value in headers if name not in left_out]
    return [*kept, (b"content-length", str(length).encode())] if length else kept


def _replayed(body: bytes, receive: Receive) -> Receive:
    """A `receive` that has the whole body at once, and then what the connection says."""
    told = False

    async def replay() -> Message:
        nonlocal told
        if told:
            return await receive()
        told = True
        return {"type": "http.request", "body": body, "more_body": False}

    return replay

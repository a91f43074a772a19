"""What every request passes before Gradio and our own routes: signing in, and uploads.

Gradio's own `auth` leaves out what is added to its app (our films, exports, static files) and some
of its own routes, and counts no failed tries. A layer around all of the app cannot leave any out.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
import threading
import time
from collections.abc import Callable
from pathlib import Path
from urllib.parse import parse_qs

from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, RedirectResponse, Response
from starlette.types import ASGIApp, Receive, Scope, Send

from app.quotas import Quotas, SlidingWindow, in_words
from lmeran.imaging.radiograph import MAX_FILE_BYTES

LOGIN_PAGE = Path(__file__).resolve().parent / "static" / "login.html"
SIGN_IN = "Sign in first: open the viewer's page."
GRADIO = "/gradio_api"
START = f"{GRADIO}/startup-events"
"""Asked by the program itself when it starts; says nothing."""

UPLOADS = (f"{GRADIO}/upload", f"{GRADIO}/process_recording")
READING = "/lmeran/reading/"
ENVELOPE = 2**20
"""What a form may hold beside the file."""

MOST_LOGIN = 4096
MOST_DEMO = 256 * 1024
"""Bytes of a request in a demonstration: pins and exports take far less."""

IDLE_SECONDS = 12 * 3600
"""A browser that asks for nothing so long has to sign in again."""

TRIES = 5
TRIES_SECONDS = 5 * 60
"""So many failed tries of one address within this time, then none is looked at."""

MOST = 1000
"""Browsers signed in at a time; the one unused longest has to sign in again."""

_PRIVATE = {"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff"}


class LoginMiddleware:
    """Lets in those who are signed in. POST /login and /logout are answered here."""

    def __init__(self, app: ASGIApp, logins: Logins, cookie: str) -> None:
        self.app = app
        self.logins = logins
        self.cookie = cookie

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan" or scope.get("path") == START:
            return await self.app(scope, receive, send)
        if scope["type"] != "http":
            return await send({"type": "websocket.close", "code": 1008})
        request = Request(scope, receive)
        token = request.cookies.get(self.cookie, "")
        path = _path(scope)
        if request.method == "POST" and path == "/login":
            answer = await self._enter(request)
        elif request.method == "POST" and path == "/logout":
            self.logins.leave(token)
            answer = RedirectResponse("./", 303, _PRIVATE)
            answer.delete_cookie(self.cookie)
        elif self.logins.knows(token):
            return await self.app(scope, receive, send)
        elif path in ("", "/") and request.method in ("GET", "HEAD"):
            answer = _login_page()
        else:
            answer = _refusal(401, SIGN_IN)
        return await answer(scope, receive, send)

    async def _enter(self, request: Request) -> Response:
        """Form fields username and password, as gradio_client sends them too."""
        by_form = "text/html" in request.headers.get("accept", "")
        fields = await _fields(request)
        try:
            token = self.logins.enter(
                fields.get("username", ""), fields.get("password", ""), address_of(request)
            )
        except LoginError as error:
            status = 429 if error.wait else 401
            if by_form:
                return _login_page(str(error), status)
            return _refusal(status, str(error))
        answer: Response = JSONResponse({"success": True}, headers=_PRIVATE)
        if by_form:
            answer = RedirectResponse("./", 303, _PRIVATE)
        secure = request.url.scheme == "https"
        answer.set_cookie(self.cookie, token, httponly=True, samesite="lax", secure=secure)
        return answer


class UploadMiddleware:
    """Refuses uploads before they reach the disk: in a demonstration, too large, too many."""

    def __init__(self, app: ASGIApp, quotas: Quotas) -> None:
        self.app = app
        self.quotas = quotas

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return await self.app(scope, receive, send)
        refusal = self._refusal(Request(scope))
        if refusal is None:
            return await self.app(scope, receive, send)
        return await refusal(scope, receive, send)

    def _refusal(self, request: Request) -> Response | None:
        path = _path(request.scope).rstrip("/")
        brings_a_file = request.method == "POST" and path in UPLOADS
        size = request.headers.get("content-length", "")
        if self.quotas.demo and request.method not in ("GET", "HEAD"):
            brings_a_file = brings_a_file or path.startswith(READING)
            known = size.isdigit() and "transfer-encoding" not in request.headers
            if brings_a_file or not known or int(size) > MOST_DEMO:
                return _refusal(403, self.quotas.upload(address_of(request)) or "")
        if not brings_a_file:
            return None
        if not size.isdigit():
            return _refusal(411, "Say how large the upload is (Content-Length), and send it again.")
        if int(size) > MAX_FILE_BYTES + ENVELOPE:
            most = MAX_FILE_BYTES // 2**20
            return _refusal(
                413, f"The upload is larger than the limit of {most} MB; send one film."
            )
        sentence = self.quotas.upload(address_of(request))
        return None if sentence is None else _refusal(429, sentence)


def address_of(request: Request) -> str:
    """The address a request came from: of a proxy, unless the viewer was told to believe it."""
    return request.client.host if request.client else ""


def _path(scope: Scope) -> str:
    """Below the address that a proxy may have put before ours."""
    return str(scope["path"]).removeprefix(scope.get("root_path", ""))


async def _fields(request: Request) -> dict[str, str]:
    """The form's fields; nothing where more was sent than a name and a password take."""
    data = bytearray()
    async for part in request.stream():
        data += part
        if len(data) > MOST_LOGIN:
            return {}
    fields = parse_qs(data.decode("utf-8", "replace"), keep_blank_values=True)
    return {name: values[0] for name, values in fields.items()}


def _login_page(message: str = "", status: int = 200) -> Response:
    page = LOGIN_PAGE.read_text(encoding="utf-8").replace("{message}", message)
    return HTMLResponse(page, status, _PRIVATE)


def _refusal(status: int, message: str) -> Response:
    # "detail" is where Gradio's page and client look for words, "message" where ours do.
    return JSONResponse({"detail": message, "message": message}, status, _PRIVATE)


class LoginError(ValueError):
    """Not let in: one sentence. `wait`: seconds, where there were too many tries."""

    def __init__(self, message: str, wait: float = 0.0) -> None:
        super().__init__(message)
        self.wait = wait


class Logins:
    """Who may come in. The password itself is not kept, nor ever logged."""

    def __init__(
        self, user: str, password: str, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._key = secrets.token_bytes(32)
        self._expected = self._digest(user, password)
        self._failures = SlidingWindow(TRIES, TRIES_SECONDS, clock)
        self._known: dict[str, float] = {}

    def enter(self, user: str, password: str, address: str) -> str:
        """A token for a browser. Raises `LoginError` on a wrong pair, or too many of them."""
        with self._lock:
            wait = self._failures.wait(address)
            if wait:
                raise LoginError(f"Too many failed tries; try again in {in_words(wait)}.", wait)
            # Digests of one length, compared in constant time: neither says how near a try was.
            if not hmac.compare_digest(self._digest(user, password), self._expected):
                self._failures.count(address)
                raise LoginError("Name or password is wrong; try again.")
            if len(self._known) >= MOST:
                del self._known[min(self._known, key=lambda known: self._known[known])]
            token = secrets.token_urlsafe(32)
            self._known[token] = self._clock()
            return token

    def knows(self, token: str) -> bool:
        """Whether a browser is signed in; being asked for keeps it so."""
        with self._lock:
            seen = self._known.get(token)
            if seen is None:
                return False
            if self._clock() - seen > IDLE_SECONDS:
                del self._known[token]
                return False
            self._known[token] = self._clock()
            return True

    def leave(self, token: str) -> None:
        """Sign a browser out."""
        with self._lock:
            self._known.pop(token, None)

    def _digest(self, user: str, password: str) -> bytes:
        pair = f"{len(user)} {user} {password}".encode(errors="surrogatepass")
        return hmac.digest(self._key, pair, hashlib.sha256)

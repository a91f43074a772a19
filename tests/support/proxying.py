"""A reverse proxy as hospitals have before their programs: under a path, and away at times."""

from __future__ import annotations

import http.client
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlsplit

HOP_BY_HOP = ("connection", "keep-alive", "transfer-encoding", "content-length")


@dataclass
class Proxy:
    """upstream: address of the viewer; prefix: path of it here, "" for none; strips: whether it is
    taken away before the request goes on. away: "no" to forward, "502" to answer so, "cut" to end
    connections without an answer. posts: paths of the POST requests that were forwarded."""

    upstream: str
    prefix: str = ""
    strips: bool = True
    away: str = "no"
    url: str = ""
    posts: list[str] = field(default_factory=list)


@contextmanager
def proxied(upstream: str, prefix: str = "", strips: bool = True) -> Iterator[Proxy]:
    """A running proxy."""
    proxy = Proxy(upstream, prefix, strips)

    class Handler(_Handler):
        state = proxy

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    proxy.url = f"http://127.0.0.1:{server.server_address[1]}{prefix}"
    try:
        yield proxy
    finally:
        server.shutdown()
        server.server_close()


class _Handler(BaseHTTPRequestHandler):
    state: Proxy
    protocol_version = "HTTP/1.1"

    def forward(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        proxy = self.state
        self.close_connection = True
        if proxy.away == "cut":
            return
        inside = self.path.startswith(f"{proxy.prefix}/")
        if proxy.away == "502" or not inside:
            self.answer(502 if inside else 404, [], b"<h1>none of the viewer's</h1>")
            return
        path = self.path[len(proxy.prefix) :] if proxy.strips else self.path
        connection = http.client.HTTPConnection(urlsplit(proxy.upstream).netloc, timeout=60)
        headers = {k: v for k, v in self.headers.items() if k.lower() not in HOP_BY_HOP}
        if self.command == "POST":
            proxy.posts.append(path)
        try:
            connection.request(self.command, path, body or None, headers)
            response = connection.getresponse()
            kept = [(k, v) for k, v in response.getheaders() if k.lower() not in HOP_BY_HOP]
            self.answer(response.status, kept, response.read())
        except OSError:
            self.answer(502, [], b"")
        finally:
            connection.close()

    do_GET = do_POST = do_DELETE = do_HEAD = forward  # noqa: N815  (names of the base class)

    def answer(self, status: int, headers: list[tuple[str, str]], body: bytes) -> None:
        self.send_response_only(status)
        for name, value in headers:
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Connection", "close")
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass

"""A server of files on this machine that stops, moves, refuses and forgets ranges on demand."""

from __future__ import annotations

import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlsplit


@dataclass
class Site:
    """What the server has and how it behaves; `requests` is (path, Range or None) in order."""

    url: str = ""
    files: dict[str, bytes] = field(default_factory=dict)
    ranges: bool = True
    lengths: bool = True
    stops: list[int] = field(default_factory=list)
    failures: list[int] = field(default_factory=list)
    media: str = "application/octet-stream"
    requests: list[tuple[str, str | None]] = field(default_factory=list)


@contextmanager
def serving() -> Iterator[Site]:
    """A server on a free port of 127.0.0.1, for as long as the block runs."""
    state = Site()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            _answer(self, state)

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    state.url = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    try:
        yield state
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def _answer(handler: BaseHTTPRequestHandler, site: Site) -> None:
    """One GET: moved, failing, whole or in part, cut off after `stops` bytes of the body."""
    name = urlsplit(handler.path).path.lstrip("/")
    asked = handler.headers.get("Range")
    site.requests.append((name, asked))
    if name.startswith("moved/"):
        handler.send_response(302)
        handler.send_header("Location", f"{site.url}/{name.removeprefix('moved/')}")
        handler.end_headers()
        return
    if site.failures:
        handler.send_error(site.failures.pop(0))
        return
    if name not in site.files:
        handler.send_error(404)
        return
    data = site.files[name]
    start = int(re.fullmatch(r"bytes=(\d+)-", asked)[1]) if asked and site.ranges else 0
    if start and start >= len(data):
        handler.send_response(416)
        handler.send_header("Content-Range", f"bytes */{len(data)}")
        handler.end_headers()
        return
    handler.send_response(206 if start else 200)
    handler.send_header("Content-Type", site.media)
    if start:
        handler.send_header("Content-Range", f"bytes {start}-{len(data) - 1}/{len(data)}")
    if site.lengths:
        handler.send_header("Content-Length", str(len(data) - start))
    handler.end_headers()
    body = data[start:]
    handler.wfile.write(body[: site.stops.pop(0)] if site.stops else body)

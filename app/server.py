"""Start the viewer: checkpoint, routes, and a clean end."""

from __future__ import annotations

import os
import signal
import socket
import sys
import threading
import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from app.settings import PASSWORD, Settings, read_settings

if TYPE_CHECKING:
    from app.http.gateway import ViewerServer

SWEEP_SECONDS = 5.0
DECODE_SECONDS = 60


def main(arguments: Sequence[str] | None = None) -> int:
    """Serve until interrupted. Exit status 2 when the checkpoint cannot be opened."""
    settings = read_settings(arguments)
    os.environ.pop(PASSWORD, None)  # nothing that is started from here needs it
    # A polite kill must run the clean-up below, as Ctrl-C does.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    prepare_environment(settings)
    # Only now: both are slow to import, and read their environment when they are.
    importing = threading.Thread(target=_import_gradio, daemon=True)
    importing.start()
    from app.boxes import BoxError
    from lmeran.checkpoint import CheckpointError

    try:
        check_address(settings.host, settings.port)
        serve(settings)
    except (CheckpointError, AddressError, BoxError) as error:
        print(error, file=sys.stderr)
        return 2
    return 0


def serve(settings: Settings) -> None:
    """Serve until interrupted."""
    server = start(settings)
    for line in _remarks(settings):
        print(line, flush=True)
    address = f"http://{settings.host}:{settings.port}{settings.root_path}"
    print(f"LMeRAN viewer at {address} (Ctrl-C ends it)", flush=True)
    server.get_blocks().block_thread()


def start(settings: Settings) -> ViewerServer:
    """Open the checkpoint and begin to answer."""
    from lmeran.imaging.decoding_process import DecodingProcess

    process = DecodingProcess(DECODE_SECONDS)
    process.start()

    from app.examples import load_examples
    from app.service import ReadingService
    from app.sessions import RadiographStore
    from lmeran.hub import open_checkpoint
    from lmeran.predictor import Predictor

    predictor = Predictor(open_checkpoint(settings.checkpoint))
    examples = load_examples(settings.examples, process)
    idle = settings.idle_minutes * 60
    films = RadiographStore(idle_seconds=idle)
    service = ReadingService(predictor, examples, films, process.read_bytes)

    from app.api import add_api
    from app.exports import add_exports
    from app.http.gateway import ViewerServer
    from app.page import add_page
    from app.quotas import Quotas
    from app.scheduler import Scheduler

    quotas = Quotas(settings.demo, settings.films_per_minute, idle, settings.user is not None)
    scheduler, server = Scheduler(), ViewerServer(settings.access())
    add_page(server, service, scheduler, quotas)
    add_exports(server, service)
    files = add_api(server, service, scheduler, quotas)
    sweep_forever(films.sweep, files.sweep)
    server.launch(
        server_name=settings.host,
        server_port=settings.port,
        root_path=settings.root_path or None,
        prevent_thread_lock=True,
        quiet=True,
        show_error=False,
        run_history=False,
        enable_monitoring=False,
        ssr_mode=False,
        pwa=False,
        mcp_server=settings.mcp,
        state_session_capacity=200,
    )
    return server


def sweep_forever(*sweeps: Callable[[], None]) -> None:
    """Call these in the background, again and again, for as long as the program runs."""

    def loop() -> None:
        while True:
            time.sleep(SWEEP_SECONDS)
            for sweep in sweeps:
                sweep()

    threading.Thread(target=loop, name="sweep", daemon=True).start()


def _import_gradio() -> None:
    """On another core than PyTorch, which is as slow to import."""
    import gradio  # noqa: F401


def _remarks(settings: Settings) -> list[str]:
    """What whoever starts a viewer that others can reach should know."""
    if settings.host in ("127.0.0.1", "localhost", "::1"):
        return []
    if settings.user is None:
        open_to = "Everyone who reaches this address can use the viewer"
        return [f"{open_to}; --user NAME asks for a name and password."]
    return ["Name and password are sent as they are: put a proxy with TLS before the viewer."]


class AddressError(OSError):
    """An address that cannot be listened on: one sentence."""


def check_address(host: str, port: int) -> None:
    """Raises `AddressError` where the port is taken or the host is not this machine's."""
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        with socket.socket(found[0], found[1]) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(found[4])
    except OSError as error:
        raise AddressError(
            f"The viewer cannot listen on {host}:{port} ({error.strerror}); "
            "choose another --port or --host."
        ) from None


def prepare_environment(settings: Settings) -> None:
    """Nothing leaves the machine, and only the proxies named are believed about where a request
    came from."""
    os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"
    os.environ["HF_HUB_DISABLE_TELEMETRY"] = "1"
    # Read by uvicorn, which else believes every program on this machine.
    os.environ["FORWARDED_ALLOW_IPS"] = ",".join(settings.proxies)
    # Gradio asks its own address once at the start: not through a proxy.
    local = ["localhost", "127.0.0.1"]
    given = [os.environ["NO_PROXY"]] if os.environ.get("NO_PROXY") else []
    os.environ["NO_PROXY"] = ",".join(given + local)

"""Start the viewer: private folder for uploads, checkpoint, page, routes, and a clean end."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from app.boxes import BoxError
from app.settings import PASSWORD, Settings, read_settings
from lmeran.checkpoint import CheckpointError

if TYPE_CHECKING:
    from fastapi import FastAPI
    from gradio import Blocks
    from starlette.middleware import Middleware

    from app.quotas import Quotas

TEMP_PREFIX = "lmeran-viewer-"
STYLES = ("page", "reading/table", "save/menu", "session", "worklist/worklist")


def main(arguments: Sequence[str] | None = None) -> int:
    """Serve until interrupted. Exit status 2 when the checkpoint cannot be opened."""
    settings = read_settings(arguments)
    os.environ.pop(PASSWORD, None)  # nothing that is started from here needs it
    # A polite kill must run the clean-up below, as Ctrl-C does.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    remove_stale_folders()
    uploads = Path(tempfile.mkdtemp(prefix=f"{TEMP_PREFIX}{os.getpid()}-"))
    prepare_environment(uploads, settings)
    try:
        serve(settings, uploads)
    except (CheckpointError, AddressError, BoxError) as error:
        print(error, file=sys.stderr)
        return 2
    finally:
        shutil.rmtree(uploads, ignore_errors=True)
    return 0


def serve(settings: Settings, folder: Path) -> None:
    """Serve until interrupted. folder: of uploads."""
    _, page = start(settings, folder)
    for line in _remarks(settings):
        print(line, flush=True)
    print(f"LMeRAN viewer at http://{settings.host}:{settings.port} (Ctrl-C ends it)", flush=True)
    page.block_thread()


def start(settings: Settings, folder: Path) -> tuple[FastAPI, Blocks]:
    """Open the checkpoint, build the page and begin to answer; the app with all its routes."""
    # Only now: gradio reads its environment when it is imported, and is slow to import.
    from app.examples import load_examples
    from app.exports import add_exports
    from app.page import STATIC, build_page
    from app.quotas import Quotas
    from app.routes import add_routes
    from app.service import ReadingService
    from app.sessions import RadiographStore
    from app.uploads import Uploads, sweep_forever
    from app.worklist import Tickets, add_worklist
    from lmeran.hub import open_checkpoint
    from lmeran.imaging.radiograph import MAX_FILE_BYTES
    from lmeran.predictor import Predictor

    predictor = Predictor(open_checkpoint(settings.checkpoint))
    idle = settings.idle_minutes * 60
    quotas = Quotas(settings.demo, settings.films_per_minute, idle, settings.user is not None)
    films = RadiographStore(idle_seconds=idle)
    service = ReadingService(predictor, load_examples(settings.examples), films)
    uploads = Uploads(folder)
    sweep_forever(uploads.sweep, films.sweep)
    tickets = Tickets()
    page = build_page(service, uploads, quotas, tickets)
    check_address(settings.host, settings.port)
    app, _, _ = page.launch(
        server_name=settings.host,
        server_port=settings.port,
        prevent_thread_lock=True,
        quiet=True,
        show_error=False,
        run_history=False,
        enable_monitoring=False,
        footer_links=[],
        max_file_size=MAX_FILE_BYTES,
        ssr_mode=False,
        pwa=False,
        css_paths=[STATIC / f"{name}.css" for name in STYLES],
        state_session_capacity=200,
        app_kwargs={"middleware": _middleware(settings, quotas)},
    )
    add_exports(app, service)
    add_worklist(app, service, quotas, tickets)
    add_routes(app, service)
    return app, page


def _middleware(settings: Settings, quotas: Quotas) -> list[Middleware]:
    """What every request passes first, the outermost first."""
    from starlette.middleware import Middleware

    from app.security import LoginMiddleware, Logins, UploadMiddleware

    middleware = [Middleware(UploadMiddleware, quotas=quotas)]
    if settings.user is not None and settings.password is not None:
        logins = Logins(settings.user, settings.password)
        # Cookies know no ports: two viewers on one machine must not sign each other out.
        cookie = f"lmeran-login-{settings.port}"
        middleware.insert(0, Middleware(LoginMiddleware, logins=logins, cookie=cookie))
    return middleware


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


def remove_stale_folders(parent: Path | None = None) -> None:
    """Upload folders of viewers that were killed before they could clean up."""
    for folder in (parent or Path(tempfile.gettempdir())).glob(f"{TEMP_PREFIX}*-*"):
        pid = folder.name.removeprefix(TEMP_PREFIX).split("-")[0]
        if pid.isdigit() and not _alive(int(pid)):
            shutil.rmtree(folder, ignore_errors=True)


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def prepare_environment(uploads: Path, settings: Settings) -> None:
    """Nothing leaves the machine, uploads land in our own folder, and only the proxies named are
    believed about where a request came from."""
    os.environ["GRADIO_TEMP_DIR"] = str(uploads)
    os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"
    os.environ["HF_HUB_DISABLE_TELEMETRY"] = "1"
    # Read by uvicorn, which else believes every program on this machine.
    os.environ["FORWARDED_ALLOW_IPS"] = ",".join(settings.proxies)
    # Gradio asks its own address once at the start: not through a proxy.
    local = ["localhost", "127.0.0.1"]
    given = [os.environ["NO_PROXY"]] if os.environ.get("NO_PROXY") else []
    os.environ["NO_PROXY"] = ",".join(given + local)

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

from app.boxes import BoxError
from app.settings import Settings, read_settings
from lmeran.checkpoint import CheckpointError

TEMP_PREFIX = "lmeran-viewer-"


def main(arguments: Sequence[str] | None = None) -> int:
    """Serve until interrupted. Exit status 2 when the checkpoint cannot be opened."""
    settings = read_settings(arguments)
    # A polite kill must run the clean-up below, as Ctrl-C does.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    remove_stale_folders()
    uploads = Path(tempfile.mkdtemp(prefix=f"{TEMP_PREFIX}{os.getpid()}-"))
    _prepare_environment(uploads)
    try:
        serve(settings, uploads)
    except (CheckpointError, AddressError, BoxError) as error:
        print(error, file=sys.stderr)
        return 2
    finally:
        shutil.rmtree(uploads, ignore_errors=True)
    return 0


def serve(settings: Settings, folder: Path) -> None:
    """Open the checkpoint, build the page and block until interrupted. folder: of uploads."""
    # Only now: gradio reads its environment when it is imported, and is slow to import.
    from app.examples import load_examples
    from app.exports import add_exports
    from app.films import FilmStore
    from app.page import STATIC, build_page
    from app.room import ReadingRoom
    from app.routes import add_routes
    from app.uploads import Uploads
    from lmeran.hub import open_checkpoint
    from lmeran.limits import MAX_FILE_BYTES
    from lmeran.predictor import Predictor

    predictor = Predictor(open_checkpoint(settings.checkpoint))
    room = ReadingRoom(predictor, load_examples(settings.examples), FilmStore())
    uploads = Uploads(folder)
    uploads.sweep_forever()
    page = build_page(room, uploads)
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
        css_paths=[STATIC / "room.css", STATIC / "table.css", STATIC / "take.css"],
        state_session_capacity=200,
    )
    add_exports(app, room)
    add_routes(app, room)
    print(f"LMeRAN viewer at http://{settings.host}:{settings.port} (Ctrl-C ends it)", flush=True)
    page.block_thread()


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


def _prepare_environment(uploads: Path) -> None:
    """Nothing leaves the machine, and uploads land in our own folder."""
    os.environ["GRADIO_TEMP_DIR"] = str(uploads)
    os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"
    os.environ["HF_HUB_DISABLE_TELEMETRY"] = "1"
    # Gradio asks its own address once at the start: not through a proxy.
    local = ["localhost", "127.0.0.1"]
    given = [os.environ["NO_PROXY"]] if os.environ.get("NO_PROXY") else []
    os.environ["NO_PROXY"] = ",".join(given + local)

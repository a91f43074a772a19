"""`hf://` checkpoints against a small Hub of our own: fetched once, then usable offline."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from lmeran.checkpoint import CheckpointError
from lmeran.hub import open_checkpoint
from tests.conftest import ROOT
from tests.support.fitting import fitted_copy

COMMIT = "0123456789abcdef0123456789abcdef01234567"


@dataclass
class FakeHub:
    """Serves `files` of the model lab/lmeran at `url`; `asked` lists the requests."""

    files: dict[str, bytes]
    url: str = ""
    asked: list[str] = field(default_factory=list)


@pytest.fixture()
def hub(checkpoint_folder: Path) -> Iterator[FakeHub]:
    fake = FakeHub({p.name: p.read_bytes() for p in checkpoint_folder.iterdir()})

    class Handler(BaseHTTPRequestHandler):
        def do_HEAD(self) -> None:
            self.answer(body=False)

        def do_GET(self) -> None:
            self.answer(body=True)

        def answer(self, body: bool) -> None:
            fake.asked.append(f"{self.command} {self.path}")
            prefix = "/lab/lmeran/resolve/"
            revision, _, name = self.path.removeprefix(prefix).partition("/")
            data, error = b"", "RepoNotFound"
            if self.path.startswith(prefix):
                error = "RevisionNotFound" if revision not in ("main", COMMIT) else "EntryNotFound"
                if error == "EntryNotFound" and name in fake.files:
                    data, error = fake.files[name], ""
            self.send_response(404 if error else 200)
            self.send_header("X-Repo-Commit", COMMIT)
            if error:
                self.send_header("X-Error-Code", error)
            self.send_header("ETag", f'"{hashlib.sha256(data).hexdigest()}"')
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            if body:
                self.wfile.write(data)

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    fake.url = f"http://127.0.0.1:{server.server_address[1]}"
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield fake
    server.shutdown()
    server.server_close()


def open_in_new_process(source: str, home: Path, hub_url: str) -> tuple[int, str]:
    """The Hub's address and cache are read when huggingface_hub is imported: a new process."""
    code = (
        "import sys\nfrom lmeran.hub import open_checkpoint\n"
        "from lmeran.checkpoint import CheckpointError\n"
        "try: print(open_checkpoint(sys.argv[1]).identity)\n"
        "except CheckpointError as error: print(error); sys.exit(1)\n"
    )
    names = ("HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy", "ALL_PROXY", "all_proxy")
    environment = {k: v for k, v in os.environ.items() if k not in names}
    environment |= {"HF_HOME": str(home), "HF_ENDPOINT": hub_url, "HF_HUB_DISABLE_XET": "1"}
    done = subprocess.run(
        [sys.executable, "-c", code, source],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert "Traceback" not in done.stderr, done.stderr
    return done.returncode, done.stdout.strip()


def test_a_commit_is_fetched_once_and_then_opens_without_any_network(
    hub: FakeHub, tmp_path: Path, checkpoint_folder: Path
) -> None:
    source = f"hf://lab/lmeran@{COMMIT}"
    expected = open_checkpoint(checkpoint_folder).identity
    assert open_in_new_process(source, tmp_path, hub.url) == (0, expected)
    asked = len(hub.asked)
    assert asked > 0
    assert open_in_new_process(source, tmp_path, hub.url) == (0, expected)
    assert len(hub.asked) == asked


def test_the_gate_is_fetched_where_it_is_listed(
    hub: FakeHub, tmp_path: Path, checkpoint_folder: Path
) -> None:
    folder = fitted_copy(checkpoint_folder, tmp_path / "fitted")
    hub.files = {p.name: p.read_bytes() for p in folder.iterdir()}
    status, _ = open_in_new_process(f"hf://lab/lmeran@{COMMIT}", tmp_path / "home", hub.url)
    assert status == 0
    (gate,) = (name for name in hub.files if name.startswith("gate-"))
    assert any(gate in request for request in hub.asked)
    del hub.files[gate]
    status, text = open_in_new_process("hf://lab/lmeran", tmp_path / "empty", hub.url)
    assert (status, "is missing" in text) == (1, True)


def test_a_branch_takes_both_files_from_one_commit(hub: FakeHub, tmp_path: Path) -> None:
    status, _ = open_in_new_process("hf://lab/lmeran", tmp_path, hub.url)
    assert status == 0
    weights = [request for request in hub.asked if "safetensors" in request]
    assert weights
    assert all(COMMIT in request for request in weights)


@pytest.mark.parametrize(
    ("source", "words"),
    [
        ("hf://lab/other", "no model lab/other"),
        ("hf://lab/lmeran@v9", "no revision v9"),
    ],
)
def test_what_the_hub_has_not_is_said(
    hub: FakeHub, tmp_path: Path, source: str, words: str
) -> None:
    status, text = open_in_new_process(source, tmp_path, hub.url)
    assert status == 1
    assert words in text


def test_a_repository_without_checkpoint_is_said(hub: FakeHub, tmp_path: Path) -> None:
    del hub.files["model.safetensors"]
    status, text = open_in_new_process("hf://lab/lmeran", tmp_path, hub.url)
    assert status == 1
    assert "model.safetensors" in text


@pytest.mark.parametrize("source", ["hf://", "hf://one", "hf://a/b/c", "hf://a/b@"])
def test_a_malformed_address_is_refused(source: str) -> None:
    with pytest.raises(CheckpointError, match="hf://OWNER/REPO"):
        open_checkpoint(source)

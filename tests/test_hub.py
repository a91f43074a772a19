"""`hf://` checkpoints against a small Hub of our own: fetched once, then usable offline."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from lmeran.checkpoint import CONFIG_FILE, CheckpointError
from lmeran.hub import Hub, open_checkpoint, resolve_source
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
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    yield fake
    server.shutdown()
    server.server_close()


def opened(source: str, home: Path, hub: FakeHub) -> str:
    """Identity of the checkpoint, by way of a cache in `home`."""
    return open_checkpoint(source, Hub(hub.url, home)).identity


def refusal(source: str, home: Path, hub: FakeHub) -> str:
    with pytest.raises(CheckpointError) as error:
        open_checkpoint(source, Hub(hub.url, home))
    return str(error.value)


def test_a_commit_is_fetched_once_and_then_opens_without_any_network(
    hub: FakeHub, tmp_path: Path, checkpoint_folder: Path
) -> None:
    source = f"hf://lab/lmeran@{COMMIT}"
    expected = open_checkpoint(checkpoint_folder).identity
    assert opened(source, tmp_path, hub) == expected
    asked = len(hub.asked)
    assert asked > 0
    assert opened(source, tmp_path, hub) == expected
    assert len(hub.asked) == asked


def test_a_hub_out_of_reach_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("time.sleep", lambda _: None)  # the Hub's client tries six times in 23 s
    nowhere = FakeHub({}, "http://127.0.0.1:9")
    assert "cannot be reached" in refusal("hf://lab/lmeran", tmp_path, nowhere)


def test_a_repository_of_before_has_its_json_under_the_old_name(
    hub: FakeHub, tmp_path: Path, checkpoint_folder: Path
) -> None:
    hub.files["lmeran.json"] = hub.files.pop(CONFIG_FILE)
    assert opened("hf://lab/lmeran", tmp_path, hub) == open_checkpoint(checkpoint_folder).identity


def test_the_gate_is_fetched_where_it_is_listed(
    hub: FakeHub, tmp_path: Path, checkpoint_folder: Path
) -> None:
    folder = fitted_copy(checkpoint_folder, tmp_path / "fitted")
    hub.files = {p.name: p.read_bytes() for p in folder.iterdir()}
    opened(f"hf://lab/lmeran@{COMMIT}", tmp_path / "home", hub)
    (gate,) = (name for name in hub.files if name.startswith("gate-"))
    assert any(gate in request for request in hub.asked)
    del hub.files[gate]
    assert "is missing" in refusal("hf://lab/lmeran", tmp_path / "empty", hub)


def test_a_branch_takes_both_files_from_one_commit(hub: FakeHub, tmp_path: Path) -> None:
    opened("hf://lab/lmeran", tmp_path, hub)
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
    assert words in refusal(source, tmp_path, hub)


def test_a_repository_without_checkpoint_is_said(hub: FakeHub, tmp_path: Path) -> None:
    del hub.files["model.safetensors"]
    assert "model.safetensors" in refusal("hf://lab/lmeran", tmp_path, hub)


@pytest.mark.parametrize("source", ["hf://", "hf://one", "hf://a/b/c", "hf://a/b@"])
def test_a_malformed_address_is_refused(source: str) -> None:
    with pytest.raises(CheckpointError, match="hf://OWNER/REPO"):
        open_checkpoint(source)


def test_a_repository_may_be_named_as_on_the_hub(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert resolve_source("lab/lmeran") == "hf://lab/lmeran"
    assert resolve_source("lab/lmeran@v2") == "hf://lab/lmeran@v2"
    assert resolve_source(None) is None
    assert resolve_source(Path("lab/lmeran")) == Path("lab/lmeran")
    (tmp_path / "runs" / "best").mkdir(parents=True)
    monkeypatch.chdir(tmp_path)
    assert resolve_source("runs/best") == "runs/best"

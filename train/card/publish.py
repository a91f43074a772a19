"""`python -m train publish`: a checkpoint and its card to the Hugging Face Hub."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path

from jsonargparse import ArgumentParser, Namespace

from lmeran.checkpoint import (
    CONFIG_FILE,
    WEIGHTS_FILE,
    files_beside,
    load_checkpoint,
)
from lmeran.errors import UserError
from train.card.write import CARD_FILE

_REPO = re.compile(r"[\w-][\w.-]*/[\w-][\w.-]*")


class PublishError(UserError):
    """Nothing, or not all, was published; one sentence that says what to do."""


def publish_parser() -> ArgumentParser:
    parser = ArgumentParser(description="Push a checkpoint with its card to the Hub.")
    parser.add_argument("--checkpoint", type=str, required=True)
    parser.add_argument("--to", type=str, required=True, help="OWNER/REPO")
    parser.add_argument("--revision", type=str | None, help="branch; default main")
    parser.add_argument("--private", type=bool, default=False)
    parser.add_argument("--dry_run", type=bool, default=False, help="say what would be pushed")
    return parser


def run_publish(given: Namespace) -> None:
    """The command. Raises `CheckpointError` and `PublishError`."""
    folder = Path(given.checkpoint)
    names = files_to_publish(folder)
    if _REPO.fullmatch(given.to) is None:
        raise PublishError(f"'{given.to}' is not of the form OWNER/REPO.")
    for name in names:
        print(f"{name:<24}{(folder / name).stat().st_size / 1e6:10.2f} MB")
    if given.dry_run:
        print(f"dry run: nothing was sent to {given.to}")
        return
    commit = push(folder, names, Target(given.to, given.revision, given.private))
    print(f"published; open it with --checkpoint hf://{given.to}@{commit}")


def files_to_publish(folder: Path) -> list[str]:
    """Names of the files that make the checkpoint, and no others of its folder.

    Raises `CheckpointError` for a folder that does not load, `PublishError` without a card.
    """
    identity = load_checkpoint(folder).identity
    card = folder / CARD_FILE
    if not card.is_file():
        raise PublishError("The checkpoint has no card; write it with `python -m train card`.")
    if identity not in card.read_text(encoding="utf-8"):
        raise PublishError(
            "The card is of other weights; write it again with `python -m train card`."
        )
    return [CARD_FILE, CONFIG_FILE, WEIGHTS_FILE, *files_beside(folder)]


@dataclass(frozen=True)
class Target:
    """Where to: repository "OWNER/REPO", branch (None: main), whether it is made private.

    endpoint, token: of the Hub; None for those that its client is set up with.
    """

    repo: str
    revision: str | None = None
    private: bool = False
    endpoint: str | None = None
    token: str | None = None


def push(folder: Path, names: list[str], target: Target) -> str:
    """One commit with all files; returns its hash. Raises `PublishError`."""
    os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")
    from huggingface_hub import CommitOperationAdd, HfApi
    from huggingface_hub.errors import HfHubHTTPError

    api = HfApi(endpoint=target.endpoint, token=target.token, library_name="lmeran")
    operations = [CommitOperationAdd(name, folder / name) for name in names]
    message = f"Weights {load_checkpoint(folder).identity}"
    try:
        api.create_repo(target.repo, private=target.private, exist_ok=True)
        if target.revision is not None:
            api.create_branch(target.repo, branch=target.revision, exist_ok=True)
        done = api.create_commit(
            target.repo, operations, commit_message=message, revision=target.revision
        )
    except HfHubHTTPError as error:
        code = error.response.status_code if error.response is not None else "no answer"
        hint = "log in with `hf auth login`" if code in (401, 403) else "try again"
        raise PublishError(f"The Hub refused ({code}); {hint}.") from None
    except Exception as error:  # of the client's HTTP library, which differs between its versions
        raise PublishError(f"The Hub cannot be reached ({type(error).__name__}).") from None
    return done.oid

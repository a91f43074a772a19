"""`python -m train publish`: a checkpoint and its card, or the viewer as a Space, to the Hub.

The Hub refuses a plain `git push` of the repository as a Space because of the size of its weights;
its client uploads large files itself.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from pathlib import Path

from lmeran.checkpoint import (
    CONFIG_FILE,
    WEIGHTS_FILE,
    files_beside,
    load_checkpoint,
)
from lmeran.errors import UserError
from train.card.write import CARD_FILE

ROOT = Path(__file__).resolve().parents[2]
SPACE_PARTS = ("app.py", "LICENSE", "requirements.txt", "app", "lmeran", "assets")
_REPO = re.compile(r"[\w-][\w.-]*/[\w-][\w.-]*")


class PublishError(UserError):
    """Nothing, or not everything, was published; one sentence that says what to do."""


def publish(
    checkpoint: Path | None = None,
    to: str | None = None,
    space: str | None = None,
    wheels: str | None = None,
    revision: str | None = None,
    private: bool = False,
    dry_run: bool = False,
) -> None:
    """Push a checkpoint with its card to the Hub: --checkpoint and --to; or the viewer: --space.

    Raises `CheckpointError` and `PublishError`.

    Args:
        checkpoint: folder of the checkpoint
        to: OWNER/REPO of the model
        space: OWNER/NAME of the Space
        wheels: address of an index with PyTorch without CUDA, which the Space's requirements name
        revision: branch; default main
        private: whether the repository is made private
        dry_run: say what would be pushed
    """
    if space is not None and checkpoint is None:
        files, target = space_files(to, wheels), space
        message, kind = "The viewer", "space"
    elif checkpoint is not None and to is not None and space is None:
        files, target = {name: checkpoint / name for name in files_to_publish(checkpoint)}, to
        message, kind = f"Weights {load_checkpoint(checkpoint).identity}", "model"
    else:
        raise PublishError("Give --checkpoint and --to, or --space (and the model's --to).")
    for repo in filter(None, (to, space)):
        if _REPO.fullmatch(repo) is None:
            raise PublishError(f"'{repo}' is not of the form OWNER/REPO.")
    for name, file in files.items():
        size = file.stat().st_size if isinstance(file, Path) else len(file)
        print(f"{name:<24}{size / 1e6:10.2f} MB")
    if dry_run:
        print(f"dry run: nothing was sent to {target}")
        return
    commit = push(files, target, message, kind, revision, private)
    if kind == "space":
        print(f"published as the Space {target}, commit {commit}")
    else:
        print(f"published; open it with --checkpoint hf://{target}@{commit}")


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


def space_files(model: str | None, wheels: str | None = None) -> dict[str, Path | bytes]:
    """Name in the Space to a file or its bytes. model: OWNER/REPO that the weights are published
    as, which the Space's page then names in the front matter of its README; wheels: an index that
    pip looks into besides its own."""
    files: dict[str, Path | bytes] = {}
    for part in SPACE_PARTS:
        for file in sorted((ROOT / part).rglob("*")) or [ROOT / part]:
            name = file.relative_to(ROOT).as_posix()
            if file.is_file() and "__pycache__" not in name and ".partial" not in name:
                files[name] = file
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    if model is not None:
        start, matter, text = readme.split("---\n", 2)
        readme = f"{start}---\n{matter}models:\n  - {model}\n---\n{text}"
    files["README.md"] = readme.encode()
    if wheels is not None:
        requirements = (ROOT / "requirements.txt").read_text(encoding="utf-8")
        files["requirements.txt"] = f"--extra-index-url {wheels}\n{requirements}".encode()
    return files


def push(
    files: Mapping[str, Path | bytes],
    repo: str,
    message: str,
    kind: str = "model",
    revision: str | None = None,
    private: bool = False,
    endpoint: str | None = None,
    token: str | None = None,
) -> str:
    """One commit with all files by their names; returns its hash. Raises `PublishError`.

    repo: "OWNER/REPO" of a "model" or a "space"; revision: branch, None for main; endpoint, token:
    of the Hub, None for those the client is configured with.
    """
    os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")
    from huggingface_hub import CommitOperationAdd, HfApi
    from huggingface_hub.errors import HfHubHTTPError

    api = HfApi(endpoint=endpoint, token=token, library_name="lmeran")
    operations = [CommitOperationAdd(name, file) for name, file in files.items()]
    sdk = "gradio" if kind == "space" else None
    place = {"repo_id": repo, "repo_type": kind}
    try:
        api.create_repo(**place, space_sdk=sdk, private=private, exist_ok=True)
        if revision is not None:
            api.create_branch(**place, branch=revision, exist_ok=True)
        done = api.create_commit(
            **place, operations=operations, commit_message=message, revision=revision
        )
    except HfHubHTTPError as error:
        code = error.response.status_code if error.response is not None else "no answer"
        hint = "log in with `hf auth login`" if code in (401, 403) else "try again"
        raise PublishError(f"The Hub refused ({code}); {hint}.") from None
    except Exception as error:  # of the client's HTTP library, which differs between its versions
        raise PublishError(f"The Hub cannot be reached ({type(error).__name__}).") from None
    return done.oid

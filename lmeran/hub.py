"""Where a checkpoint comes from: a folder, or `hf://OWNER/REPO@REVISION` by the Hub's cache."""

from __future__ import annotations

import os
import re
from pathlib import Path

from lmeran.checkpoint import (
    FACTS_FILE,
    WEIGHTS_FILE,
    Checkpoint,
    CheckpointError,
    files_beside,
    load_checkpoint,
)

BUNDLED = Path(__file__).resolve().parents[1] / "assets" / "checkpoint"
"""The checkpoint that comes with the program."""

_HUB = re.compile(r"hf://(?P<repo>[\w.-]+/[\w.-]+)(?:@(?P<revision>[\w./-]+))?")
_COMMIT = re.compile(r"[0-9a-f]{40}")


def open_checkpoint(source: str | Path | None = None) -> Checkpoint:
    """Load a checkpoint from a folder, from the Hub, or (None) the bundled one.

    Raises `CheckpointError` in one sentence.
    """
    if source is None:
        return load_checkpoint(BUNDLED, "bundled")
    text = str(source)
    if not text.startswith("hf://"):
        return load_checkpoint(Path(text), Path(text).name)
    match = _HUB.fullmatch(text)
    if match is None:
        raise CheckpointError(f"'{text}' is not of the form hf://OWNER/REPO@REVISION.")
    return load_checkpoint(_download(match["repo"], match["revision"]), text)


def _download(repo: str, revision: str | None) -> Path:
    """Folder in the Hub's cache; the network is asked only for what the cache cannot vouch for."""
    # Read when the package is imported: without it, each start asks the Hub for a registry.
    os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")
    from huggingface_hub import hf_hub_download
    from huggingface_hub.errors import (
        EntryNotFoundError,
        HfHubHTTPError,
        LocalEntryNotFoundError,
        RepositoryNotFoundError,
        RevisionNotFoundError,
    )

    # A commit never changes: what is cached of it is final and needs no look at the network.
    frozen = revision is not None and _COMMIT.fullmatch(revision) is not None

    def fetch(name: str) -> Path:
        if frozen:
            try:
                return Path(hf_hub_download(repo, name, revision=revision, local_files_only=True))
            except LocalEntryNotFoundError:
                pass
        return Path(hf_hub_download(repo, name, revision=revision))

    where = f"{repo}@{revision or 'main'}"
    try:
        facts = fetch(FACTS_FILE)
        # The commit that the first file resolved to, so that all come from one revision.
        revision, frozen = facts.parent.name, True
        for name in (WEIGHTS_FILE, *files_beside(facts.parent)):
            fetch(name)
    except RepositoryNotFoundError:
        raise CheckpointError(f"The Hub has no model {repo}, or it is private.") from None
    except RevisionNotFoundError:
        raise CheckpointError(f"The Hub's {repo} has no revision {revision}.") from None
    except LocalEntryNotFoundError:
        raise CheckpointError(
            f"{where} is not in the cache and the Hub cannot be reached; connect once, "
            "or give a folder."
        ) from None
    except EntryNotFoundError:
        raise CheckpointError(
            f"{where} is no whole LMeRAN checkpoint: {FACTS_FILE}, {WEIGHTS_FILE} or a file it "
            "lists is missing."
        ) from None
    except (HfHubHTTPError, OSError) as error:
        raise CheckpointError(f"{where} cannot be fetched ({type(error).__name__}).") from None
    return facts.parent

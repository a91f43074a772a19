"""Where a checkpoint comes from: a folder, or `hf://OWNER/REPO@REVISION` by the Hub's cache."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path

from lmeran.checkpoint import (
    CONFIG_FILE,
    OLD_CONFIG_FILE,
    WEIGHTS_FILE,
    Checkpoint,
    CheckpointError,
    files_beside,
    load_checkpoint,
)


def assets_folder() -> Path:
    """`assets/` of the repository, or `lmeran/_assets/` where the package was installed."""
    package = Path(__file__).resolve().parent
    installed = package / "_assets"
    return installed if installed.is_dir() else package.parent / "assets"


BUNDLED = assets_folder() / "checkpoint"
"""The checkpoint that comes with the program."""

_NAME = r"(?P<repo>[\w.-]+/[\w.-]+)(?:@(?P<revision>[\w./-]+))?"


@dataclass(frozen=True)
class Hub:
    """Which Hub is asked, and where what it sends is kept; None: as the Hub's client is set up."""

    endpoint: str | None = None
    cache_dir: Path | None = None


def open_checkpoint(source: str | Path | None = None, hub: Hub = Hub()) -> Checkpoint:
    """Load a checkpoint from a folder, from the Hub, or (None) the bundled one.

    Raises `CheckpointError` in one sentence.
    """
    if source is None:
        return load_checkpoint(BUNDLED, "bundled")
    text = str(source)
    if not text.startswith("hf://"):
        return load_checkpoint(Path(text), Path(text).name)
    match = re.fullmatch(f"hf://{_NAME}", text)
    if match is None:
        raise CheckpointError(f"'{text}' is not of the form hf://OWNER/REPO@REVISION.")
    return load_checkpoint(_download(match["repo"], match["revision"], hub), text)


def resolve_source(source: str | Path | None) -> str | Path | None:
    """ "OWNER/REPO" as the Hub's users write it to `hf://OWNER/REPO`, where no such folder is;
    anything else as it is."""
    if isinstance(source, str) and re.fullmatch(_NAME, source) and not Path(source).is_dir():
        return f"hf://{source}"
    return source


def _download(repo: str, revision: str | None, hub: Hub) -> Path:
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

    def fetch(name: str) -> Path:
        # Of a commit, which never changes, what is cached is taken without a look at the network.
        place = {"endpoint": hub.endpoint, "cache_dir": hub.cache_dir}
        return Path(hf_hub_download(repo, name, revision=revision, **place))

    where = f"{repo}@{revision or 'main'}"
    try:
        try:
            config = fetch(CONFIG_FILE)
        except LocalEntryNotFoundError:  # an EntryNotFoundError too, but of a Hub out of reach
            raise
        except EntryNotFoundError:
            config = fetch(OLD_CONFIG_FILE)
        # The commit that the first file resolved to, so that all come from one revision.
        revision = config.parent.name
        for name in (WEIGHTS_FILE, *files_beside(config.parent)):
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
            f"{where} is no whole LMeRAN checkpoint: {CONFIG_FILE}, {WEIGHTS_FILE} or a file it "
            "lists is missing."
        ) from None
    except (HfHubHTTPError, OSError) as error:
        raise CheckpointError(f"{where} cannot be fetched ({type(error).__name__}).") from None
    return config.parent

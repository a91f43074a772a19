"""What the viewer is started with: the command line, else `LMERAN_*` variables, else defaults."""

from __future__ import annotations

import argparse
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Settings:
    """checkpoint: folder or hf://..., None for the bundled one; examples: folder of films to offer
    instead of the bundled synthetic ones."""

    checkpoint: str | None = None
    host: str = "127.0.0.1"
    port: int = 7860
    examples: Path | None = None


def read_settings(
    arguments: Sequence[str] | None = None, environment: Mapping[str, str] = os.environ
) -> Settings:
    """Command line over environment over defaults. Exits with usage on a bad value."""
    # A Space is reached through its proxy, so there, and only there, all interfaces by default.
    host = "0.0.0.0" if "SPACE_ID" in environment else Settings.host
    parser = argparse.ArgumentParser(
        prog="python app.py",
        description="LMeRAN viewer. Research use, not for diagnosis. "
        "Every option is also an environment variable, LMERAN_CHECKPOINT and so on.",
    )
    parser.add_argument(
        "--checkpoint",
        default=environment.get("LMERAN_CHECKPOINT") or None,
        help="folder or hf://OWNER/REPO@REVISION (default: the bundled checkpoint)",
    )
    parser.add_argument(
        "--host",
        default=environment.get("LMERAN_HOST") or host,
        help="address to listen on (default: %(default)s)",
    )
    parser.add_argument(
        "--port",
        default=environment.get("LMERAN_PORT") or Settings.port,
        type=int,
        help="default: %(default)s",
    )
    parser.add_argument(
        "--examples",
        default=environment.get("LMERAN_EXAMPLES") or None,
        type=Path,
        help="folder of films to offer instead of the synthetic ones",
    )
    given = parser.parse_args(arguments)
    if given.examples is not None and not given.examples.is_dir():
        parser.error(f"--examples {given.examples} is not a folder")
    return Settings(given.checkpoint, given.host, given.port, given.examples)

"""`python -m train index`: its options and what it prints."""

from __future__ import annotations

import os
from pathlib import Path

from jsonargparse import ArgumentParser, Namespace
from jsonargparse.typing import PositiveInt

from train.release.build import index_release


def index_parser() -> ArgumentParser:
    parser = ArgumentParser(description="Check the NIH release and write its index.")
    parser.add_argument("folder", type=str, help="folder that the release was unpacked to")
    parser.add_argument("--out", type=str | None, help="folder of the index; default: the same")
    parser.add_argument(
        "--partial", action="store_true", help="accept missing images, rows and boxes"
    )
    parser.add_argument("--labels", type=str | None, help="label table, where there are several")
    parser.add_argument(
        "--workers", type=PositiveInt, default=os.cpu_count() or 1, help="reading threads"
    )
    return parser


def run_index(given: Namespace) -> None:
    print(
        index_release(
            Path(given.folder),
            None if given.out is None else Path(given.out),
            given.partial,
            None if given.labels is None else Path(given.labels),
            given.workers,
        )
    )

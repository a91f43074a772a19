"""`python -m train index` and `prefetch`: their options and what they print."""

from __future__ import annotations

import os
from pathlib import Path

from jsonargparse import ArgumentParser, Namespace
from jsonargparse.typing import PositiveInt

from train.release.build import index_release
from train.release.download import PrefetchError
from train.release.prefetch import NIH_URLS, prefetch


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


def prefetch_parser() -> ArgumentParser:
    parser = ArgumentParser(
        description="Fetch and unpack the NIH release; the same command again goes on."
    )
    parser.add_argument("--out", type=str, required=True, help="folder to write to (90 GB)")
    parser.add_argument("--urls", type=str | None, help=f"list of links; default: {NIH_URLS.name}")
    parser.add_argument(
        "--keep_archives", type=bool, default=True, help="false: delete each when unpacked (48 GB)"
    )
    return parser


def run_prefetch(given: Namespace) -> None:
    urls = None if given.urls is None else Path(given.urls)
    try:
        prefetch(Path(given.out), urls, given.keep_archives)
    except KeyboardInterrupt:
        raise PrefetchError("Stopped; the same command goes on from here.") from None
    print(f"The release is in {given.out}; next: python -m train index {given.out}")

"""Options that the commands share, and whole numbers, refused in one sentence."""

from __future__ import annotations

import argparse
import math

from lmeran.cli.predict import BATCH, run_films

ON_MANY = """
Films are files, the films in folders at any depth, and the films in zip files, answered in that
order, one line each. A film that cannot be read is a line with its reason.
With --out, the same command again goes on where a run was stopped.
Several processes, GPUs or machines share the films when started by
torchrun --nproc_per_node N -m lmeran ...; each writes a file of its own beside OUT.
"""


def from_one(text: str) -> int:
    """1, 2, ... Raises `ArgumentTypeError`."""
    return _at_least(1, text)


def pixel_box(text: str) -> tuple[float, ...]:
    """'10,20,300,200' to four numbers. Raises `ArgumentTypeError`."""
    try:
        box = tuple(float(part) for part in text.split(","))
    except ValueError:
        box = ()
    if len(box) != 4 or not all(map(math.isfinite, box)) or min(box[2:]) <= 0:
        raise argparse.ArgumentTypeError("give left, top, width and height as X,Y,W,H")
    return box


def share(text: str) -> float:
    """0 to 1. Raises `ArgumentTypeError`."""
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0 <= value <= 1:
        raise argparse.ArgumentTypeError("give a number from 0 to 1")
    return value


def _at_least(least: int, text: str) -> int:
    if not text.isdecimal() or int(text) < least:
        raise argparse.ArgumentTypeError(f"give a whole number from {least} on")
    return int(text)


def common_arguments() -> argparse.ArgumentParser:
    """Options that `predict` and `explain` share."""
    common = argparse.ArgumentParser(add_help=False)
    common.add_argument(
        "films", nargs="+", metavar="FILE_OR_DIR", help="DICOM, PNG, JPEG, zip or a folder of them"
    )
    common.add_argument(
        "--pin",
        action="append",
        default=[],
        metavar="FINDING=STATE",
        help="what is known, e.g. Effusion=positive; repeat for more",
    )
    common.add_argument("--checkpoint", help="folder or hf://OWNER/REPO@REVISION")
    common.add_argument("--out", metavar="FILE", help="write here instead of standard output")
    common.add_argument(
        "--restart", action="store_true", help="begin --out anew instead of going on with it"
    )
    common.add_argument(
        "--frame", type=from_one, default=1, help="of files that hold several (default: 1)"
    )
    common.add_argument(
        "--device",
        default="auto",
        help="cpu, cuda, cuda:N or auto (default: a GPU where there is one)",
    )
    common.add_argument(
        "--batch",
        type=from_one,
        default=BATCH,
        help="films in one pass of the network (default: %(default)s)",
    )
    common.add_argument(
        "--workers",
        type=from_one,
        help="processes that decode films (default: one a core, one in all for a few films)",
    )
    common.set_defaults(run=run_films)
    return common

"""python -m train.bundled pack | run | speed | assemble: for a machine without network."""

from __future__ import annotations

import argparse
import importlib
import math
import sys
from collections.abc import Callable
from pathlib import Path

from lmeran.errors import UserError


def main(arguments: list[str] | None = None) -> int:
    """Exit status 0, or 1 with one sentence on standard error."""
    given = command_parser().parse_args(arguments)
    try:
        importlib.import_module(f"train.bundled.{given.command}").command(given)
    except UserError as error:
        print(error, file=sys.stderr)
        return 1
    except OSError as error:
        reason = error.strerror or str(error).rstrip(".")
        print(f"{error.filename or 'A file'} cannot be used ({reason}).", file=sys.stderr)
        return 1
    return 0


def whole(least: int) -> Callable[[str], int]:
    """The type of an option: a whole number, `least` or more."""

    def number(text: str) -> int:
        if not text.isdecimal() or int(text) < least:
            raise argparse.ArgumentTypeError(f"give a whole number, {least} or more")
        return int(text)

    return number


def number(least: float, most: float = math.inf) -> Callable[[str], float]:
    """The type of an option: a number from `least` to below `most`."""

    def value(text: str) -> float:
        if not least <= float(text) < most:
            raise argparse.ArgumentTypeError(f"give a number from {least} to below {most}")
        return float(text)

    return value


def command_parser() -> argparse.ArgumentParser:
    """The parser of all commands."""
    parser = argparse.ArgumentParser(prog="python -m train.bundled", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    pack = commands.add_parser("pack", help="films, labels and first weights in one small folder")
    pack.add_argument("--data", type=Path, required=True)
    pack.add_argument("--checkpoint", type=Path, required=True, help="DenseNet-121 to start from")
    pack.add_argument("--out", type=Path, required=True)
    pack.add_argument("--size", type=whole(1), default=224)
    pack.add_argument("--quality", type=whole(1), default=60)
    pack.add_argument("--small_quality", type=whole(1), default=70)
    pack.add_argument("--share", type=number(0.001, 1), default=0.13)
    pack.add_argument("--seed", type=whole(0), default=1)
    run = commands.add_parser("run", help="teacher, backbone, label statistics, branch, arms")
    run.add_argument("--pack", type=Path, required=True)
    run.add_argument("--out", type=Path, required=True)
    run.add_argument(
        "--start", type=Path, help="an earlier run, whose weights this one goes on from"
    )
    run.add_argument("--seconds", type=number(0), nargs=4, default=[75, 270, 15, 110])
    run.add_argument(
        "--steps", type=whole(0), nargs=4, default=[0, 0, 0, 0], help="0: by the clock"
    )
    run.add_argument(
        "--size", type=whole(1), default=224, help="input of a checkpoint with a new backbone"
    )
    run.add_argument(
        "--sizes", type=whole(1), nargs="*", default=[], help="of the input in training, in pixels"
    )
    run.add_argument("--keep", action="store_true", help="keep the backbone's state, to go on")
    run.add_argument("--batch", type=whole(0), default=0)
    run.add_argument(
        "--rate", type=number(0), default=0, help="peak of the backbone's learning rate"
    )
    run.add_argument("--arms", type=whole(0), default=0)
    run.add_argument("--seed", type=whole(0), default=1)
    speed = commands.add_parser("speed", help="images a second and hours for 50 epochs")
    speed.add_argument("--compile", action="store_true")
    speed.add_argument("--sizes", type=whole(1), nargs="+", default=[224, 448])
    speed.add_argument("--batch", type=whole(1), default=64)
    speed.add_argument("--steps", type=whole(1), default=20)
    assemble = commands.add_parser("assemble", help="the parts of a run as a checkpoint")
    for name in ("run", "pack", "data", "initial", "out"):
        assemble.add_argument(f"--{name}", type=Path, required=True)
    return parser


if __name__ == "__main__":
    sys.exit(main())

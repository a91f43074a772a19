"""`python -m lmeran`: the commands and their options.

predict gives readings, as JSON lines or CSV; explain says why they are so, as JSON lines; export
makes files of one reading; replay recomputes a reading file.
"""

from __future__ import annotations

import argparse
import os
import sys

from lmeran.cli.export import add_export
from lmeran.cli.options import ON_MANY, common_arguments, pixel_box
from lmeran.cli.predict import explain, predict
from lmeran.cli.replay import add_replay
from lmeran.errors import UserError

USAGE_ERROR = 2
STOPPED = 130
"""What a shell gives for a program that Ctrl-C ended."""


def main(arguments: list[str] | None = None) -> int:
    """Exit status: 0, 1 when a film failed, 2 when nothing could start or go on."""
    given = _parser().parse_args(arguments)
    try:
        return given.run(given)
    except BrokenPipeError:
        # Whoever read standard output has enough; Python would complain about it once more at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return USAGE_ERROR
    except KeyboardInterrupt:
        goes_on = " The same command goes on from here." if "out" in given and given.out else ""
        print(f"Stopped.{goes_on}", file=sys.stderr)
        return STOPPED
    except UserError as error:
        print(error, file=sys.stderr)
        return USAGE_ERROR
    except OSError as error:
        print(f"{error.filename or 'A file'} cannot be used ({error.strerror}).", file=sys.stderr)
        return USAGE_ERROR


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m lmeran",
        description="Label-conditioned chest X-ray reading. Research use, not for diagnosis.",
    )
    commands = parser.add_subparsers(dest="command", required=True)
    common = common_arguments()
    reading = commands.add_parser(
        "predict",
        parents=[common],
        help="probabilities of the 14 findings, free and under pins, raw and as calibrated",
        description=ON_MANY,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    reading.add_argument("--format", choices=("json", "csv"), default="json")
    reading.set_defaults(describe=predict, without=None)
    why = commands.add_parser(
        "explain",
        parents=[common],
        help="why: logits by part and pin, influence, next finding, label-only baseline",
        description=ON_MANY,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    why.add_argument(
        "--without",
        type=pixel_box,
        metavar="X,Y,W,H",
        help="also read each film without this box, in pixels from its left and top edge",
    )
    why.set_defaults(describe=explain, format="json")
    add_export(commands)
    add_replay(commands)
    return parser

"""`python -m lmeran`: the commands and their options.

predict gives readings, as JSON lines or CSV; explain says why they are so, as JSON lines; export
makes files of one reading; replay recomputes a reading file.
"""

from __future__ import annotations

import argparse
import os
import sys

from lmeran.checkpoint import CheckpointError
from lmeran.cli_export import add_export
from lmeran.cli_films import BATCH, UsageError, explain, predict, run_films
from lmeran.cli_numbers import from_one, from_zero
from lmeran.cli_replay import add_replay
from lmeran.findings import PinError
from lmeran.launch import LaunchError
from lmeran.outfile import OutFileError

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
    except (CheckpointError, LaunchError, OutFileError, PinError, UsageError, OSError) as error:
        print(error, file=sys.stderr)
        return USAGE_ERROR


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m lmeran",
        description="Label-conditioned chest X-ray reading. Research use, not for diagnosis.",
    )
    commands = parser.add_subparsers(dest="command", required=True)
    common = _common_arguments()
    reading = commands.add_parser(
        "predict",
        parents=[common],
        help="probabilities of the 14 findings, free and under pins, raw and as calibrated",
        description=_ON_MANY,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    reading.add_argument("--format", choices=("json", "csv"), default="json")
    reading.set_defaults(describe=predict)
    why = commands.add_parser(
        "explain",
        parents=[common],
        help="why: logits by part and pin, influence, next finding, label-only baseline",
        description=_ON_MANY,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    why.set_defaults(describe=explain, format="json")
    add_export(commands)
    add_replay(commands)
    return parser


_ON_MANY = """
Films are files, the films in folders at any depth, and the films in zip files, answered in that
order, one line each. A film that cannot be read is a line with its reason.
With --out, the same command again goes on where a run was stopped.
Several processes, GPUs or machines share the films when started by
torchrun --nproc_per_node N -m lmeran ...; each writes a file of its own beside OUT.
"""


def _common_arguments() -> argparse.ArgumentParser:
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
        type=from_zero,
        help="processes that decode films (default: one a core; 0: none, and so for a few films)",
    )
    common.set_defaults(run=run_films)
    return common

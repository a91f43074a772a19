"""`python -m lmeran`: the commands and their options.

predict gives readings, as JSON lines or CSV; explain says why they are so, as JSON lines; export
makes files of one reading; replay recomputes a reading file.
"""

from __future__ import annotations

import argparse
import importlib
import math
import os
import sys
from pathlib import Path

from lmeran.errors import UserError

USAGE_ERROR = 2
STOPPED = 130
"""What a shell gives for a program that Ctrl-C ended."""

_MANY = """
Films are files, the films in folders at any depth, and the films in zip files, answered in that
order, one line each. A film that cannot be read is a line with its reason.
With --out, the same command resumes a run that was stopped.
Several processes, GPUs or machines share the films when started by
torchrun --nproc_per_node N -m lmeran ...; each writes a file of its own beside OUT.
"""
_EXPORT = """
Read one film and write the reading in one or more forms.
pdf: report of one page. csv, json: the 14 findings. png: film with map. boxes: peak, centroid and
boxes of the map in pixels of the film, as CSV. reading: file that `replay` recomputes.
None of these names a patient or a file.
sr, seg, sc: DICOM structured report (TID 1500), fractional segmentation and secondary capture.
These refer to the source image and carry its patient and study by nature: FILE must be DICOM, and
what DICOM requires of patient and study is copied from it. They need requirements-dicom.txt.
"""
_REPLAY = """
Recompute a reading file on its image. Exit status 0: equal; 1: something differs, finding by
finding on standard output; 2: it could not be recomputed.
"""


def main(arguments: list[str] | None = None) -> int:
    """Exit status: 0, 1 when a film failed, 2 when nothing could start or continue."""
    given = _parser().parse_args(arguments)
    try:
        # Only now: PyTorch takes seconds to import, and nobody waits that long for --help.
        return importlib.import_module(f"lmeran.cli.{given.module}").run(given)
    except BrokenPipeError:
        # Whoever read standard output has enough; Python would complain about it once more at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return USAGE_ERROR
    except KeyboardInterrupt:
        resumes = " The same command resumes from here." if "out" in given and given.out else ""
        print(f"Stopped.{resumes}", file=sys.stderr)
        return STOPPED
    except UserError as error:
        print(error, file=sys.stderr)
        return USAGE_ERROR
    except OSError as error:
        print(f"{error.filename or 'A file'} cannot be used ({error.strerror}).", file=sys.stderr)
        return USAGE_ERROR


def from_one(text: str) -> int:
    """1, 2, ... Raises `ArgumentTypeError`."""
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError("give a whole number from 1 on")
    return int(text)


def share(text: str) -> float:
    """0 to 1. Raises `ArgumentTypeError`."""
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0 <= value <= 1:
        raise argparse.ArgumentTypeError("give a number from 0 to 1")
    return value


def pixel_box(text: str) -> tuple[float, ...]:
    """'10,20,300,200' to four numbers. Raises `ArgumentTypeError`."""
    try:
        box = tuple(float(part) for part in text.split(","))
    except ValueError:
        box = ()
    if len(box) != 4 or not all(map(math.isfinite, box)) or min(box[2:]) <= 0:
        raise argparse.ArgumentTypeError("give left, top, width and height as X,Y,W,H")
    return box


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m lmeran",
        description="Label-conditioned chest X-ray reading. Research use, not for diagnosis.",
    )
    commands = parser.add_subparsers(dest="command", required=True)

    def command(name: str, module: str, words: str, about: str) -> argparse.ArgumentParser:
        form = argparse.RawDescriptionHelpFormatter
        made = commands.add_parser(name, help=words, description=about, formatter_class=form)
        made.set_defaults(module=module)
        return made

    words = "probabilities of the 14 findings, free and under pins, raw and as calibrated"
    predict = command("predict", "predict", words, _MANY)
    _add_many(predict)
    predict.add_argument("--format", choices=("json", "csv"), default="json")
    predict.set_defaults(without=None)
    words = "why: logits by part and pin, influence, next finding, label-only baseline"
    explain = command("explain", "predict", words, _MANY)
    _add_many(explain)
    words = "also read each film without this box, in pixels from its left and top edge"
    explain.add_argument("--without", type=pixel_box, metavar="X,Y,W,H", help=words)
    explain.set_defaults(format="json")
    words = "the reading as PDF, CSV, JSON, PNG, reading file or DICOM SR, SEG, SC"
    _add_export(command("export", "export", words, _EXPORT))
    words = "recompute a reading file and say equal, or what differs"
    _add_replay(command("replay", "replay", words, _REPLAY))
    return parser


def _add_many(command: argparse.ArgumentParser) -> None:
    """Options of the commands that read any number of films."""
    add = command.add_argument
    words = "DICOM, PNG, JPEG, zip or a folder of them"
    add("films", nargs="+", metavar="FILE_OR_DIR", help=words)
    _add_pin(command)
    _add_common(command, "auto", "cpu, cuda, cuda:N or auto (default: a GPU where there is one)")
    add("--out", metavar="FILE", help="write here instead of standard output")
    add("--restart", action="store_true", help="begin --out again instead of resuming it")
    words = "films in one pass of the network (default: %(default)s)"
    add("--batch", type=from_one, default=16, help=words)
    words = "processes that decode films (default: one per core, one in all for a few films)"
    add("--workers", type=from_one, help=words)


def _add_export(command: argparse.ArgumentParser) -> None:
    add = command.add_argument
    add("film", metavar="FILE", help="DICOM, PNG or JPEG")
    words = "some of the forms above, with commas between (default: pdf)"
    add("--as", dest="forms", default="pdf", metavar="FORMS", help=words)
    add("--out", type=Path, default=Path(), metavar="DIR", help="where to (default: here)")
    _add_pin(command)
    add("--finding", help="of the map and the logit's parts (default: the most probable one)")
    add("--layer", type=int, help="of the map; 0: rollout (default: the last)")
    add("--head", type=int, help="of the map (default: mean of all)")
    words = "colours of the map (default: %(default)s; relative: of its own maximum)"
    add("--scale", choices=("absolute", "relative"), default="absolute", help=words)
    add("--reader", metavar="FAMILY^GIVEN", help="who pinned, for the structured report")
    _add_common(command, "cpu", "cpu (default), cuda or cuda:N")


def _add_replay(command: argparse.ArgumentParser) -> None:
    add = command.add_argument
    add("file", metavar="FILE", type=Path, help="reading file (JSON)")
    add("--image", metavar="F", required=True, help="the film it is of: DICOM, PNG or JPEG")
    words = "how far probabilities may lie apart (default: the checkpoint's self-test's 0.002)"
    add("--tolerance", type=share, help=words)
    _add_common(command, "cpu", "cpu (default), cuda or cuda:N")


def _add_pin(command: argparse.ArgumentParser) -> None:
    words = "what is known, e.g. Effusion=positive; repeat for more"
    command.add_argument("--pin", action="append", default=[], metavar="FINDING=STATE", help=words)


def _add_common(command: argparse.ArgumentParser, device: str, words: str) -> None:
    """Options that every command has."""
    add = command.add_argument
    add("--checkpoint", help="folder or hf://OWNER/REPO@REVISION")
    add("--frame", type=from_one, default=1, help="of a file that holds several (default: 1)")
    add("--device", default=device, help=words)

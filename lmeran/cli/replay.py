"""`python -m lmeran replay`: recompute a reading file on its image; equal, or what differs."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from lmeran.cli.launch import Launch
from lmeran.cli.options import from_one, share
from lmeran.exports.reading_file import (
    ImageIdentity,
    ReadingFile,
    ReadingFileError,
    parse_reading_file,
)
from lmeran.exports.replay import TOLERANCE, replay
from lmeran.hub import open_checkpoint
from lmeran.imaging.decoding_process import read_alone
from lmeran.imaging.radiograph import ReadError
from lmeran.predictor import Predictor

USAGE_ERROR = 2


def add_replay(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command to the program's parser."""
    parser = commands.add_parser(
        "replay",
        help="recompute a reading file and say equal, or what differs",
        description="Recompute a reading file on its image. Exit status 0: equal; 1: something "
        "differs, finding by finding on standard output; 2: it could not be recomputed.",
    )
    parser.add_argument("file", metavar="FILE", type=Path, help="reading file (JSON)")
    parser.add_argument(
        "--image", metavar="F", required=True, help="the film it is of: DICOM, PNG or JPEG"
    )
    parser.add_argument(
        "--frame", type=from_one, default=1, help="of a file that holds several (default: 1)"
    )
    parser.add_argument("--checkpoint", help="folder or hf://OWNER/REPO@REVISION")
    parser.add_argument("--device", default="cpu", help="cpu (default), cuda or cuda:N")
    parser.add_argument(
        "--tolerance",
        type=share,
        default=TOLERANCE,
        help="how far probabilities may lie apart (default: %(default)s)",
    )
    parser.set_defaults(run=run_replay)


def run_replay(given: argparse.Namespace) -> int:
    """Raises `CheckpointError` where the checkpoint cannot be opened."""
    try:
        file = _reading_file(given.file)
        film = read_alone(given.image, given.frame)
    except (ReadingFileError, ReadError) as error:
        print(error, file=sys.stderr)
        return USAGE_ERROR
    predictor = Predictor(open_checkpoint(given.checkpoint), Launch().device(given.device))
    identity, encoded = ImageIdentity.of(film), predictor.encode(film)
    result = replay(file, predictor, identity, encoded, given.tolerance)
    print(*result.lines(), sep="\n")
    return 0 if result.equal else 1


def _reading_file(path: Path) -> ReadingFile:
    try:
        return parse_reading_file(path.read_bytes())
    except OSError as error:
        reason = error.strerror or type(error).__name__
        raise ReadingFileError(f"The reading file cannot be opened ({reason}).") from None

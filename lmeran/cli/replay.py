"""`python -m lmeran replay`: recompute a reading file on its image; equal, or what differs."""

from __future__ import annotations

import argparse

from lmeran.cli.launch import Launch
from lmeran.exports.reading_file import ImageIdentity, ReadingFileError, parse_reading_file
from lmeran.exports.replay import TOLERANCE, replay
from lmeran.hub import open_checkpoint
from lmeran.imaging.decoding_process import read_alone
from lmeran.predictor import Predictor


def run(given: argparse.Namespace) -> int:
    """Exit status 0 where it is equal, else 1."""
    try:
        file = parse_reading_file(given.file.read_bytes())
    except OSError as error:
        reason = error.strerror or type(error).__name__
        raise ReadingFileError(f"The reading file cannot be opened ({reason}).") from None
    film = read_alone(given.image, given.frame)
    predictor = Predictor(open_checkpoint(given.checkpoint), Launch().device(given.device))
    tolerance = TOLERANCE if given.tolerance is None else given.tolerance
    result = replay(file, predictor, ImageIdentity.of(film), predictor.encode(film), tolerance)
    print(*result.lines(), sep="\n")
    return 0 if result.equal else 1

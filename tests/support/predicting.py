"""The command line's object of one film, made step by step: what batches must agree with."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from lmeran.findings import Pins
from lmeran.imaging.files import read_file
from lmeran.predictor import Predictor
from lmeran.serialize import reading_object


def predict_file(predictor: Predictor, path: Path, pins: Pins) -> dict[str, Any]:
    """Read, encode and read out one film, alone."""
    film = read_file(path)
    encoded = predictor.encode(film)
    reading = predictor.read(encoded, pins)
    identity = predictor.checkpoint.identity
    return reading_object(str(path), identity, reading, film.warnings, encoded.gate)

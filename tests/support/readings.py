"""What tests of readings share: a film with every fact, pins, and how results are read."""

from __future__ import annotations

import csv
import io
from pathlib import Path
from typing import Any

import pypdf

from lmeran.findings import Pins, State
from lmeran.imaging.files import read_file
from lmeran.imaging.radiograph import Radiograph, Spacing
from lmeran.predictor import Predictor
from lmeran.serialize import reading_object
from tests.conftest import film_pixels

PINS = {"Effusion": State.POSITIVE, "Mass": State.NEGATIVE}


def described_film() -> Radiograph:
    """300 rows, 240 columns, and everything a file may say of a film."""
    spacing = Spacing(0.2, 0.2, "ImagerPixelSpacing")
    pixels = film_pixels(300, 240)
    return Radiograph(pixels, "DICOM", 12, view="PA", modality="DX", spacing=spacing, window="w")


def rows(data: bytes) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(data.decode())))


def page_text(pdf: bytes) -> str:
    pages = pypdf.PdfReader(io.BytesIO(pdf)).pages
    assert len(pages) == 1
    return " ".join(pages[0].extract_text().split())


def predict_file(predictor: Predictor, path: Path, pins: Pins) -> dict[str, Any]:
    """Read, encode and read out one film, alone."""
    film = read_file(path)
    encoded = predictor.encode(film)
    reading = predictor.read(encoded, pins)
    identity = predictor.checkpoint.identity
    return reading_object(str(path), identity, reading, film.warnings, encoded.gate)

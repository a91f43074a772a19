"""What tests of exports share: a film that says all of itself, pins, and how files are read."""

from __future__ import annotations

import csv
import io

import pypdf

from lmeran.findings import State
from lmeran.imaging.radiograph import Radiograph, Spacing
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

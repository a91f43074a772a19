"""The formats a reading is exported as, by name: `python -m lmeran export --as`."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Literal

from lmeran.exports.picture import Scale, picture_png
from lmeran.exports.reading_file import write_reading_file
from lmeran.exports.record import ExportError, Record
from lmeran.exports.tables import reading_csv, reading_json, regions_csv
from lmeran.predictor import EncodedRadiograph, Predictor

if TYPE_CHECKING:  # pydicom is slow to import
    from lmeran.exports.dicom.source import SourceImage


@dataclass(frozen=True, eq=False)
class Request:
    """What is to be exported, and how.

    source: for the DICOM formats, else None. reader: who pinned, for the structured report.
    """

    predictor: Predictor
    encoded: EncodedRadiograph
    record: Record
    scale: Scale = "absolute"
    source: SourceImage | None = None
    reader: str | None = None


@dataclass(frozen=True)
class Format:
    """One format. ending: of its file name, after the record's name. dicom: needs the source."""

    ending: str
    make: Callable[[Request], bytes]
    dicom: bool = False


def _pdf(request: Request) -> bytes:
    from lmeran.exports.pdf import report_pdf  # reportlab is slow to import

    return report_pdf(request.record, request.scale, datetime.now().astimezone())


def _reading(request: Request) -> bytes:
    record = request.record
    place = {} if record.map is None else {"layer": record.map.layer, "head": record.map.head}
    # In the words of the page's own view state, as far as the command line has a view.
    view = {"selected": record.index, "map": place}
    file = write_reading_file(request.predictor, record.image, request.encoded, record.pins, view)
    return file.to_bytes()


def _dicom(request: Request, kind: Literal["sr", "seg", "sc"]) -> bytes:
    if request.source is None:
        raise ExportError("DICOM objects need the DICOM file the film was read from.")
    from lmeran.exports.dicom.secondary_capture import secondary_capture  # highdicom is an extra
    from lmeran.exports.dicom.segmentation import segmentation
    from lmeran.exports.dicom.structured_report import structured_report

    try:
        if kind == "sr":
            return structured_report(request.record, request.source, request.reader)
        if kind == "seg":
            return segmentation(request.record, request.source)
        return secondary_capture(request.record, request.source, request.scale)
    except ExportError:
        raise
    except Exception as error:
        # The library raises whatever it pleases on a header it does not expect.
        raise ExportError(
            f"No DICOM object can be made of this file's header ({type(error).__name__}); export "
            "pdf, csv, json, png or reading."
        ) from None


FORMATS: dict[str, Format] = {
    "pdf": Format(".pdf", _pdf),
    "csv": Format(".csv", lambda request: reading_csv(request.record)),
    "json": Format(".json", lambda request: reading_json(request.record)),
    "png": Format(".png", lambda request: picture_png(request.record, request.scale)),
    "boxes": Format("-boxes.csv", lambda request: regions_csv(request.record)),
    "reading": Format(".reading.json", _reading),
    "sr": Format("-sr.dcm", lambda request: _dicom(request, "sr"), dicom=True),
    "seg": Format("-seg.dcm", lambda request: _dicom(request, "seg"), dicom=True),
    "sc": Format("-sc.dcm", lambda request: _dicom(request, "sc"), dicom=True),
}


def parse_formats(text: str) -> list[str]:
    """'pdf,csv' to names. Raises `ExportError` for one that does not exist."""
    names = [name for part in text.split(",") if (name := part.strip().lower())]
    unknown = [name for name in names if name not in FORMATS]
    if unknown or not names:
        raise ExportError(f"'{text}' is not a list of formats; use some of {', '.join(FORMATS)}.")
    return list(dict.fromkeys(names))


def check_extra(names: Sequence[str]) -> None:
    """Raises `ExportError` where a DICOM format is wanted and highdicom is not installed."""
    wanted = any(FORMATS[name].dicom for name in names)
    if wanted and importlib.util.find_spec("highdicom") is None:
        raise ExportError(
            "DICOM objects need the package highdicom; install it with "
            "`pip install -r requirements-dicom.txt`."
        )

"""The report: one A4 page a reader can file, with text that can be selected and searched."""

from __future__ import annotations

import io
from datetime import datetime
from xml.sax.saxutils import escape

import cv2
import numpy as np
from reportlab.lib.enums import TA_RIGHT
from reportlab.lib.pagesizes import A4
from reportlab.lib.utils import ImageReader
from reportlab.pdfgen.canvas import Canvas
from reportlab.platypus import Flowable, KeepInFrame, Paragraph, Spacer

from lmeran.exports.pdf_parts import (
    QUIET,
    WARN,
    decomposition_table,
    findings_table,
    heading,
    register_fonts,
    text,
)
from lmeran.exports.picture import PRINT_PIXELS, Scale, overlay, reduced
from lmeran.exports.reading_file import versions
from lmeran.exports.record import NOTICE, Record
from lmeran.exports.regions import map_regions
from lmeran.exports.words import finding_in_words, map_in_words, pins_in_words
from lmeran.findings import display_name

MARGIN = 36.0
GAP = 14.0
PICTURE_HEIGHT = 285.0
FOOT_HEIGHT = 74.0
TABLE_SHARE = 0.58
"""Share of the width that the table of findings has; the decomposition has the rest."""
MOST_BOXES = 4
PINNED_IN_WORDS = (
    "Change in percentage points. A pinned finding has no probability of its own with pins: the "
    "model was never trained to give one."
)


def report_pdf(record: Record, scale: Scale = "absolute", made: datetime | None = None) -> bytes:
    """The report of one reading as PDF.

    made: when, for the head of the page; None leaves it out. Of the film there are its pixels and
    what the viewer shows of it (view, size, spacing), nothing of a patient and no file name.
    """
    register_fonts()
    out = io.BytesIO()
    page = Canvas(out, pagesize=A4, pageCompression=1, lang="en")
    page.setTitle("LMeRAN reading")
    page.setSubject(NOTICE)
    page.setAuthor("LMeRAN viewer")
    page.setCreator("LMeRAN viewer")
    width = A4[0] - 2 * MARGIN
    top = _head(page, record, A4[1] - MARGIN, width, made)
    top = _pictures(page, record, scale, top, width)
    left = TABLE_SHARE * (width - GAP)
    right = width - GAP - left
    _column(page, _reading(record, left), MARGIN, top, left)
    _column(page, _why(record, right), MARGIN + left + GAP, top, right)
    _foot(page, record, width)
    page.showPage()
    page.save()
    return out.getvalue()


def _head(page: Canvas, record: Record, top: float, width: float, made: datetime | None) -> float:
    """Title, notice and the selected finding in a line; returns where the next part begins."""
    title, notice = text("<b>Chest X-ray reading</b>", 16), f"<b>{NOTICE}</b>"
    when = "" if made is None else f", made {made:%Y-%m-%d %H:%M %Z}".rstrip()
    who = f"by LMeRAN, a label-conditioned network, checkpoint {record.checkpoint.identity}{when}"
    top = _put(page, title, MARGIN, top, width / 2)
    right = text(notice, 10, WARN, alignment=TA_RIGHT)
    _put(page, right, MARGIN + width / 2, top + 17, width / 2)
    top = _put(page, text(who, 7.5, QUIET), MARGIN, top - 2, width)
    page.setLineWidth(0.6)
    page.line(MARGIN, top - 4, MARGIN + width, top - 4)
    return top - 12


def _pictures(page: Canvas, record: Record, scale: Scale, top: float, width: float) -> float:
    """The film, and the film with the map, side by side with their captions."""
    each = (width - GAP) / 2
    small = reduced(record.film, PRINT_PIXELS).pixels
    shown = (cv2.cvtColor(small, cv2.COLOR_GRAY2RGB), overlay(record, scale, PRINT_PIXELS))
    factor = min(each / small.shape[1], PICTURE_HEIGHT / small.shape[0])
    drawn = (small.shape[1] * factor, small.shape[0] * factor)
    captions = (_film_in_words(record), map_in_words(record, scale))
    ends = []
    for k, (picture, words) in enumerate(zip(shown, captions, strict=True)):
        left = MARGIN + k * (each + GAP) + (each - drawn[0]) / 2
        page.drawImage(_jpeg(picture), left, top - drawn[1], *drawn)
        left = MARGIN + k * (each + GAP)
        ends.append(_put(page, text(words, 6.5, QUIET), left, top - drawn[1] - 3, each))
    return min(ends) - 8


def _reading(record: Record, width: float) -> list[Flowable]:
    """Left column: warnings, pins and the table."""
    warnings = [text(f"! {escape(sentence)}", 7, WARN) for sentence in record.warnings]
    return [
        *warnings,
        Spacer(0, 4 if warnings else 0),
        heading("Probabilities of the 14 findings"),
        text(f"Pinned by the reader: <b>{pins_in_words(record)}</b>", 7.5),
        Spacer(0, 3),
        findings_table(record, width),
        Spacer(0, 3),
        text(f"{_columns_in_words(record)} {PINNED_IN_WORDS}", 6.5, QUIET),
    ]


def _why(record: Record, width: float) -> list[Flowable]:
    """Right column: the selected finding's decomposition, and where its map lies."""
    name = display_name(record.finding)
    return [
        heading(f"Why: {name}, in logits"),
        text(finding_in_words(record), 7.5),
        Spacer(0, 3),
        decomposition_table(record, width),
        Spacer(0, 6),
        heading("Where the map lies"),
        *(text(line, 7) for line in _places(record)),
    ]


def _foot(page: Canvas, record: Record, width: float) -> None:
    test = record.checkpoint.metrics.get("test")
    measured = "not measured on test films"
    if test:
        score = test["scores"][0]
        measured = f"mean AUC {score['mean_auc']:.3f} on {test['images']:,} test films"
    made_with = ", ".join(f"{name} {version}" for name, version in versions().items())
    fitted = record.reading.calibration
    kind = "Raw, uncalibrated probabilities"
    if fitted is not None and not fitted.keeps_raw:
        kind = f"Raw probabilities, and as calibrated on {fitted.described} ({fitted.identity}),"
    lines = (
        f"<b>{NOTICE}.</b> {kind} of a research model that reads frontal chest films of adults; "
        "not a medical device. What is pinned is the reader's own statement and not the model's.",
        f"Model: checkpoint {record.checkpoint.identity}, {measured}. Versions: {made_with}.",
        f"Image: SHA-256 of the display pixels {record.image.sha256}, "
        f"{record.image.width} x {record.image.height}.",
    )
    page.setLineWidth(0.6)
    page.line(MARGIN, MARGIN + FOOT_HEIGHT - 12, MARGIN + width, MARGIN + FOOT_HEIGHT - 12)
    top = MARGIN + FOOT_HEIGHT - 16
    for line in lines:
        top = _put(page, text(line, 6.5, QUIET), MARGIN, top, width) - 2


def _film_in_words(record: Record) -> str:
    film = record.film
    size = f"{record.image.width} x {record.image.height} px"
    facts = [film.view or "view not stated", size]
    if film.spacing is not None:
        s = film.spacing
        facts.append(f"{s.column_mm:.3f} x {s.row_mm:.3f} mm a pixel ({s.source})")
    facts += [" ".join(p for p in (film.media, film.modality, f"{film.bits} bit") if p)]
    words = ", ".join([*facts, film.window] if film.window else facts)
    return escape(words[0].upper() + words[1:])


def _columns_in_words(record: Record) -> str:
    if record.reading.calibrated is not None:
        return "Free: raw, with nothing pinned. With pins: raw, and calibrated beside it."
    return (
        "Free (hollow): with nothing pinned. With pins: filled, on a log-odds axis from "
        "0.1\u00a0% over 50\u00a0% (line) to 99.9\u00a0%."
    )


def _places(record: Record) -> list[str]:
    """Peak, centroid and boxes in words, in pixels of the original film."""
    if record.map is None:
        return ["This model has no attention, so there is no map."]
    found = map_regions(record.map, record.geometry)
    lines = [
        "In pixels of the original film from its upper left corner:",
        f"peak x {found.peak[0]:.0f}, y {found.peak[1]:.0f}; "
        f"centroid x {found.centroid[0]:.0f}, y {found.centroid[1]:.0f}",
    ]
    for region in found.regions[:MOST_BOXES]:
        left, top, right, bottom = (round(side) for side in region.box)
        share = f"{100 * region.share:.0f} % of the map"
        lines.append(f"box x {left} to {right}, y {top} to {bottom}; {share}")
    if len(found.regions) > MOST_BOXES:
        lines.append(f"and {len(found.regions) - MOST_BOXES} smaller boxes")
    return lines


def _put(page: Canvas, words: Paragraph, left: float, top: float, width: float) -> float:
    """Draw a paragraph with its upper edge at `top`; returns its lower edge."""
    _, height = words.wrap(width, A4[1])
    words.drawOn(page, left, top - height)
    return top - height


def _column(page: Canvas, parts: list[Flowable], left: float, top: float, width: float) -> None:
    """Draw parts below each other, smaller where they would not fit on the page."""
    room = top - MARGIN - FOOT_HEIGHT
    frame = KeepInFrame(width, room, parts, mode="shrink")
    _, height = frame.wrapOn(page, width, room)
    frame.drawOn(page, left, top - height)


def _jpeg(picture: np.ndarray) -> ImageReader:
    """Near-lossless JPEG, which PDF holds as it is: a tenth of the size of lossless pixels."""
    bgr = cv2.cvtColor(picture, cv2.COLOR_RGB2BGR)
    quality = [cv2.IMWRITE_JPEG_QUALITY, 93]
    return ImageReader(io.BytesIO(cv2.imencode(".jpg", bgr, quality)[1].tobytes()))

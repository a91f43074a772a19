"""Pieces of the report: its fonts, paragraphs and the two tables."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import reportlab
from reportlab.graphics.shapes import Circle, Drawing, Line, Rect
from reportlab.lib import colors
from reportlab.lib.styles import ParagraphStyle
from reportlab.pdfbase import pdfmetrics
from reportlab.pdfbase.ttfonts import TTFont
from reportlab.platypus import Paragraph, Table, TableStyle

from lmeran.exports.record import Record
from lmeran.exports.words import logits, percent, points
from lmeran.findings import FINDINGS, State, display_name

INK, QUIET, LINE, MARK = "#16202b", "#4a5764", "#c3ccd6", "#eef2f6"
UP, DOWN, WARN = "#a84f00", "#0f5fa8", "#8a2b12"
FONT, BOLD = "Vera", "VeraBd"
BAR_WIDTH, BAR_HEIGHT = 62.0, 6.0
CHANGE_COLOURED = 5e-4
"""A smaller change of a probability has no colour."""
AXIS_WIDTH = 54.0
AXIS_END = math.log(999)
"""Log-odds at which the axis of probabilities ends: 99.9 %, and 0.1 % on the other side."""


def register_fonts() -> None:
    """The fonts that come with reportlab: embedded, so that a minus is a minus everywhere."""
    if FONT in pdfmetrics.getRegisteredFontNames():
        return
    folder = Path(reportlab.__file__).parent / "fonts"
    for name in (BOLD, FONT):
        pdfmetrics.registerFont(TTFont(name, folder / f"{name}.ttf"))
    pdfmetrics.registerFontFamily(FONT, normal=FONT, bold=BOLD, italic=FONT, boldItalic=BOLD)


def text(words: str, size: float, color: str = INK, **looks: Any) -> Paragraph:
    """A paragraph. words: may hold reportlab's tags; nothing of a file's header goes in here."""
    looks = {"fontName": FONT, "leading": 1.3 * size} | looks
    return Paragraph(words, ParagraphStyle("text", fontSize=size, textColor=color, **looks))


def heading(words: str) -> Paragraph:
    """A heading within a column."""
    return text(words, 9, fontName=BOLD, leading=13)


def findings_table(record: Record, width: float) -> Table:
    """The 14 findings: state, free, with pins, change; the selected one is marked.

    Besides the calibrated probability where there is one, else both on an axis.
    """
    reading = record.reading
    rows = [_finding_row(record, i) for i in range(len(FINDINGS))]
    numbers = ["Free", "With pins", "Change"]
    if reading.calibrated is None:
        head, widths, changes = ["", *numbers], (AXIS_WIDTH + 6, 38.0, 46.0, 36.0), 5
    else:
        head, widths, changes = [*numbers, "Calibrated"], (38.0, 46.0, 38.0, 50.0), 4
    looks: list[tuple] = []
    for row, shift in enumerate(reading.shift, start=1):
        if abs(shift) >= CHANGE_COLOURED:  # never of a pinned finding: that is NaN
            color = colors.HexColor(UP if shift > 0 else DOWN)
            looks.append(("TEXTCOLOR", (changes, row), (changes, row), color))
    selected = record.index + 1
    looks.append(("BACKGROUND", (0, selected), (-1, selected), colors.HexColor(MARK)))
    names = width - sum(widths)
    table = Table([["Finding", "Pin", *head], *rows], (0.65 * names, 0.35 * names, *widths), 13.2)
    right = ("ALIGN", (2, 0), (-1, -1), "RIGHT")
    bold = ("FONTNAME", (1, 1), (1, -1), BOLD)
    table.setStyle(TableStyle([*_plain_look(), right, bold, *looks]))
    return table


def _finding_row(record: Record, i: int) -> list[str | Drawing]:
    reading = record.reading
    state, conditioned = State(int(reading.states[i])), float(reading.conditioned[i])
    pinned = state is not State.UNKNOWN
    first = [display_name(FINDINGS[i]), state.word if pinned else ""]
    numbers = [
        percent(reading.free[i]),
        "pinned" if pinned else percent(conditioned),
        "" if pinned else points(reading.shift[i]),
    ]
    if reading.calibrated is None:
        return [*first, _dots(float(reading.free[i]), conditioned), *numbers]
    calibrated = float(reading.calibrated[i])
    # A finding that validation had too few films of is not calibrated.
    return [*first, *numbers, "" if math.isnan(calibrated) else percent(calibrated)]


def decomposition_table(record: Record, width: float) -> Table:
    """What the selected finding's logit is made of, each part with a bar from zero."""
    entries = record.decomposition.entries(record.finding)
    rows: list[tuple[str, float]] = []
    for entry in entries:
        pin = entry.state and f"{display_name(entry.finding or '')} {entry.state.word}"
        rows.append((pin or entry.kind, entry.value))
    free = sum(entry.value for entry in entries if entry.kind != "pin")
    total = sum(entry.value for entry in entries)
    pins = len(entries) > 3
    rows.insert(3, ("free logit", free))
    if pins:
        rows.append(("logit with pins", total))
    largest = max(abs(value) for _, value in rows) or 1.0
    cells = [[name, logits(value), _bar(value / largest)] for name, value in rows]
    sums = [3, len(rows) - 1] if pins else [3]
    bold = [("FONTNAME", (0, k), (1, k), BOLD) for k in sums]
    columns = [width - BAR_WIDTH - 42, 38, BAR_WIDTH + 4]
    table = Table(cells, columns, 12)
    look = [*_plain_look(header=False), ("ALIGN", (1, 0), (1, -1), "RIGHT"), *bold]
    table.setStyle(TableStyle(look))
    return table


def _dots(free: float, conditioned: float) -> Drawing:
    """Both probabilities on a log-odds axis; the second is NaN where pinned and then not drawn."""
    drawing = Drawing(AXIS_WIDTH, BAR_HEIGHT)
    middle, level = AXIS_WIDTH / 2, BAR_HEIGHT / 2
    line, quiet, ink = (colors.HexColor(color) for color in (LINE, QUIET, INK))

    def place(p: float) -> float:
        clipped = min(0.999, max(0.001, p))
        return AXIS_WIDTH * (math.log(clipped / (1 - clipped)) + AXIS_END) / (2 * AXIS_END)

    for ends in ((0, level, AXIS_WIDTH, level), (middle, 0, middle, BAR_HEIGHT)):
        drawing.add(Line(*ends, strokeWidth=0.4, strokeColor=line))
    hollow = {"fillColor": colors.white, "strokeWidth": 0.8, "strokeColor": quiet}
    drawing.add(Circle(place(free), level, 2.2, **hollow))
    if not math.isnan(conditioned):
        drawing.add(Circle(place(conditioned), level, 1.9, fillColor=ink, strokeColor=None))
    return drawing


def _bar(share: float) -> Drawing:
    """A bar from zero in the middle to -1 .. 1 of half the width."""
    drawing = Drawing(BAR_WIDTH, BAR_HEIGHT)
    middle, length = BAR_WIDTH / 2, abs(share) * BAR_WIDTH / 2
    left = middle if share >= 0 else middle - length
    color = colors.HexColor(UP if share >= 0 else DOWN)
    drawing.add(Rect(left, 0, length, BAR_HEIGHT, fillColor=color, strokeWidth=0, strokeColor=None))
    quiet = colors.HexColor(QUIET)
    drawing.add(Line(middle, -2, middle, BAR_HEIGHT + 2, strokeWidth=0.5, strokeColor=quiet))
    return drawing


def _plain_look(header: bool = True) -> list[tuple]:
    look: list[tuple] = [
        ("FONT", (0, 0), (-1, -1), FONT, 7.5),
        ("TEXTCOLOR", (0, 0), (-1, -1), colors.HexColor(INK)),
        ("VALIGN", (0, 0), (-1, -1), "MIDDLE"),
        ("LINEBELOW", (0, 0), (-1, -1), 0.4, colors.HexColor(LINE)),
        ("LEFTPADDING", (0, 0), (-1, -1), 3),
        ("RIGHTPADDING", (0, 0), (-1, -1), 3),
        ("TOPPADDING", (0, 0), (-1, -1), 0),
        ("BOTTOMPADDING", (0, 0), (-1, -1), 0),
    ]
    if header:
        look.append(("TEXTCOLOR", (0, 0), (-1, 0), colors.HexColor(QUIET)))
        look.append(("LINEBELOW", (0, 0), (-1, 0), 0.7, colors.HexColor(QUIET)))
    return look

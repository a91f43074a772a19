"""A film with one finding's map laid over it, and its caption, as pixels."""

from __future__ import annotations

from dataclasses import replace
from typing import Literal

import cv2
import numpy as np
from PIL import Image, ImageDraw, ImageFont

from lmeran import __version__
from lmeran.exports.record import NOTICE, ExportError, Record
from lmeran.exports.words import finding_in_words, map_in_words, pins_in_words
from lmeran.imaging.radiograph import Radiograph
from lmeran.model.maps import CONTOUR_LEVEL

Scale = Literal["absolute", "relative"]
"""Colours of a map: on one scale for all films and findings, or of its own maximum."""

PRINT_PIXELS = 1400
"""Longer side of a picture in the report: 400 dots an inch on paper."""
OPACITY = 0.7
_DARKEST = 0.25
"""Where the colour table begins: below, its colours are too dark to be seen on a lung."""
_OPAQUE_FROM = 1 / 1.6
"""Share of full colour from which the map hides as much of the film as it ever does."""


def overlay(record: Record, scale: Scale = "absolute", longest: int | None = None) -> np.ndarray:
    """Film, map and contour, uint8 RGB (H, W, 3).

    longest: the longer side in pixels, for a picture smaller than the film; None for its own size.
    """
    film = (record.film if longest is None else reduced(record.film, longest)).pixels
    gray = cv2.cvtColor(film, cv2.COLOR_GRAY2RGB)
    if record.map is None:
        return gray
    place = replace(record.geometry, height=film.shape[0], width=film.shape[1])
    field = place.map_to_original(record.map.values)
    shown = replace(record.map, values=field)
    share = shown.absolute(record.map_probability) if scale == "absolute" else shown.relative()
    return _with_contour(_coloured(gray, share), field)


def reduced(film: Radiograph, longest: int) -> Radiograph:
    """The film for print: its longer side at most `longest` pixels, with the facts about it."""
    pixels, factor = film.pixels, longest / max(film.pixels.shape)
    if factor < 1:
        size = (max(1, round(film.width * factor)), max(1, round(film.height * factor)))
        pixels = cv2.resize(pixels, size, interpolation=cv2.INTER_AREA)
    # Named one by one: whatever else a film holds has no place on paper.
    return Radiograph(
        pixels=pixels,
        media=film.media,
        bits=film.bits,
        view=film.view,
        modality=film.modality,
        spacing=film.spacing,
        window=film.window,
        warnings=film.warnings,
    )


def captioned(record: Record, scale: Scale = "absolute") -> np.ndarray:
    """`overlay` at the film's size and, below it, what it shows; uint8 RGB (H + caption, W, 3).

    The film's own pixels keep their places, so positions in the picture are positions on the film.
    """
    picture = overlay(record, scale)
    lines = (
        finding_in_words(record),
        f"Pins: {pins_in_words(record)}",
        map_in_words(record, scale),
        f"{NOTICE}. LMeRAN {__version__}, checkpoint {record.checkpoint.identity}",
    )
    return np.vstack([picture, _caption(lines, picture.shape[1])])


def picture_png(record: Record, scale: Scale = "absolute") -> bytes:
    """`captioned` as PNG, without any text or time in the file's own fields."""
    bgr = cv2.cvtColor(captioned(record, scale), cv2.COLOR_RGB2BGR)
    ok, data = cv2.imencode(".png", bgr)
    if not ok:
        raise ExportError("The picture cannot be written as PNG; export the PDF instead.")
    return data.tobytes()


def colour_table() -> np.ndarray:
    """256 colours from faint to full, uint8 RGB (256, 3): the upper part of inferno."""
    steps = np.rint(np.linspace(_DARKEST, 1, 256) * 255).astype(np.uint8)
    return cv2.applyColorMap(steps, cv2.COLORMAP_INFERNO).reshape(256, 3)[:, ::-1]


def _coloured(gray: np.ndarray, share: np.ndarray) -> np.ndarray:
    colours = colour_table()[np.rint(share * 255).astype(np.uint8)].astype(np.float32)
    opaque = (OPACITY * np.minimum(1, share / _OPAQUE_FROM)).astype(np.float32)[..., None]
    return np.rint(gray * (1 - opaque) + colours * opaque).astype(np.uint8)


def _with_contour(picture: np.ndarray, field: np.ndarray) -> np.ndarray:
    inside = ((field >= CONTOUR_LEVEL * field.max()) & (field > 0)).astype(np.uint8)
    outlines, _ = cv2.findContours(inside, cv2.RETR_LIST, cv2.CHAIN_APPROX_NONE)
    thin = max(1, round(max(picture.shape) / 800))
    for colour, thickness in (((0, 0, 0), 3 * thin), ((255, 255, 255), thin)):
        cv2.drawContours(picture, outlines, -1, colour, thickness, cv2.LINE_AA)
    return picture


def _caption(lines: tuple[str, ...], width: int) -> np.ndarray:
    """The lines, wrapped, white on black, uint8 RGB (height, width, 3)."""
    font = ImageFont.load_default(max(10, round(width / 64)))
    margin = max(3, round(width / 100))
    wrapped = [part for line in lines for part in _wrap(line, font, width - 2 * margin)]
    pitch = round(1.35 * font.size)
    strip = Image.new("RGB", (width, 2 * margin + pitch * len(wrapped)))
    draw = ImageDraw.Draw(strip)
    for k, line in enumerate(wrapped):
        draw.text((margin, margin + k * pitch), line, fill="white", font=font)
    return np.asarray(strip)


def _wrap(text: str, font: ImageFont.FreeTypeFont, width: int) -> list[str]:
    lines: list[str] = []
    for word in text.split():
        longer = f"{lines[-1]} {word}" if lines else word
        if lines and font.getlength(longer) <= width:
            lines[-1] = longer
        else:
            lines.append(word)
    return lines

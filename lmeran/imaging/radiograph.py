"""A film as the rest of the program sees it: display-ready gray pixels and their geometry; and what
a file may cost before it is decoded, the caps every reader applies."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from lmeran.errors import UserError
from lmeran.imaging.values import GrayValues, plain_values

MAX_FILE_BYTES = 64 * 2**20
MAX_PIXELS = 50_000_000
"""Rows x columns x samples. Digital radiographs stay under 20 million."""
MAX_INFLATED_BYTES = 128 * 2**20
MIN_SIDE = 32
LEAST_SPAN, LEAST_LEVELS = 40, 32
"""Of 255 levels of gray: with less between its 0.5 and 99.5 percentiles a picture is told poor."""


class ReadError(UserError):
    """A file that cannot be read as a film: one sentence that says why and what to do.

    The message never holds a file name or anything of the file's header that names a patient.
    """


def check_file_size(size: int) -> None:
    """Refuse empty files and files over the cap. Raises `ReadError`."""
    if size == 0:
        raise ReadError("The file is empty; choose a chest X-ray as DICOM, PNG or JPEG.")
    if size > MAX_FILE_BYTES:
        raise ReadError(
            f"The file has {size / 2**20:.0f} MB and the limit is {MAX_FILE_BYTES // 2**20} MB; "
            "export the film alone, or compress it."
        )


def check_dimensions(height: int, width: int, samples: int = 1) -> None:
    """Refuse picture sizes that cannot be a film, before any pixel is decoded."""
    if height * width * samples > MAX_PIXELS:
        raise ReadError(
            f"The picture claims {width} x {height} pixels and the limit is "
            f"{MAX_PIXELS // 1_000_000} million values; export it at a smaller size."
        )
    if min(height, width) < MIN_SIDE:
        raise ReadError(
            f"The picture has {width} x {height} pixels, too few for a chest X-ray; "
            f"choose one with at least {MIN_SIDE} pixels a side."
        )


def contrast_warnings(pixels: np.ndarray) -> tuple[str, ...]:
    """What the reader must be told of display pixels, uint8 (H, W), that hardly differ."""
    counts = cv2.calcHist([pixels], [0], None, [256], [0, 256]).ravel()
    low, high = np.searchsorted(np.cumsum(counts, dtype=np.float64) / counts.sum(), (0.005, 0.995))
    levels = np.count_nonzero(counts[low : high + 1])
    if levels >= LEAST_LEVELS and high - low >= LEAST_SPAN:
        return ()
    return (
        f"The picture has only {levels} levels of gray, from {low} to {high} of 255, too few to "
        "read a film by; export it again from the original.",
    )


def one_picture(frame: int) -> str:
    """Why a frame cannot be had of a file with one picture."""
    return f"The file holds one picture and frame {frame} was asked for; leave the frame out."


@dataclass(frozen=True)
class Spacing:
    """Size of a pixel in mm (row, column) and the DICOM attribute it was taken from."""

    row_mm: float
    column_mm: float
    source: str


@dataclass(frozen=True, eq=False)
class Radiograph:
    """One film.

    pixels: uint8 (H, W), rendered for display: dense tissue bright, air dark. The model reads the
        same pixels as the reader sees.
    media: "DICOM", "PNG" or "JPEG".
    bits: depth the file stores per pixel.
    view: ViewPosition as "PA", "AP" or "LL" ..., None where the file does not say.
    modality: DICOM Modality, None for pictures.
    spacing: None where the file does not say.
    window: how the values were brought to gray, in words ("window of the file", ...).
    warnings: plain sentences the reader must see.
    depth: the values the pixels were made from, None where the pixels are all there is.
    aspect: height of a pixel over its width.
    frame, frames: which of how many frames of the file this is, from 1.
    directions: sides of the patient that rows and columns run to, "LF" for an upright film (DICOM
        Patient Orientation); empty where the file does not say.
    """

    pixels: np.ndarray
    media: str
    bits: int
    view: str | None = None
    modality: str | None = None
    spacing: Spacing | None = None
    window: str = ""
    warnings: tuple[str, ...] = ()
    depth: GrayValues | None = None
    aspect: float = 1.0
    frame: int = 1
    frames: int = 1
    directions: str = ""

    @property
    def values(self) -> GrayValues:
        """The values behind the pixels, to be windowed by a reader."""
        return self.depth or plain_values(self.pixels)

    @property
    def height(self) -> int:
        return int(self.pixels.shape[0])

    @property
    def width(self) -> int:
        return int(self.pixels.shape[1])

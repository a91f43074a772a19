"""Stored gray values to display: modality LUT, VOI, polarity and padding (DICOM PS3.3 C.11, C.7.6).

A stored value has at most 16 bits, so the chain is worked out once per possible value, in float64,
and the film is looked up in one step. pydicom's own functions work on whole pictures and, in 3.0,
wrap values beyond an 8-bit LUT and turn the picture over for a negative rescale slope.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from itertools import zip_longest

import numpy as np
from pydicom.dataset import Dataset

from lmeran.imaging.dicom.attributes import (
    code,
    codes,
    integer,
    items_of,
    look_up_table,
    numbers,
    stored_range,
)
from lmeran.imaging.dicom.suitability import is_for_processing
from lmeran.imaging.radiograph import LEAST_SPAN, ReadError
from lmeran.imaging.values import GrayValues, codes_of
from lmeran.imaging.window import BrokenError, LookUpTable, Ramp, Voi, Window

PERCENTILE = "percentile window (0.5 to 99.5 %)"
_FALLBACK = (
    "The display window in the file is unusable, so gray levels were set from the picture itself "
    "(0.5 to 99.5 % of its values)."
)
_LEAST_SPREAD = LEAST_SPAN / 255
"""A window that leaves less than this between the 0.5 and 99.5 percentiles shows a flat film."""
_ROWS_AT_A_TIME = 256
_MAX_SEQUENCE_BYTES = 2**21
"""A LUT sequence of a dozen full tables."""
_MOST_VOIS = 8
_EXPLAINING = re.compile(
    r"(?:ALGO|AUTO|ABDOMEN|BONES?|BREAST|CHEST|CONTRAST|DEFAULT|DENSITY|DETAIL|EXACT|FULL|HARD|"
    r"HARDER|HEART|HIGH|INVERSE|INVERTED|LINEAR|LOW|LUNGS?|LUT|MEDIASTINUM|MEDIUM|NARROW|NORMAL|"
    r"ORIGINAL|RIBS?|SIGMOID|SOFT|SOFTER|SPINE|STANDARD|THORAX|TISSUE|USER|VOI|WIDE|WINDOW)?\d{0,2}"
)
"""Words that may explain a window. Explanations are free text: any other word might be a name."""
_UNITS = {"HU": "HU", "OD": "OD / 1000"}
"""Rescale Type (0028,1054) in words; other values state no unit."""


@dataclass(frozen=True)
class Rescale:
    """Rescale Slope (0028,1053) and Intercept (0028,1052)."""

    slope: float
    intercept: float

    def map(self, values: np.ndarray) -> np.ndarray:
        """Stored values to real ones."""
        return values * self.slope + self.intercept


@dataclass(frozen=True, eq=False)
class Grayscale:
    """The grayscale attributes of a file. vois: none where the file names none; padding: first
    and last stored value."""

    modality: Rescale | LookUpTable
    vois: tuple[Voi, ...]
    unit: str
    invert: bool
    padding: tuple[int, int] | None
    warnings: tuple[str, ...]


@dataclass(frozen=True, eq=False)
class Rendering:
    """Display pixels, uint8, how they were made in words, the values they were made from, and
    what the reader must know."""

    pixels: np.ndarray
    window: str
    values: GrayValues
    warnings: tuple[str, ...]


def render(stored: np.ndarray, scale: Grayscale) -> Rendering:
    """Stored values, (u)int8 or (u)int16, to gray: dense tissue bright. Raises `ReadError`."""
    film, low = codes_of(stored)
    weights = _histogram(film)
    warnings = list(scale.warnings)
    padding = _padding_codes(scale.padding, low, len(weights))
    if padding is not None and not _without(weights, padding).any():
        padding = None
        warnings.append("The file marks every pixel as padding; that mark was ignored.")
    if padding is not None:
        weights = _without(weights, padding)

    outputs = scale.modality.map(np.arange(len(weights), dtype=np.float64) + low)
    seen = outputs[weights > 0]
    if seen.min() == seen.max():
        raise ReadError(
            "The decoded picture is one flat gray, there is nothing to read; export the film again."
        )
    vois = tuple(voi for voi in scale.vois if _spread(voi, outputs, weights) >= _LEAST_SPREAD)
    if not vois:
        vois = (_percentile_ramp(outputs, weights),)
        if scale.vois:
            warnings.append(_FALLBACK)
    is_table = isinstance(scale.modality, LookUpTable)
    values = GrayValues(
        film,
        vois,
        table=outputs if is_table else None,
        unit=scale.unit,
        inverted=scale.invert,
        padding=padding,
        first=low,
        **({} if is_table else asdict(scale.modality)),
    )
    return Rendering(values.display_table()[film], _words(vois[0]), values, tuple(warnings))


def grayscale_of(ds: Dataset, little_endian: bool) -> Grayscale:
    """Read the grayscale attributes of a data set. Raises `ReadError` for a broken modality LUT."""
    warnings: list[str] = []
    modality = _modality(ds, little_endian, warnings)
    named = list(_vois(ds, little_endian, _output_range(modality, stored_range(ds))))
    vois = [voi for voi in named if voi is not None]
    if named and not vois:
        warnings.append(_FALLBACK)
    unit = _UNITS.get(code(ds, "RescaleType"), "") if isinstance(modality, Rescale) else ""
    invert = _is_inverted(ds, warnings)
    chosen = tuple(vois[:_MOST_VOIS])
    padding = _padding(ds, warnings)
    return Grayscale(modality, chosen, unit, invert, padding, tuple(warnings))


def _words(voi: Voi) -> str:
    """How a film was brought to gray."""
    if isinstance(voi, LookUpTable):
        return "VOI table of the file"
    if isinstance(voi, Ramp):
        return voi.name
    shape = voi.function.lower().replace("_", " ")
    return f"window of the file (center {voi.center:g}, width {voi.width:g}, {shape})"


def _modality(ds: Dataset, little_endian: bool, warnings: list[str]) -> Rescale | LookUpTable:
    """Modality LUT Sequence (0028,3000), else Rescale Slope and Intercept (PS3.3 C.11.1)."""
    try:
        if items := items_of(ds, "ModalityLUTSequence", _MAX_SEQUENCE_BYTES):
            return look_up_table(items[0], little_endian, stored_range(ds))
    except BrokenError:
        raise ReadError(
            "The table that gives the film's values their meaning (Modality LUT) is damaged; "
            "export the film again."
        ) from None
    slope = (*numbers(ds, "RescaleSlope"), 1.0)[0]
    intercept = (*numbers(ds, "RescaleIntercept"), 0.0)[0]
    if not np.isfinite((slope, intercept)).all() or slope == 0:
        warnings.append("The rescale values in the file are unusable and were ignored.")
        slope, intercept = 1.0, 0.0
    return Rescale(slope, intercept)


def _output_range(modality: Rescale | LookUpTable, stored: tuple[int, int]) -> tuple[float, float]:
    """The least and greatest value that a VOI may be given."""
    if isinstance(modality, LookUpTable):
        return float(modality.entries.min()), float(modality.entries.max())
    ends = modality.map(np.array(stored, dtype=np.float64))
    return float(ends.min()), float(ends.max())


def _vois(ds: Dataset, little_endian: bool, inputs: tuple[float, float]) -> Iterator[Voi | None]:
    """VOI LUT Sequence (0028,3010), then the windows (PS3.3 C.11.2); None for an unusable one."""
    try:
        items = items_of(ds, "VOILUTSequence", _MAX_SEQUENCE_BYTES)
    except BrokenError:
        items = []
        yield None
    for k, item in enumerate(items):
        name = _explained(codes(item, "LUTExplanation"), 0) or _numbered("table", k, len(items))
        try:
            yield replace(look_up_table(item, little_endian, inputs), name=f"File: {name}")
        except BrokenError:
            yield None
    centers, widths = numbers(ds, "WindowCenter"), numbers(ds, "WindowWidth")
    function = code(ds, "VOILUTFunction") or "LINEAR"
    explanations = codes(ds, "WindowCenterWidthExplanation")
    pairs = list(zip_longest(centers, widths, fillvalue=np.nan))
    for k, (center, width) in enumerate(pairs):
        name = _explained(explanations, k) or _numbered("window", k, len(pairs))
        try:
            yield Window(center, width, function, f"File: {name}")
        except BrokenError:
            yield None


def _explained(explanations: tuple[str, ...], position: int) -> str:
    """The explanation of one of several windows, where it is made of known words only."""
    text = explanations[position] if position < len(explanations) else ""
    words = [word for word in re.split(r"[\s_/+-]+", text) if word]
    known = all(_EXPLAINING.fullmatch(word) for word in words)
    return " ".join(words).lower() if known else ""


def _numbered(word: str, position: int, count: int) -> str:
    return word if count == 1 else f"{word} {position + 1}"


def _is_inverted(ds: Dataset, warnings: list[str]) -> bool:
    """Whether low values are bright: Photometric Interpretation and Presentation LUT Shape.

    PS3.3 C.7.6.1.1 and C.8.11.3 tie the two together: INVERSE is what a MONOCHROME1 film has to
    say, so MONOCHROME1 with INVERSE is one inversion, said twice, and not two that cancel. A raw
    detector image goes by its Pixel Intensity Relationship Sign (0028,1041), where 1 says that low
    values had less intensity, which is dense tissue (PS3.3 C.8.11.3.1.2).
    """
    sign = integer(ds, "PixelIntensityRelationshipSign")
    if is_for_processing(ds) and sign in (-1, 1):
        return (sign == 1) != ((*numbers(ds, "RescaleSlope"), 1.0)[0] < 0)
    monochrome1 = code(ds, "PhotometricInterpretation") == "MONOCHROME1"
    shape = code(ds, "PresentationLUTShape")
    if shape in ("INVERSE", "IDENTITY") and (shape == "INVERSE") != monochrome1:
        warnings.append(
            "The file contradicts itself on whether low values are black or white; check that "
            "the lungs are dark."
        )
    return monochrome1 or shape == "INVERSE"


def _padding(ds: Dataset, warnings: list[str]) -> tuple[int, int] | None:
    """Pixel Padding Value (0028,0120) and Range Limit (0028,0121), as a range of stored values.

    They must be values that a pixel can have (PS3.3 C.7.5.1.1.2), and mark none otherwise.
    """
    bounds = numbers(ds, "PixelPaddingValue")[:1]
    bounds += numbers(ds, "PixelPaddingRangeLimit")[:1] if bounds else ()
    if not bounds or not np.isfinite(bounds).all():
        return None
    signed = integer(ds, "PixelRepresentation") == 1
    # Writers mix up the signed and unsigned forms of the same 16 bits.
    wrapped = [int(bound) % 2**16 for bound in bounds]
    stored = [value - 2**16 if signed and value >= 2**15 else value for value in wrapped]
    least, greatest = stored_range(ds)
    if max(stored) < least or min(stored) > greatest:
        warnings.append("The file marks padding by a value that no pixel has; check its edges.")
        return None
    return min(stored), max(stored)


def _padding_codes(padding: tuple[int, int] | None, low: int, count: int) -> tuple[int, int] | None:
    """The range of stored values as codes, None where it meets none of them."""
    if padding is None or padding[1] < low or padding[0] >= low + count:
        return None
    return max(padding[0] - low, 0), min(padding[1] - low, count - 1)


def _without(weights: np.ndarray, padding: tuple[int, int]) -> np.ndarray:
    kept = weights.copy()
    kept[padding[0] : padding[1] + 1] = 0
    return kept


def _histogram(film: np.ndarray) -> np.ndarray:
    """How many pixels have each code; in strips, because bincount widens its input to 64 bits."""
    total = np.zeros(int(film.max()) + 1, dtype=np.int64)
    for start in range(0, film.shape[0], _ROWS_AT_A_TIME):
        total += np.bincount(film[start : start + _ROWS_AT_A_TIME].ravel(), minlength=len(total))
    return total


def _spread(voi: Voi, outputs: np.ndarray, weights: np.ndarray) -> float:
    """How much of the gray scale lies between the 0.5 and 99.5 percentiles of the film."""
    low, high = _percentiles(voi.to_gray(outputs), weights)
    return high - low


def _percentile_ramp(outputs: np.ndarray, weights: np.ndarray) -> Ramp:
    """From the 0.5 to the 99.5 percentile, or all values where that is nothing."""
    low, high = _percentiles(outputs, weights)
    if high <= low:
        seen = outputs[weights > 0]
        low, high = float(seen.min()), float(seen.max())
    return Ramp(low, high, PERCENTILE)


def _percentiles(values: np.ndarray, weights: np.ndarray) -> tuple[float, float]:
    """The 0.5 and 99.5 percentiles of values that occur `weights` times."""
    present = np.flatnonzero(weights)
    order = present[np.argsort(values[present], kind="stable")]
    reached = np.cumsum(weights[order]) / weights[order].sum()
    low, high = np.searchsorted(reached, (0.005, 0.995))
    return float(values[order[low]]), float(values[order[high]])

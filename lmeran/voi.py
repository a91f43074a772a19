"""Stored gray values to display: modality LUT, VOI, polarity and padding (DICOM PS3.3 C.11, C.7.6).

A stored value has at most 16 bits, so the chain is worked out once per possible value, in float64,
and the film is looked up in one step. pydicom's own functions work on whole pictures and, in 3.0,
wrap values beyond an 8-bit LUT and turn the picture over for a negative rescale slope.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from pydicom.dataset import Dataset
from pydicom.multival import MultiValue

from lmeran.radiograph import ReadError

PERCENTILE = "percentile window (0.5 to 99.5 %)"
_FALLBACK = (
    "The display window in the file is unusable, so gray levels were set from the picture itself "
    "(0.5 to 99.5 % of its values)."
)
_LEAST_SPREAD = 8 / 255
"""A window that leaves less than this between the 0.5 and 99.5 percentiles shows a flat film."""
_ROWS_AT_A_TIME = 256
_MAX_SEQUENCE_BYTES = 2**21
"""A LUT sequence of a dozen full tables."""

Curve = Callable[[np.ndarray], np.ndarray]
"""A step of the grayscale chain, from values to values."""


class BrokenError(ValueError):
    """An attribute is there but cannot be used."""


@dataclass(frozen=True, eq=False)
class LookUpTable:
    """A LUT of PS3.3 C.11.1.1 or C.11.2.1.1: entries from the stored value `first` on."""

    first: int
    entries: np.ndarray
    bits: int

    def map(self, values: np.ndarray) -> np.ndarray:
        """Entries of the values; those before and after the table get its first and last entry."""
        index = np.clip(np.rint(values) - self.first, 0, len(self.entries) - 1)
        return self.entries[index.astype(np.intp)]

    def to_gray(self, values: np.ndarray) -> np.ndarray:
        """The same on the scale 0 to 1 of the table's full output range."""
        return self.map(values) / float(2**self.bits - 1)


@dataclass(frozen=True)
class Window:
    """Window Center and Width (0028,1050), (0028,1051) and VOI LUT Function (0028,1056)."""

    center: float
    width: float
    function: str = "LINEAR"

    def __post_init__(self) -> None:
        least = {"LINEAR": 1.0, "LINEAR_EXACT": 0.0, "SIGMOID": 0.0}.get(self.function)
        usable = least is not None and np.isfinite((self.center, self.width)).all()
        if not usable or self.width < least or self.width == 0:
            raise BrokenError

    def to_gray(self, values: np.ndarray) -> np.ndarray:
        """Values to 0 to 1 by the formulas of PS3.3 C.11.2.1.2 and C.11.2.1.3."""
        if self.function == "SIGMOID":
            steepness = np.clip(-4 * (values - self.center) / self.width, -700, 700)
            return 1 / (1 + np.exp(steepness))
        # Only LINEAR has the half pixel and the one less: it counts values, the others measure.
        half, one = (0.5, 1.0) if self.function == "LINEAR" else (0.0, 0.0)
        center, width = self.center - half, self.width - one
        if width == 0:
            return (values > center).astype(np.float64)
        return np.clip((values - center) / width + 0.5, 0, 1)


@dataclass(frozen=True, eq=False)
class Grayscale:
    """The grayscale attributes of a file, in the order they are applied."""

    modality: Curve
    voi: Curve | None
    words: str
    invert: bool
    padding: tuple[int, int] | None
    warnings: tuple[str, ...]


@dataclass(frozen=True, eq=False)
class Rendering:
    """Display pixels, uint8, how they were made in words, and what the reader must know."""

    pixels: np.ndarray
    window: str
    warnings: tuple[str, ...]


def render(stored: np.ndarray, scale: Grayscale) -> Rendering:
    """Stored values, (u)int8 or (u)int16, to gray: dense tissue bright. Raises `ReadError`."""
    codes = stored.view(f"u{stored.itemsize}")
    count = 2 ** (8 * stored.itemsize)
    values = np.arange(count).astype(codes.dtype).view(stored.dtype).astype(np.float64)
    weights = _histogram(codes, count)
    warnings = list(scale.warnings)

    padding = np.zeros(count, dtype=bool)
    if scale.padding is not None:
        padding = (values >= scale.padding[0]) & (values <= scale.padding[1])
        if not weights[~padding].any():
            padding[:] = False
            warnings.append("The file marks every pixel as padding; that mark was ignored.")
    weights[padding] = 0

    outputs = scale.modality(values)
    seen = outputs[weights > 0]
    if seen.min() == seen.max():
        raise ReadError(
            "The decoded picture is one flat gray, there is nothing to read; export the film again."
        )

    gray, words = None, scale.words
    if scale.voi is not None:
        gray = scale.voi(outputs)
        low, high = _percentiles(gray, weights)
        if high - low < _LEAST_SPREAD:
            gray = None
            warnings.append(_FALLBACK)
    if gray is None:
        low, high = _percentiles(outputs, weights)
        if high <= low:
            low, high = float(seen.min()), float(seen.max())
        gray, words = np.clip((outputs - low) / (high - low), 0, 1), PERCENTILE
    if scale.invert:
        gray = 1 - gray
    table = np.rint(gray * 255).astype(np.uint8)
    table[padding] = 0
    return Rendering(np.ascontiguousarray(table[codes]), words, tuple(warnings))


def grayscale_of(ds: Dataset, little_endian: bool) -> Grayscale:
    """Read the grayscale attributes of a data set. Raises `ReadError` for a broken modality LUT."""
    warnings: list[str] = []
    modality = _modality(ds, little_endian, warnings)
    try:
        voi, words = _voi(ds, little_endian)
    except BrokenError:
        voi, words = None, PERCENTILE
        warnings.append(_FALLBACK)
    invert = _is_inverted(ds, warnings)
    return Grayscale(modality, voi, words, invert, _padding(ds), tuple(warnings))


def numbers(ds: Dataset, keyword: str) -> tuple[float, ...]:
    """Values of a numeric attribute; empty if absent, NaN for a value that is not a number."""
    try:
        value = _value(ds, keyword)
        if value is None or value == "":
            return ()
        items = value if isinstance(value, list | tuple | MultiValue) else (value,)
        return tuple(float(item) for item in items)
    except (ValueError, TypeError, OverflowError):
        return (float("nan"),)


def integer(ds: Dataset, keyword: str, default: int = 0) -> int:
    """The first value of a whole-number attribute, or the default."""
    values = numbers(ds, keyword)
    return int(values[0]) if values and np.isfinite(values[0]) else default


def code(ds: Dataset, keyword: str) -> str:
    """A code string in capitals, the first if there are several, empty if there is none."""
    value = _value(ds, keyword)
    if isinstance(value, list | tuple | MultiValue):
        value = value[0] if value else None
    return "" if value is None else str(value).strip().upper()


def _value(ds: Dataset, keyword: str, limit: int = 2**18) -> object:
    """The value, None if absent. `BrokenError` past the limit: to parse it would cost too much."""
    if keyword not in ds:
        return None
    raw = ds.get_item(keyword).value
    if isinstance(raw, bytes) and len(raw) > limit:
        raise BrokenError
    return ds.get(keyword)


def look_up_table(
    ds: Dataset, little_endian: bool, descriptor: str = "LUTDescriptor", data: str = "LUTData"
) -> LookUpTable:
    """A LUT from its descriptor and data. Raises `BrokenError`."""
    shape = numbers(ds, descriptor)
    if len(shape) != 3 or not np.isfinite(shape).all():
        raise BrokenError
    first, bits = int(shape[1]), int(shape[2])
    # 65,536 entries are written as 0, and a signed file may show 40,000 as a negative number.
    count = int(shape[0]) % 2**16 or 2**16
    raw = _value(ds, data)
    if isinstance(raw, bytes):
        packed = bits <= 8 and len(raw) < 2 * count
        kind = "u1" if packed else ("<u2" if little_endian else ">u2")
        entries = np.frombuffer(raw, dtype=kind, count=len(raw) // np.dtype(kind).itemsize)
    elif raw is not None:
        entries = np.asarray(numbers(ds, data))
    else:
        raise BrokenError
    entries = entries[:count].astype(np.float64)
    if len(entries) < count or not 8 <= bits <= 16 or not np.isfinite(entries).all():
        raise BrokenError
    # Some writers name fewer bits than their entries have.
    bits = max(bits, int(entries.max()).bit_length())
    return LookUpTable(first, entries, bits)


def _modality(ds: Dataset, little_endian: bool, warnings: list[str]) -> Curve:
    """Modality LUT Sequence (0028,3000), else Rescale Slope and Intercept (PS3.3 C.11.1)."""
    try:
        if items := _value(ds, "ModalityLUTSequence", _MAX_SEQUENCE_BYTES):
            return look_up_table(items[0], little_endian).map
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
    return lambda values: values * slope + intercept


def _voi(ds: Dataset, little_endian: bool) -> tuple[Callable[[np.ndarray], np.ndarray] | None, str]:
    """VOI LUT Sequence (0028,3010), else the first window (PS3.3 C.11.2). Raises `BrokenError`."""
    if items := _value(ds, "VOILUTSequence", _MAX_SEQUENCE_BYTES):
        return look_up_table(items[0], little_endian).to_gray, "VOI table of the file"
    centers, widths = numbers(ds, "WindowCenter"), numbers(ds, "WindowWidth")
    if not centers and not widths:
        return None, PERCENTILE
    if not centers or not widths:
        raise BrokenError
    function = code(ds, "VOILUTFunction") or "LINEAR"
    window = Window(centers[0], widths[0], function)
    shape = function.lower().replace("_", " ")
    words = f"window of the file (center {window.center:g}, width {window.width:g}, {shape})"
    return window.to_gray, words


def _is_inverted(ds: Dataset, warnings: list[str]) -> bool:
    """Whether low values are bright: Photometric Interpretation and Presentation LUT Shape.

    PS3.3 C.7.6.1.1 and C.8.11.3 tie the two together: INVERSE is what a MONOCHROME1 film has to
    say, so MONOCHROME1 with INVERSE is one inversion, said twice, and not two that cancel.
    """
    monochrome1 = code(ds, "PhotometricInterpretation") == "MONOCHROME1"
    shape = code(ds, "PresentationLUTShape")
    if shape in ("INVERSE", "IDENTITY") and (shape == "INVERSE") != monochrome1:
        warnings.append(
            "The file contradicts itself on whether low values are black or white; check that "
            "the lungs are dark."
        )
    return monochrome1 or shape == "INVERSE"


def _padding(ds: Dataset) -> tuple[int, int] | None:
    """Pixel Padding Value (0028,0120) and Range Limit (0028,0121), as a range of stored values."""
    bounds = numbers(ds, "PixelPaddingValue")[:1]
    bounds += numbers(ds, "PixelPaddingRangeLimit")[:1] if bounds else ()
    if not bounds or not np.isfinite(bounds).all():
        return None
    signed = integer(ds, "PixelRepresentation") == 1
    # Writers mix up the signed and unsigned forms of the same 16 bits.
    wrapped = [int(bound) % 2**16 for bound in bounds]
    stored = [value - 2**16 if signed and value >= 2**15 else value for value in wrapped]
    return min(stored), max(stored)


def _histogram(codes: np.ndarray, count: int) -> np.ndarray:
    """How many pixels have each value; in strips, because bincount widens its input to 64 bits."""
    total = np.zeros(count, dtype=np.int64)
    for start in range(0, codes.shape[0], _ROWS_AT_A_TIME):
        total += np.bincount(codes[start : start + _ROWS_AT_A_TIME].ravel(), minlength=count)
    return total


def _percentiles(values: np.ndarray, weights: np.ndarray) -> tuple[float, float]:
    """The 0.5 and 99.5 percentiles of values that occur `weights` times."""
    present = np.flatnonzero(weights)
    order = present[np.argsort(values[present], kind="stable")]
    reached = np.cumsum(weights[order]) / weights[order].sum()
    low, high = np.searchsorted(reached, (0.005, 0.995))
    return float(values[order[low]]), float(values[order[high]])

"""Values of DICOM attributes that may be missing, broken or far too long."""

from __future__ import annotations

import numpy as np
from pydicom.dataset import Dataset
from pydicom.multival import MultiValue
from pydicom.sequence import Sequence

from lmeran.imaging.window import BrokenError, LookUpTable

_MOST_BYTES = 2**18


def numbers(ds: Dataset, keyword: str) -> tuple[float, ...]:
    """Values of a numeric attribute; empty if absent, NaN for a value that is not a number.

    A backslash behind the last value is left out: some writers end lists with one.
    """
    try:
        value = value_of(ds, keyword)
        items = list(value) if isinstance(value, list | tuple | MultiValue) else [value]
        while items and items[-1] in (None, ""):
            items.pop()
        return tuple(float("nan" if item in (None, "") else item) for item in items)
    except (ValueError, TypeError, OverflowError):
        return (float("nan"),)


def integer(ds: Dataset, keyword: str, default: int = 0) -> int:
    """The first value of a whole-number attribute, or the default."""
    values = numbers(ds, keyword)
    return int(values[0]) if values and np.isfinite(values[0]) else default


def codes(ds: Dataset, keyword: str) -> tuple[str, ...]:
    """The values of a text attribute in capitals; empty if absent or broken."""
    try:
        value = value_of(ds, keyword)
    except BrokenError:
        value = None
    if value is None:
        return ()
    items = value if isinstance(value, list | tuple | MultiValue) else (value,)
    return tuple("" if item is None else str(item).strip().upper() for item in items)


def code(ds: Dataset, keyword: str) -> str:
    """A code string in capitals, the first if there are several, empty if there is none."""
    return (*codes(ds, keyword), "")[0]


def value_of(ds: Dataset, keyword: str, limit: int = _MOST_BYTES) -> object:
    """The value, None if absent. `BrokenError` for one that cannot be parsed, or is longer than
    the limit: to parse it would cost too much."""
    if keyword not in ds:
        return None
    raw = ds.get_item(keyword).value
    if isinstance(raw, bytes) and len(raw) > limit:
        raise BrokenError
    try:
        return ds.get(keyword)
    except Exception:  # pydicom raises whatever its parsers do
        raise BrokenError from None


def items_of(ds: Dataset, keyword: str, limit: int = _MOST_BYTES) -> list[Dataset]:
    """The items of a sequence, none if absent. Raises `BrokenError`."""
    value = value_of(ds, keyword, limit)
    if value is not None and not isinstance(value, Sequence):
        raise BrokenError
    return list(value or ())


def stored_range(ds: Dataset) -> tuple[int, int]:
    """The least and greatest stored value that the header allows (PS3.5, 8.1.1)."""
    half = 2 ** (integer(ds, "BitsStored", 16) - 1)
    signed = integer(ds, "PixelRepresentation") == 1
    return (-half, half - 1) if signed else (0, 2 * half - 1)


def look_up_table(
    ds: Dataset, little_endian: bool, inputs: tuple[float, float], name: str = "LUT"
) -> LookUpTable:
    """A LUT from its descriptor and data; inputs: the range of values that it may be given. Raises
    `BrokenError`."""
    shape, data = numbers(ds, f"{name}Descriptor"), f"{name}Data"
    if len(shape) != 3 or not np.isfinite(shape).all():
        raise BrokenError
    bits = int(shape[2])
    # 65,536 entries are written as 0, and a signed file may show 40,000 as a negative number.
    count = int(shape[0]) % 2**16 or 2**16
    raw = value_of(ds, data)
    if isinstance(raw, bytes):
        packed = len(raw) <= count + 1  # 8-bit entries, padded to an even length
        kind = "u1" if packed else ("<u2" if little_endian else ">u2")
        entries = np.frombuffer(raw, dtype=kind, count=len(raw) // np.dtype(kind).itemsize)
    elif raw is not None:
        entries = np.asarray(numbers(ds, data)) % 2**16
    else:
        raise BrokenError
    entries = entries[:count].astype(np.float64)
    if len(entries) < count or not 8 <= bits <= 16 or not np.isfinite(entries).all():
        raise BrokenError
    first = _first_input(int(shape[1]) % 2**16, count, inputs)
    return LookUpTable(first, entries, white_of(bits, float(entries.max())))


def white_of(bits: int, largest: float) -> float:
    """The value that is shown white where values are declared to have this many bits.

    Many writers fill a 16-bit table with 12-bit entries, or declare fewer bits than their entries
    have: then the largest entry is white.
    """
    full = 2.0**bits - 1
    if largest <= full and (bits <= 8 or largest > full / 2):
        return full
    return max(largest, 1.0)


def _first_input(unsigned: int, count: int, inputs: tuple[float, float]) -> int:
    """The first value a LUT maps, from its 16 bits.

    It is signed where the table's inputs may be negative (PS3.3 C.11.1.1, C.11.2.1.1 and
    C.7.6.3.1.5), and writers mix up the two forms: the one that meets the inputs is meant.
    """
    least, greatest = inputs
    signed = unsigned - 2**16
    is_signed = signed + count > least and (least < 0 or unsigned > greatest)
    return signed if unsigned >= 2**15 and is_signed else unsigned

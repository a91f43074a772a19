"""Values of DICOM attributes that may be missing, broken or far too long."""

from __future__ import annotations

import numpy as np
from pydicom.dataset import Dataset
from pydicom.multival import MultiValue

from lmeran.imaging.window import BrokenError, LookUpTable

_MOST_BYTES = 2**18


def numbers(ds: Dataset, keyword: str) -> tuple[float, ...]:
    """Values of a numeric attribute; empty if absent, NaN for a value that is not a number."""
    try:
        value = value_of(ds, keyword)
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


def codes(ds: Dataset, keyword: str) -> tuple[str, ...]:
    """The values of a text attribute in capitals; empty if absent."""
    value = value_of(ds, keyword)
    if value is None:
        return ()
    items = value if isinstance(value, list | tuple | MultiValue) else (value,)
    return tuple("" if item is None else str(item).strip().upper() for item in items)


def code(ds: Dataset, keyword: str) -> str:
    """A code string in capitals, the first if there are several, empty if there is none."""
    return (*codes(ds, keyword), "")[0]


def value_of(ds: Dataset, keyword: str, limit: int = _MOST_BYTES) -> object:
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
    raw = value_of(ds, data)
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

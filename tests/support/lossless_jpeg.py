"""A JPEG Lossless encoder for the tests: ISO/IEC 10918-1, process 14, one component."""

from __future__ import annotations

import struct

import numpy as np

_CODE_BITS = 5
"""All 17 categories have codes of this length, so the code of a category is its number."""
DHT = b"\xff\xc4" + struct.pack(">HB16B", 36, 0, 0, 0, 0, 0, 17, *[0] * 11) + bytes(range(17))


def lossless_jpeg(
    values: np.ndarray,
    precision: int,
    predictor: int = 1,
    restart_rows: int = 0,
    tables: bytes = DHT,
) -> bytes:
    """values: unsigned (rows, columns). restart_rows: rows between restart markers, 0: none."""
    rows, columns = values.shape
    frame = struct.pack(">HBHHB3B", 11, precision, rows, columns, 1, 1, 0x11, 0)
    restart = struct.pack(">HH", 4, restart_rows * columns)
    scan = struct.pack(">HB2B3B", 8, 1, 1, 0, predictor, 0, 0)
    parts = [b"\xff\xd8", tables, b"\xff\xc3", frame]
    parts += [b"\xff\xdd", restart] if restart_rows else []
    parts += [b"\xff\xda", scan]
    step = restart_rows or rows
    for k, start in enumerate(range(0, rows, step)):
        parts += [bytes((0xFF, 0xD0 + (k - 1) % 8))] if k else []
        parts.append(_coded(values[start : start + step].astype(int), precision, predictor))
    return b"".join((*parts, b"\xff\xd9"))


def _coded(values: np.ndarray, precision: int, predictor: int) -> bytes:
    bits = []
    for (row, column), value in np.ndenumerate(values):
        difference = int(value - _predicted(values, row, column, precision, predictor)) % 2**16
        difference -= 2**16 if difference > 2**15 else 0
        category = abs(difference).bit_length()
        bits.append(f"{category:0{_CODE_BITS}b}")
        if 0 < category < 16:
            low = difference if difference > 0 else difference + 2**category - 1
            bits.append(f"{low:0{category}b}")
    text = "".join(bits)
    text += "1" * (-len(text) % 8)
    return int(text, 2).to_bytes(len(text) // 8, "big").replace(b"\xff", b"\xff\x00")


def _predicted(values: np.ndarray, row: int, column: int, precision: int, predictor: int) -> int:
    if not row:
        return values[0, column - 1] if column else 2 ** (precision - 1)
    above = values[row - 1, column]
    if not column:
        return above
    left, corner = values[row, column - 1], values[row - 1, column - 1]
    return {
        1: left,
        2: above,
        3: corner,
        4: left + above - corner,
        5: left + ((above - corner) >> 1),
        6: above + ((left - corner) >> 1),
        7: (left + above) >> 1,
    }[predictor]

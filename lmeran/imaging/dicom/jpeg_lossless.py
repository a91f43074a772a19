"""JPEG Lossless (ISO/IEC 10918-1, process 14): what its decoder needs, and what it made of it.

GDCM ends the whole process for a scan without its Huffman table, and says nothing of most damage.
A lossless picture can be checked: it tells by itself how many bits its scan has.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from pydicom.uid import UID, JPEGLosslessSV1

from lmeran.imaging.dicom.codestream import DHT, DRI, SOF_LOSSLESS, jpeg_segments
from lmeran.imaging.radiograph import ReadError

_DAMAGED = (
    "The compressed picture (JPEG Lossless) is damaged; export the film again, uncompressed or as "
    "JPEG 2000."
)
_PRECISIONS = (8, 12, 16)
"""What encoders round the bits of a value up to."""
_SPARE_BITS = 24
"""A restart interval ends with up to 7 bits of padding; some encoders add a byte or two."""
_ROWS_AT_A_TIME = 256
_PREDICTORS: dict[int, Callable[[np.ndarray, np.ndarray, np.ndarray], np.ndarray]] = {
    1: lambda left, above, corner: left,
    2: lambda left, above, corner: above,
    3: lambda left, above, corner: corner,
    4: lambda left, above, corner: left + above - corner,
    5: lambda left, above, corner: left + ((above - corner) >> 1),
    6: lambda left, above, corner: above + ((left - corner) >> 1),
    7: lambda left, above, corner: (left + above) >> 1,
}
"""Table H.1."""


@dataclass(frozen=True, eq=False)
class Scan:
    """A scan of one component.

    predictor: of `_PREDICTORS`. lengths: int64 (17,), bits of the code of each difference category,
    0 where it has none. restart_rows: rows between restarts. bits: in the scan, at most; slack: how
    many of them may be padding. limit: values lie below it.
    """

    precision: int
    predictor: int
    lengths: np.ndarray
    restart_rows: int
    bits: int
    slack: int
    limit: int


def check_scan(frame: bytes, syntax: UID, stored: int, allocated: int) -> Scan | None:
    """Refuse a stream that its decoder must not be given. Raises `ReadError`.

    stored, allocated: the header's bits. None for several components, whose scan is looked at no
    further than to its tables.
    """
    try:
        return _parse(frame, syntax, stored, allocated)
    except (ValueError, IndexError, KeyError):
        raise ReadError(_DAMAGED) from None


def check_decoded(scan: Scan, pixels: np.ndarray, signed: bool) -> None:
    """Refuse a decoded picture, (u)int8 or (u)int16 (rows, columns), that is not its scan's.

    Raises `ReadError`.
    """
    values = pixels.view(f"u{pixels.itemsize}")
    is_within = values < scan.limit
    if signed:  # perhaps with their sign in the bits above
        is_within |= values >= 2 ** (8 * pixels.itemsize) - scan.limit // 2
    counts = _categories(values, scan)
    coded = int((counts * (scan.lengths + np.arange(17) % 16)).sum())
    has_codes = not counts[scan.lengths == 0].any()
    if not (is_within.all() and has_codes and 0 <= scan.bits - coded <= scan.slack):
        raise ReadError(_DAMAGED)


def _parse(frame: bytes, syntax: UID, stored: int, allocated: int) -> Scan | None:
    tables: dict[int, np.ndarray] = {}
    interval, header = 0, b""
    *segments, (_, body, start) = jpeg_segments(frame)
    for marker, content, _ in segments:
        if marker == DHT:
            tables |= _huffman_tables(content)
        elif marker == DRI:
            interval = int.from_bytes(content, "big")
        elif marker == SOF_LOSSLESS:
            header = content
    count, precision = body[0], header[0]
    rows, columns = (int.from_bytes(header[k : k + 2], "big") for k in (1, 3))
    predictor, transform = body[-3], body[-1]
    lengths = [tables[body[2 + 2 * k] >> 4] for k in range(count)]
    is_whole = len(body) == 4 + 2 * count and len(header) == 6 + 3 * header[5]
    is_first_order = syntax != JPEGLosslessSV1 or predictor == 1
    known = precision in (stored, *_PRECISIONS) and precision <= allocated
    if not (is_whole and is_first_order and known and not transform and predictor in _PREDICTORS):
        raise ValueError("a scan that no film has")
    if header[5] != 1:
        return None
    if body[1] != header[6] or interval % columns:
        raise ValueError("a scan of another component, or restarts within rows")
    coded = np.frombuffer(frame[start : frame.rindex(b"\xff\xd9")], np.uint8)
    bits, restarts = _entropy_coded(coded)
    restart_rows = interval // columns or rows
    expected = np.arange(-(-rows // restart_rows) - 1) % 8
    if not np.array_equal(restarts, expected):
        raise ValueError("restarts that are missing or out of order")
    slack = _SPARE_BITS * (len(restarts) + 1)
    limit = 2 ** min(precision, stored)
    return Scan(precision, predictor, lengths[0], restart_rows, bits, slack, limit)


def _huffman_tables(body: bytes) -> dict[int, np.ndarray]:
    """Code lengths by category of each table for differences in a DHT segment (B.2.4.2)."""
    tables = {}
    while body:
        sizes = np.frombuffer(body[1:17], np.uint8)
        codes = np.frombuffer(body[17 : 17 + int(sizes.sum())], np.uint8)
        lengths = np.zeros(17, np.int64)
        lengths[codes] = np.repeat(np.arange(1, 17), sizes)
        if (np.array(0.5) ** np.arange(1, 17) * sizes).sum() > 1:
            raise ValueError("more codes than their bits can tell apart")
        if body[0] < 4:
            tables[body[0]] = lengths
        body = body[17 + len(codes) :]
    return tables


def _entropy_coded(coded: np.ndarray) -> tuple[int, np.ndarray]:
    """Bits of a scan without stuffed bytes and markers, and its restart markers' numbers."""
    at = np.flatnonzero(coded[:-1] == 0xFF)
    after = coded[at + 1]
    is_restart = (after >= 0xD0) & (after <= 0xD7)
    if not ((after == 0) | is_restart | (after == 0xFF)).all():
        raise ValueError("another marker within the scan")
    taken = len(at) + int(is_restart.sum())
    return 8 * (len(coded) - taken), after[is_restart] - 0xD0


def _categories(values: np.ndarray, scan: Scan) -> np.ndarray:
    """How often each category of prediction differences occurs, int64 (17,), H.1.2."""
    counts = np.zeros(17, np.int64)
    for start in range(0, len(values), _ROWS_AT_A_TIME):
        block = values[max(start - 1, 0) : start + _ROWS_AT_A_TIME].astype(np.int32)
        predicted = np.empty_like(block)
        predicted[1:, 1:] = _PREDICTORS[scan.predictor](
            block[1:, :-1], block[:-1, 1:], block[:-1, :-1]
        )
        predicted[1:, 0] = block[:-1, 0]
        offset = start - max(start - 1, 0)
        for row in range(-start % scan.restart_rows + offset, len(block), scan.restart_rows):
            predicted[row, 1:] = block[row, :-1]
            predicted[row, 0] = 2 ** (scan.precision - 1)
        difference = (block - predicted)[offset:].astype(np.int16)
        magnitude = np.abs(difference.astype(np.float32))
        counts += np.bincount(np.frexp(magnitude)[1].ravel(), minlength=17)
    return counts

"""What a compressed frame says of itself, looked at before a decoder sees it.

A header may claim a small picture while the compressed stream inside claims a huge one: decoders
believe the stream and allocate gigabytes, or quietly return a corner of it.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass

from lmeran.imaging.radiograph import ReadError

_SOC_SIZ = b"\xff\x4f\xff\x51"
"""A JPEG 2000 or HTJ2K codestream starts with these two markers (ISO/IEC 15444-1, A.4 and A.5)."""
_SOT = b"\xff\x90"
_JP2_SIGNATURE = b"\x00\x00\x00\x0cjP  "
_SOI = b"\xff\xd8"
_END = b"\xff\xd9"
"""JPEG's EOI and JPEG 2000's EOC are the same two bytes."""
_TAIL = 64
"""Besides zeros, a frame may have a few bytes after its end marker."""
_STANDALONE = frozenset((0x01, *range(0xD0, 0xD9)))
"""JPEG markers without a length: TEM, RST0 to RST7, SOI."""
DHT, DRI, SOF_LOSSLESS, SOS = 0xC4, 0xDD, 0xC3, 0xDA
_LSE, _SOF_JPEG_LS = 0xF8, 0xF7
_SOF = frozenset((*range(0xC0, 0xD0), _SOF_JPEG_LS)) - {0xC4, 0xC8, 0xCC}
"""Start of frame; 0xC4, 0xC8 and 0xCC lie in the range but are tables (ISO/IEC 10918-1, B.1)."""
_SOF_LOSSY = frozenset((0xC0, 0xC1, 0xC2))
"""Baseline, extended sequential and progressive: the processes with a cosine transform."""
_MAX_TILES = 4096
"""Films have one tile, or a few hundred; a decoder pays for each of them."""


@dataclass(frozen=True)
class Codestream:
    """The dimensions a compressed frame itself claims."""

    rows: int
    columns: int
    samples: int
    precision: int
    marker: int = 0
    """Start of frame of a JPEG stream, which names its process."""
    signed: bool = False
    """Only JPEG 2000 can say so."""

    @property
    def lossy_dct(self) -> bool:
        """JPEG with the cosine transform, where most decoders stop at 8 bits."""
        return self.marker in _SOF_LOSSY


def check_codestream(frame: bytes, rows: int, columns: int, samples: int) -> Codestream:
    """Refuse a frame whose own dimensions are not those of the header. Raises `ReadError`."""
    stream = parse_codestream(frame)
    if stream is None:
        raise ReadError(
            "The compressed picture inside the DICOM file is damaged or of an unknown kind; "
            "export the film again, uncompressed or as JPEG 2000."
        )
    if (stream.rows, stream.columns, stream.samples) != (rows, columns, samples):
        raise ReadError(
            f"The header says {columns} x {rows} x {samples} and the compressed picture "
            f"{stream.columns} x {stream.rows} x {stream.samples}, so the file cannot be trusted; "
            "export the film again."
        )
    if stream.precision > 16:
        raise ReadError(
            f"The compressed picture has {stream.precision} bits per value, more than a "
            "radiograph; export it with at most 16."
        )
    if _END not in frame.rstrip(b"\0")[-_TAIL:]:
        raise ReadError("The compressed picture is cut off before its end; export the film again.")
    return stream


def parse_codestream(frame: bytes) -> Codestream | None:
    """Dimensions of a JPEG, JPEG-LS, JPEG 2000 or HTJ2K frame; None for anything else."""
    try:
        if frame.startswith(_SOC_SIZ):
            return _parse_siz(frame)
        if frame.startswith(_JP2_SIGNATURE):
            return _parse_jp2(frame)
        if frame.startswith(_SOI):
            return _parse_jpeg(frame)
    except (struct.error, ValueError):
        return None  # the frame ends inside its own header, or has none
    return None


def _parse_jp2(frame: bytes) -> Codestream | None:
    """The codestream inside JP2 boxes, which DICOM forbids and some writers use (15444-1, I.4)."""
    position = 0
    while True:
        length, kind = struct.unpack_from(">I4s", frame, position)
        header = 8
        if length == 1:
            (length,) = struct.unpack_from(">Q", frame, position + 8)
            header = 16
        if kind == b"jp2c":
            inner = frame[position + header :]
            return _parse_siz(inner) if inner.startswith(_SOC_SIZ) else None
        if length < header:
            return None
        position += length


def _parse_siz(frame: bytes) -> Codestream | None:
    """Image and tile size, ISO/IEC 15444-1 A.5.1."""
    width, height, left, top, tile_width, tile_height, tile_left, tile_top, samples = (
        struct.unpack_from(">8IH", frame, 8)
    )
    components = struct.unpack_from(f">{3 * samples}B", frame, 42)
    subsampled = any(step != 1 for step in components[1::3] + components[2::3])
    if not samples or not tile_width or not tile_height or subsampled:
        return None
    across = -(-(width - tile_left) // tile_width)
    down = -(-(height - tile_top) // tile_height)
    if across * down > _MAX_TILES:
        return None
    if not _has_all_tile_parts(frame):
        return None
    precision = max(depth & 0x7F for depth in components[0::3]) + 1
    signed = any(depth & 0x80 for depth in components[0::3])
    return Codestream(height - top, width - left, samples, precision, signed=signed)


def _has_all_tile_parts(frame: bytes) -> bool:
    """Whether the tile parts reach from the header to the end, by their lengths (A.4.2).

    A decoder fills what is missing with gray and says nothing.
    """
    position = 2
    while (marker := frame[position : position + 2]) != _SOT:
        if marker[:1] != b"\xff":
            return False
        position += 2 + max(struct.unpack_from(">H", frame, position + 2)[0], 2)
    while frame[position : position + 2] == _SOT:
        (length,) = struct.unpack_from(">I", frame, position + 6)
        if length == 0:  # the last tile part: it reaches to the end marker
            return True
        position += max(length, 12)
    return frame[position : position + 2] == _END


def jpeg_segments(frame: bytes) -> Iterator[tuple[int, bytes, int]]:
    """Marker, content and end of each segment up to the first scan's header, ISO/IEC 10918-1 B.1.1.

    Raises `ValueError` for what is no segment, `struct.error` at the end of the frame.
    """
    position, marker = 2, 0
    while marker != SOS:
        prefix, marker = struct.unpack_from(">BB", frame, position)
        if prefix != 0xFF:
            raise ValueError("no marker where one must be")
        if marker == 0xFF:  # fill byte
            position += 1
            continue
        position += 2
        if marker in _STANDALONE:
            continue
        (length,) = struct.unpack_from(">H", frame, position)
        end = position + max(length, 2)
        yield marker, frame[position + 2 : end], end
        position = end


def _parse_jpeg(frame: bytes) -> Codestream | None:
    """The frame header of a JPEG or JPEG-LS stream, ISO/IEC 10918-1 B.2.2."""
    found: Codestream | None = None
    for marker, content, _ in jpeg_segments(frame):
        if marker == _LSE and content[:1] == b"\x04":
            return None  # JPEG-LS may override its dimensions here (ISO/IEC 14495-1, C.2.4.1.4)
        if marker in _SOF:
            if found is not None:
                return None  # two frame headers: which one a decoder believes is its own affair
            precision, rows, columns, samples = struct.unpack_from(">BHHB", content)
            found = Codestream(rows, columns, samples, precision, marker)
    return found

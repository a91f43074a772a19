"""DICOM pixel data to stored values, after a look at what the decoder is about to be given.

A header may claim a small picture while the compressed stream inside claims a huge one: decoders
believe the stream and allocate gigabytes, or quietly return a corner of it. A deflated data set
likewise may inflate a thousandfold. Everything here is bounded by the size of the file.
"""

from __future__ import annotations

import struct
import zlib
from dataclasses import dataclass
from importlib.util import find_spec

import numpy as np
from pydicom.dataset import Dataset
from pydicom.encaps import encapsulate
from pydicom.pixels import get_decoder
from pydicom.uid import UID

from lmeran.imaging.dicom.attributes import code, integer
from lmeran.imaging.dicom.frames import check_frame, compressed_frame, frame_count, native_frame
from lmeran.imaging.radiograph import MAX_INFLATED_BYTES, ReadError, check_dimensions

IMPLICIT = UID("1.2.840.10008.1.2")
EXPLICIT = UID("1.2.840.10008.1.2.1")
DEFLATED = UID("1.2.840.10008.1.2.1.99")
BIG_ENDIAN = UID("1.2.840.10008.1.2.2")
COLOR = ("PALETTE COLOR", "RGB", "YBR_FULL", "YBR_FULL_422", "YBR_ICT", "YBR_RCT")
"""Values of Photometric Interpretation (0028,0004) that this viewer turns to gray."""
_ONE_SAMPLE = ("MONOCHROME1", "MONOCHROME2", "PALETTE COLOR")
_RLE = UID("1.2.840.10008.1.2.5")
NATIVE = (IMPLICIT, EXPLICIT, DEFLATED, BIG_ENDIAN)
_PLUGINS = ("pylibjpeg", "pyjpegls", "pillow", "gdcm")
"""Decoders in the order of preference: the fast and exact one of each syntax comes first."""

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
_SOS, _LSE, _SOF_JPEG_LS = 0xDA, 0xF8, 0xF7
_SOF = frozenset((*range(0xC0, 0xD0), _SOF_JPEG_LS)) - {0xC4, 0xC8, 0xCC}
"""Start of frame; 0xC4, 0xC8 and 0xCC lie in the range but are tables (ISO/IEC 10918-1, B.1)."""
_SOF_LOSSY = frozenset((0xC0, 0xC1, 0xC2))
"""Baseline, extended sequential and progressive: the processes with a cosine transform."""
_LOSSY_BITS = 12
"""More the cosine transform of JPEG does not have."""
_MAX_TILES = 4096
"""Films have one tile, or a few hundred; a decoder pays for each of them."""


@dataclass(frozen=True)
class Codestream:
    """The dimensions a compressed frame itself claims."""

    rows: int
    columns: int
    samples: int
    precision: int
    lossy_dct: bool = False
    """JPEG with the cosine transform, where most decoders stop at 8 bits."""


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
    except struct.error:
        return None  # the frame ends inside its own header
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
    return Codestream(height - top, width - left, samples, precision)


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


def _parse_jpeg(frame: bytes) -> Codestream | None:
    """The frame header of a JPEG or JPEG-LS stream, ISO/IEC 10918-1 B.2.2."""
    found: Codestream | None = None
    position = 2
    while True:
        prefix, marker = struct.unpack_from(">BB", frame, position)
        if prefix != 0xFF:
            return None
        if marker == 0xFF:  # fill byte
            position += 1
            continue
        position += 2
        if marker in _STANDALONE:
            continue
        if marker == _SOS:
            return found
        (length,) = struct.unpack_from(">H", frame, position)
        if marker == _LSE and frame[position + 2 : position + 3] == b"\x04":
            return None  # JPEG-LS may override its dimensions here (ISO/IEC 14495-1, C.2.4.1.4)
        if marker in _SOF:
            if found is not None:
                return None  # two frame headers: which one a decoder believes is its own affair
            precision, rows, columns, samples = struct.unpack_from(">BHHB", frame, position + 2)
            found = Codestream(rows, columns, samples, precision, marker in _SOF_LOSSY)
        position += max(length, 2)


def inflate(data: bytes) -> bytes:
    """Inflate a deflated data set (PS3.5 A.5), never past the limit. Raises `ReadError`."""
    stream = zlib.decompressobj(-zlib.MAX_WBITS)
    try:
        body = stream.decompress(data, MAX_INFLATED_BYTES + 1)
    except zlib.error:
        raise ReadError("The deflated DICOM file is damaged; export the film again.") from None
    if len(body) > MAX_INFLATED_BYTES:
        raise ReadError(
            f"The deflated file grows past {MAX_INFLATED_BYTES // 2**20} MB, more than a film "
            "needs; export the film alone."
        )
    return body


def decode(ds: Dataset, syntax: UID, frame: int = 1) -> np.ndarray:
    """Stored values of one frame: native byte order, (rows, columns) or (rows, columns, 3).

    Only that frame is decoded, and every cap is on a frame. Floating-point pixels are refused: the
    standard allows them in Parametric Maps alone (PS3.3 C.7.6.24), which are computed quantities
    without a modality or VOI LUT, so nothing says what gray they would have on a film.
    """
    if "FloatPixelData" in ds or "DoubleFloatPixelData" in ds:
        raise ReadError(
            "The file holds computed floating-point values, which no X-ray film has; "
            "choose the radiograph itself."
        )
    rows, columns = integer(ds, "Rows"), integer(ds, "Columns")
    data = ds.get("PixelData")
    if not data or not rows or not columns:
        raise ReadError("The file has no complete picture in it; export the film again.")
    count = frame_count(ds)
    check_frame(frame, count)
    samples = integer(ds, "SamplesPerPixel", 1)
    check_dimensions(rows, columns, samples)
    allocated, stored = integer(ds, "BitsAllocated"), integer(ds, "BitsStored")
    if allocated not in (8, 16) or not 1 < stored <= allocated or samples not in (1, 3):
        raise ReadError(
            f"The header gives a pixel {samples} x {stored} bits in {allocated}, which no X-ray "
            "film has; export the film again with 8 to 16 bits of gray."
        )
    if integer(ds, "HighBit", stored - 1) != stored - 1:
        raise ReadError(
            "The picture keeps its bits in an outdated order (High Bit); export the film again."
        )
    kind = code(ds, "PhotometricInterpretation")
    if kind not in (*_ONE_SAMPLE, *COLOR) or samples != (1 if kind in _ONE_SAMPLE else 3):
        raise ReadError(
            "The file does not say how its values are meant (Photometric Interpretation); "
            "export the film again as MONOCHROME2."
        )
    if syntax in NATIVE:
        per_pixel = 2 if kind == "YBR_FULL_422" else samples
        size = rows * columns * per_pixel * allocated // 8
        data = native_frame(data, frame, count, size)
    else:
        _check_supported(syntax)
        stream = compressed_frame(data, frame, count)
        if syntax != _RLE:
            claimed = check_codestream(stream, rows, columns, samples)
            if claimed.lossy_dct and claimed.precision > 8:
                _check_12_bit(claimed.precision, bool(integer(ds, "PixelRepresentation")))
                return _decode_12_bit(stream, rows, columns)
        # Encapsulated anew, so that the decoder gets the bytes that were checked, whatever offset
        # tables there are.
        data = encapsulate([stream])
    decoder = get_decoder(syntax)
    plugin = next((name for name in _PLUGINS if name in decoder.available_plugins), "")
    pixels, _ = decoder.as_array(
        data,
        index=0,
        decoding_plugin=plugin,
        rows=rows,
        columns=columns,
        number_of_frames=1,
        samples_per_pixel=samples,
        photometric_interpretation=kind,
        planar_configuration=integer(ds, "PlanarConfiguration"),
        pixel_representation=integer(ds, "PixelRepresentation"),
        bits_allocated=allocated,
        bits_stored=stored,
        pixel_keyword="PixelData",
        pixel_vr=ds["PixelData"].VR,
    )
    return np.ascontiguousarray(pixels, dtype=pixels.dtype.newbyteorder("="))


def _check_supported(syntax: UID) -> None:
    """Refuse what no decoder here can do. Raises `ReadError`."""
    try:
        supported = get_decoder(syntax).is_available
    except NotImplementedError:
        supported = False
    if not supported:
        raise ReadError(
            f"The film is compressed as {syntax_name(syntax)}, which this viewer cannot decode; "
            "export it uncompressed, as JPEG 2000 or as JPEG Lossless."
        )


def syntax_name(syntax: UID) -> str:
    """The syntax by its name in the standard; an unknown UID is not quoted."""
    known = syntax.is_valid and not syntax.is_private and syntax.type == "Transfer Syntax"
    return syntax.name if known else "an unknown transfer syntax"


# 12-bit JPEG Extended (PS3.5 A.4.1, process 4): no permissively licensed plugin of pydicom decodes
# it; imagecodecs does, where it is installed (`requirements-dicom.txt`).


def _check_12_bit(precision: int, signed: bool) -> None:
    """Whether a frame of so many bits can be decoded here. Raises `ReadError`."""
    decodable = precision == _LOSSY_BITS and not signed
    if decodable and find_spec("imagecodecs") is not None:
        return
    more = " without one more package (pip install -r requirements-dicom.txt)" if decodable else ""
    raise ReadError(
        f"The film is compressed as {precision}-bit JPEG Extended, which this viewer cannot decode"
        f"{more}; export it uncompressed, as JPEG 2000 or as JPEG Lossless."
    )


def _decode_12_bit(stream: bytes, rows: int, columns: int) -> np.ndarray:
    """Stored values, uint16 (rows, columns), of a frame whose dimensions were checked before.

    Raises what the decoder raises on damaged data, and `ValueError` for another shape.
    """
    import imagecodecs

    pixels = imagecodecs.jpeg8_decode(stream)
    if pixels.shape != (rows, columns) or pixels.dtype != np.uint16:
        raise ValueError("the decoded frame is not what its header says")
    return pixels

"""DICOM pixel data to stored values, after a look at what the decoder is about to be given.

Everything here is bounded by the size of the file: also a deflated data set may inflate a
thousandfold.
"""

from __future__ import annotations

import zlib
from importlib.util import find_spec

import numpy as np
from pydicom.dataset import Dataset
from pydicom.encaps import encapsulate
from pydicom.pixels import get_decoder
from pydicom.uid import UID, JPEGLossless, JPEGLosslessSV1

from lmeran.imaging.dicom.attributes import code, integer
from lmeran.imaging.dicom.codestream import SOF_LOSSLESS, check_codestream
from lmeran.imaging.dicom.frames import check_frame, compressed_frame, frame_count, native_frame
from lmeran.imaging.dicom.jpeg_lossless import check_decoded, check_scan
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
_LOSSY_BITS = 12
"""JPEG's cosine transform has no more."""


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
    signed = integer(ds, "PixelRepresentation") == 1
    claimed = scan = None
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
                return _decode_12_bit(stream, claimed.precision, signed, (rows, columns))
            if syntax in (JPEGLossless, JPEGLosslessSV1) or claimed.marker == SOF_LOSSLESS:
                scan = check_scan(stream, syntax, stored, allocated)
        # Encapsulated again, so that the decoder gets the bytes that were checked, whatever offset
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
        pixel_representation=int(signed),
        bits_allocated=allocated,
        bits_stored=stored,
        pixel_keyword="PixelData",
        pixel_vr=ds["PixelData"].VR,
        correct_unused_bits=scan is None,
    )
    pixels = np.ascontiguousarray(pixels, dtype=pixels.dtype.newbyteorder("="))
    if scan is not None:
        check_decoded(scan, pixels, signed)
    if claimed is not None and claimed.signed != signed:
        return _within_stored_bits(pixels, stored, signed)
    return pixels


def _within_stored_bits(pixels: np.ndarray, stored: int, signed: bool) -> np.ndarray:
    """Decoded values as the header means them: two's complement of its stored bits, or unsigned.

    What a codestream says otherwise does not count (PS3.5 8.1.1): signed values may lack the bits
    above their sign, unsigned ones may have some.
    """
    shift = 8 * pixels.itemsize - stored
    if shift <= 0:
        return pixels
    above = pixels.view(f"u{pixels.itemsize}") >> stored
    is_other = not above.any() if signed else above.max() == 2**shift - 1
    return (pixels << shift) >> shift if is_other else pixels


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


def _decode_12_bit(
    stream: bytes, precision: int, signed: bool, shape: tuple[int, int]
) -> np.ndarray:
    """Stored values, uint16, of a 12-bit JPEG Extended frame (PS3.5 A.4.1, process 4).

    No permissively licensed plugin of pydicom decodes it; imagecodecs does, where it is installed.
    Raises `ReadError`, or what the decoder raises on damaged data.
    """
    decodable = precision == _LOSSY_BITS and not signed
    if not decodable or find_spec("imagecodecs") is None:
        more = " without one more package (pip install -r requirements-dicom.txt)"
        raise ReadError(
            f"The film is compressed as {precision}-bit JPEG Extended, which this viewer cannot "
            f"decode{more if decodable else ''}; export it uncompressed, as JPEG 2000 or as JPEG "
            "Lossless."
        )
    import imagecodecs

    pixels = imagecodecs.jpeg8_decode(stream)
    if pixels.shape != shape or pixels.dtype != np.uint16:
        raise ValueError("the decoded frame is not what its header says")
    return pixels

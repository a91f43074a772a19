"""DICOM to a `Radiograph`: what may be read, how it is decoded, and what the reader must be told.

Only the attributes in `_WANTED` are kept while the file is parsed. Names, dates, comments and
private groups never enter the program.
"""

from __future__ import annotations

import io
import struct
import warnings

import numpy as np
from pydicom.datadict import tag_for_keyword
from pydicom.dataset import Dataset
from pydicom.filereader import read_dataset
from pydicom.uid import UID

from lmeran.imaging.dicom.attributes import (
    code,
    integer,
    look_up_table,
    numbers,
    stored_range,
    white_of,
)
from lmeran.imaging.dicom.frames import frame_count, frame_words, with_groups
from lmeran.imaging.dicom.pixel_data import (
    BIG_ENDIAN,
    COLOR,
    DEFLATED,
    EXPLICIT,
    IMPLICIT,
    NATIVE,
    decode,
    inflate,
    syntax_name,
)
from lmeran.imaging.dicom.suitability import OVERLAY_TAGS, directions, known_view, told_by_header
from lmeran.imaging.dicom.voi import grayscale_of, render
from lmeran.imaging.radiograph import Radiograph, ReadError, Spacing
from lmeran.imaging.values import AS_STORED

_PREAMBLE = 128
_MAX_READS = 300_000
_NO_SYNTAX = UID("")
_DELIMITER = b"\xfe\xff\xdd\xe0" + bytes(4)
"""Sequence Delimitation Item (FFFE,E0DD), which ends encapsulated pixel data (PS3.5, A.4)."""
_DICOMDIR = UID("1.2.840.10008.1.3.10")

_WANTED = """
    SOPClassUID PresentationIntentType Modality ViewPosition ViewCodeSequence BodyPartExamined
    PatientOrientation BurnedInAnnotation NumberOfFrames
    Rows Columns SamplesPerPixel PhotometricInterpretation PlanarConfiguration
    BitsAllocated BitsStored HighBit PixelRepresentation
    PixelPaddingValue PixelPaddingRangeLimit PixelSpacing ImagerPixelSpacing PixelAspectRatio
    ModalityLUTSequence RescaleSlope RescaleIntercept RescaleType
    VOILUTSequence WindowCenter WindowWidth WindowCenterWidthExplanation VOILUTFunction
    PresentationLUTShape PixelIntensityRelationship PixelIntensityRelationshipSign
    RedPaletteColorLookupTableDescriptor RedPaletteColorLookupTableData
    GreenPaletteColorLookupTableDescriptor GreenPaletteColorLookupTableData
    BluePaletteColorLookupTableDescriptor BluePaletteColorLookupTableData
    SharedFunctionalGroupsSequence PerFrameFunctionalGroupsSequence
    PixelData FloatPixelData DoubleFloatPixelData
"""
"""Keywords of the attributes that are kept."""

_LUMA = np.array([0.299, 0.587, 0.114], dtype=np.float32)


def looks_like_dicom(data: bytes) -> bool:
    """DICM after the preamble, or a data set that starts without one (PS3.10, 7.1)."""
    if data[_PREAMBLE : _PREAMBLE + 4] == b"DICM":
        return True
    if len(data) < 16:
        return False
    group, element = struct.unpack_from("<HH", data)
    if group == 0x0002 and element <= 0x0102:
        return True
    order = ">" if group == 0x0800 else "<"
    group, element = struct.unpack_from(f"{order}HH", data)
    if group != 0x0008 or element > 0x0100:
        return False
    if _has_vr(data, 0):
        return True
    (length,) = struct.unpack_from(f"{order}I", data, 4)
    return length <= min(len(data), 1024)


def read_dicom(data: bytes, frame: int = 1) -> Radiograph:
    """Decode one film, or one frame (from 1) of several in a file.

    Raises `ReadError`, and nothing else, in one sentence.
    """
    syntax = _NO_SYNTAX
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # pydicom quotes values in its warnings
            syntax, start = _file_meta(data)
            return _read_film(_parse(data, syntax, start), syntax, frame)
    except (ReadError, KeyboardInterrupt, SystemExit):
        raise
    except BaseException:
        # Parsers and decoders raise whatever they please on damaged input, and quote it; the RLE
        # decoder panics outside `Exception`. `from None` keeps their words, which may be a
        # patient's, out of every traceback.
        raise ReadError(
            f"The DICOM file ({syntax_name(syntax)}) is damaged or not what its header says; "
            "export the film again, uncompressed, as JPEG 2000 or as JPEG Lossless."
        ) from None


def _file_meta(data: bytes) -> tuple[UID, int]:
    """Transfer Syntax UID (0002,0010), guessed where there is none, and where the data set starts.

    Read here and not by pydicom, which would inflate a deflated file without a limit.
    """
    position = _PREAMBLE + 4 if data[_PREAMBLE : _PREAMBLE + 4] == b"DICM" else 0
    syntax = _NO_SYNTAX
    while data[position : position + 2] == b"\x02\x00" and len(data) >= position + 12:
        (element,) = struct.unpack_from("<H", data, position + 2)
        if not _has_vr(data, position):
            (length,), header = struct.unpack_from("<I", data, position + 4), 8
        elif data[position + 4 : position + 6] in (b"OB", b"UN", b"UT", b"OW", b"SQ"):
            (length,), header = struct.unpack_from("<I", data, position + 8), 12
        else:
            (length,), header = struct.unpack_from("<H", data, position + 6), 8
        position += header
        if element in (0x0002, 0x0010):
            uid = UID(data[position : position + length].rstrip(b"\0 ").decode("latin-1"))
            if uid == _DICOMDIR:
                raise ReadError(
                    "This is the table of contents of a disc (DICOMDIR) and holds no picture; "
                    "choose the films themselves, or the whole folder."
                )
            syntax = uid if element == 0x0010 else syntax
        position += length
    if syntax == _NO_SYNTAX:
        if data[position : position + 1] == b"\0":
            syntax = BIG_ENDIAN
        else:
            syntax = EXPLICIT if _has_vr(data, position) else IMPLICIT
    return syntax, position


def _has_vr(data: bytes, position: int) -> bool:
    """Whether the element at `position` states its value representation: two capital letters."""
    letters = data[position + 4 : position + 6]
    return len(letters) == 2 and letters.isalpha() and letters.isupper()


class _Metered(io.BytesIO):
    """Bytes with a limit on the number of reads: each element takes one or two, and memory."""

    _reads = 0

    def read(self, size: int | None = -1, /) -> bytes:
        self._reads += 1
        if self._reads > _MAX_READS:
            raise ReadError("The file's header is far larger than a film's; export the film again.")
        return super().read(size)


def _parse(data: bytes, syntax: UID, start: int) -> Dataset:
    """The wanted attributes of a file."""
    body = data[start:]
    if syntax == DEFLATED:
        body = inflate(body)
    tags = [tag for word in _WANTED.split() if (tag := tag_for_keyword(word)) is not None]
    tags.extend(OVERLAY_TAGS)
    implicit, little = syntax == IMPLICIT, syntax != BIG_ENDIAN
    # A file whose last fragment is whole but which lacks the delimiter behind it is read, too.
    stream = _Metered(body if syntax in NATIVE else body + _DELIMITER)
    return read_dataset(stream, implicit, little, specific_tags=tags)


def _read_film(ds: Dataset, syntax: UID, frame: int) -> Radiograph:
    frames, little_endian = frame_count(ds), syntax != BIG_ENDIAN
    told = told_by_header(ds)
    stored = decode(ds, syntax, frame)
    ds = with_groups(ds, frame)
    if frames > 1:
        told.append(frame_words(frame, frames))
    if code(ds, "PhotometricInterpretation") in COLOR:
        pixels, window, depth = _color_to_gray(stored, ds, little_endian), AS_STORED, None
        told.append(
            "The file stores colour, converted to gray: if it is a photograph or a screenshot of "
            "a film, the model was not trained on such input."
        )
    else:
        rendering = render(stored, grayscale_of(ds, little_endian))
        pixels, window, depth = rendering.pixels, rendering.window, rendering.values
        told.extend(rendering.warnings)
    spacing = _spacing(ds)
    aspect = _aspect(ds, spacing)
    if aspect != 1:
        told.append(
            "The pixels of this film are not square: the page shows it in its true shape, but the "
            "model reads it pixel by pixel, as it learned from films with square ones."
        )
    return Radiograph(
        pixels,
        "DICOM",
        bits=integer(ds, "BitsStored"),
        view=known_view(ds),
        modality=code(ds, "Modality") or None,
        spacing=spacing,
        window=window,
        warnings=tuple(told),
        depth=depth,
        aspect=aspect,
        frame=frame,
        frames=frames,
        directions=directions(ds),
    )


def _color_to_gray(stored: np.ndarray, ds: Dataset, little_endian: bool) -> np.ndarray:
    """RGB, or the colours a palette gives to the values (PS3.3 C.7.6.3.1.5), to luminance."""
    if stored.ndim == 2:
        tables = [
            look_up_table(ds, little_endian, stored_range(ds), f"{color}PaletteColorLookupTable")
            for color in ("Red", "Green", "Blue")
        ]
        white = max(table.white for table in tables)
        stored = np.stack([table.map(stored).astype(np.uint16) for table in tables], axis=-1)
    else:
        white = white_of(integer(ds, "BitsStored"), float(stored.max()))
    gray = (stored.astype(np.float32) @ _LUMA) * np.float32(255 / white)
    pixels = np.clip(np.rint(gray), 0, 255).astype(np.uint8)
    if pixels.min() == pixels.max():
        raise ReadError(
            "The decoded picture is one flat gray, there is nothing to read; export the film again."
        )
    return pixels


def _spacing(ds: Dataset) -> Spacing | None:
    """Pixel Spacing (0028,0030), else Imager Pixel Spacing (0018,1164); PS3.3 10.7.1.3."""
    for keyword in ("PixelSpacing", "ImagerPixelSpacing"):
        values = numbers(ds, keyword)
        if len(values) == 2 and np.isfinite(values).all() and min(values) > 0:
            return Spacing(values[0], values[1], keyword)
    return None


def _aspect(ds: Dataset, spacing: Spacing | None) -> float:
    """Height of a pixel over its width, by spacing or Pixel Aspect Ratio (0028,0034).

    1 where it is not stated, or less than 1 % off.
    """
    ratio = (spacing.row_mm, spacing.column_mm) if spacing else numbers(ds, "PixelAspectRatio")
    if len(ratio) != 2 or not np.isfinite(ratio).all() or min(ratio) <= 0:
        return 1.0
    aspect = ratio[0] / ratio[1]
    return 1.0 if 0.99 <= aspect <= 1.01 else float(aspect)

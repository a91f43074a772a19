"""DICOM files made in memory for the tests, and how a refusal is judged."""

from __future__ import annotations

import io
import struct
import warnings

import numpy as np
import pytest
from PIL import Image
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.encaps import encapsulate
from pydicom.sequence import Sequence
from pydicom.uid import (
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    JPEGBaseline8Bit,
)

from lmeran.imaging.dicom.reader import read_dicom
from lmeran.imaging.radiograph import Radiograph, ReadError

NAME = "Tremblay^Josephine"

SIZE = 64


def ramp(bits: int = 12) -> np.ndarray:
    """Every gray level once or more, dark to bright, row by row."""
    return np.linspace(0, 2**bits - 1, SIZE * SIZE).round().astype(np.uint16).reshape(SIZE, SIZE)


def film(pixels: np.ndarray | None = None, bits: int = 12, **attributes: object) -> Dataset:
    pixels = ramp(bits) if pixels is None else pixels
    ds = Dataset()
    ds.file_meta = FileMetaDataset()
    ds.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    ds.SOPClassUID = "1.2.840.10008.5.1.4.1.1.1.1"
    ds.SOPInstanceUID = "1.2.3.4"
    ds.PatientName = NAME
    ds.PatientID = "RAMQ-TREJ"
    ds.Modality = "DX"
    ds.BodyPartExamined = "CHEST"
    ds.Rows, ds.Columns = pixels.shape[:2]
    ds.SamplesPerPixel = 1 if pixels.ndim == 2 else 3
    ds.PhotometricInterpretation = "MONOCHROME2" if pixels.ndim == 2 else "RGB"
    if pixels.ndim == 3:
        ds.PlanarConfiguration = 0
    ds.BitsAllocated = pixels.itemsize * 8
    ds.BitsStored = min(bits, ds.BitsAllocated)
    ds.HighBit = ds.BitsStored - 1
    ds.PixelRepresentation = int(pixels.dtype.kind == "i")
    ds.PixelData = pixels.tobytes()
    ds["PixelData"].VR = "OW" if pixels.itemsize == 2 else "OB"
    for keyword, value in attributes.items():
        setattr(ds, keyword, value)
    return ds


def written(ds: Dataset, syntax: str | None = None) -> bytes:
    syntax = syntax or ds.file_meta.TransferSyntaxUID
    ds.file_meta.TransferSyntaxUID = syntax
    out = io.BytesIO()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        ds.save_as(
            out,
            enforce_file_format=True,
            implicit_vr=syntax == ImplicitVRLittleEndian,
            little_endian=syntax != ExplicitVRBigEndian,
        )
    return out.getvalue()


def read(ds: Dataset, syntax: str | None = None) -> Radiograph:
    return read_dicom(written(ds, syntax))


def refusal(data: bytes | Dataset) -> str:
    """The sentence a file is refused with; fails for any other exception, and for a success."""
    with pytest.raises(ReadError) as caught:
        read_dicom(written(data) if isinstance(data, Dataset) else data)
    text = str(caught.value)
    assert_one_sentence(text)
    return text


def assert_one_sentence(text: str) -> None:
    assert text.endswith(".")
    assert ". " not in text
    assert "\n" not in text
    assert "Tremblay" not in text
    assert "RAMQ" not in text


def lut(first: int, entries: np.ndarray, bits: int, signed: bool = False) -> Sequence:
    item = Dataset()
    item.add_new("LUTDescriptor", "SS" if signed else "US", [len(entries) % 2**16, first, bits])
    item.add_new("LUTData", "OW", entries.astype("<u2").tobytes())
    return Sequence([item])


def encapsulated(ds: Dataset, stream: bytes, syntax: str) -> Dataset:
    """The film with another, compressed stream in it."""
    ds.PixelData = encapsulate([stream])
    ds["PixelData"].is_undefined_length = True
    ds.file_meta.TransferSyntaxUID = syntax
    return ds


def jpeg_film(gray: np.ndarray) -> Dataset:
    out = io.BytesIO()
    Image.fromarray(gray).save(out, "JPEG", quality=95)
    return encapsulated(film(gray, bits=8), out.getvalue(), JPEGBaseline8Bit)


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
    """A JPEG Lossless stream of one component: ISO/IEC 10918-1, process 14.

    values: unsigned (rows, columns). restart_rows: rows between restart markers, 0: none.
    """
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

"""DICOM files made in memory for the tests, and how a refusal is judged."""

from __future__ import annotations

import io
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


def jpeg_film(gray: np.ndarray) -> Dataset:
    out = io.BytesIO()
    Image.fromarray(gray).save(out, "JPEG", quality=95)
    ds = film(gray, bits=8, PixelData=encapsulate([out.getvalue()]))
    ds["PixelData"].is_undefined_length = True
    ds.file_meta.TransferSyntaxUID = JPEGBaseline8Bit
    return ds

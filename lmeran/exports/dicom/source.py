"""What a DICOM export needs of its source image: references, size, and the patient it is of.

DICOM objects belong to a patient and a study; those made here carry the patient of the source
image by nature. They are therefore made only from a file given for that purpose: nothing else in
this program reads or keeps these attributes.
"""

from __future__ import annotations

import contextlib
import io
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydicom import dcmread
from pydicom.config import disable_value_validation
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import UID, ExplicitVRLittleEndian

from lmeran.exports.record import ExportError
from lmeran.imaging.radiograph import Radiograph

REFERENCES = ("SOPClassUID", "SOPInstanceUID", "StudyInstanceUID", "SeriesInstanceUID")
_OF_THE_IMAGE = """
    SOPClassUID SOPInstanceUID StudyInstanceUID SeriesInstanceUID Modality Rows Columns ImageType
    PatientOrientation Laterality PixelSpacing ImagerPixelSpacing BurnedInAnnotation
    LossyImageCompression LossyImageCompressionRatio LossyImageCompressionMethod
"""
_OF_THE_PATIENT = """
    PatientName PatientID PatientBirthDate PatientSex StudyDate StudyTime ReferringPhysicianName
    StudyID AccessionNumber
"""
"""Required in every composite object, empty where unknown (PS3.3 C.7.1.1 and C.7.2.1, type 2)."""
_WITH_THE_PATIENT = """
    SpecificCharacterSet IssuerOfPatientID PatientIdentityRemoved DeidentificationMethod
    DeidentificationMethodCodeSequence
"""
"""Copied where the source has them, for the others mean something else without them."""


@dataclass(frozen=True, eq=False)
class SourceImage:
    """A source image without its pixels.

    image: what references and geometry need, with no patient in it. patient: the attributes that
    DICOM requires of patient and study. frame: the one that was read, None of a file with one.
    """

    image: Dataset
    patient: Dataset
    frame: int | None = None


@contextlib.contextmanager
def quiet_values() -> Iterator[None]:
    """pydicom checks values and quotes those it finds odd, in warnings and in its log. A patient's
    name may be odd: within this context nothing is checked, so nothing is quoted."""
    with warnings.catch_warnings(), disable_value_validation():
        warnings.simplefilter("ignore")
        yield


def read_source(path: str | Path, film: Radiograph) -> SourceImage:
    """The header of the file that `film` was read from.

    Raises `ExportError` where the file is a picture, or its header cannot be referred to.
    """
    if film.media != "DICOM":
        raise ExportError(
            f"The film is a {film.media} file, and DICOM objects must refer to a DICOM image and "
            "its study; give the DICOM file, or export pdf, csv, json, png or reading."
        )
    try:
        with quiet_values():
            header = dcmread(
                io.BytesIO(Path(path).read_bytes()),
                stop_before_pixels=True,
                force=True,
                specific_tags=(_OF_THE_IMAGE + _OF_THE_PATIENT + _WITH_THE_PATIENT).split(),
            )
            frame = film.frame if film.frames > 1 else None
            patient = _copied(header, _OF_THE_PATIENT + _WITH_THE_PATIENT)
            for keyword in _OF_THE_PATIENT.split():
                if keyword not in patient:
                    setattr(patient, keyword, None)
            return SourceImage(_image(header), patient, frame)
    except (ExportError, OSError):
        raise
    except Exception:
        # Parsers raise whatever they please on odd headers, and quote values that name a patient.
        raise ExportError(
            "The DICOM file's header is damaged, so no object can refer to it; export the film "
            "again."
        ) from None


def _image(header: Dataset) -> Dataset:
    """The wanted attributes of the image; the type 2 ones of patient and study empty."""
    missing = [keyword for keyword in (*REFERENCES, "Rows", "Columns") if not header.get(keyword)]
    if missing:
        raise ExportError(
            f"The DICOM file lacks {' and '.join(missing)}, so no object can refer to it; export "
            "the film again from the archive it belongs to."
        )
    image = _copied(header, _OF_THE_IMAGE)
    for keyword in REFERENCES:
        if not UID(str(image[keyword].value)).is_valid:
            raise ExportError(
                f"The DICOM file's {keyword} is not a valid UID, so no object can refer to it; "
                "export the film again from the archive it belongs to."
            )
    for keyword in ("PixelSpacing", "ImagerPixelSpacing"):
        if keyword in image and not _is_spacing(image[keyword].value):
            del image[keyword]
    image.Modality = image.get("Modality") or "OT"
    for keyword in _OF_THE_PATIENT.split():
        setattr(image, keyword, None)
    image.file_meta = FileMetaDataset()
    image.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    return image


def _is_spacing(values: Any) -> bool:
    """Two numbers above zero: some files state zero where the spacing is not known."""
    try:
        return len(values) == 2 and all(float(value) > 0 for value in values)
    except (TypeError, ValueError):
        return False


def _copied(header: Dataset, keywords: str) -> Dataset:
    copy = Dataset()
    for keyword in keywords.split():
        if keyword in header:
            copy.add(header[keyword])
    return copy

"""Writing drawn films: JPEG pictures and a DX DICOM file that says it is synthetic."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import (
    DigitalXRayImageStorageForPresentation,
    ExplicitVRLittleEndian,
    JPEG2000Lossless,
    generate_uid,
)

from train.phantom.drawing.detector import WINDOW_CENTRE, WINDOW_WIDTH

JPEG_QUALITY = 94


def write_jpeg(path: Path, pixels: np.ndarray) -> None:
    """Grey JPEG of display pixels, uint8 (H, W)."""
    done, data = cv2.imencode(".jpg", pixels, [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY])
    if not done:
        raise OSError(f"{path.name} could not be encoded as JPEG")
    path.write_bytes(data.tobytes())


def write_dicom(path: Path, values: np.ndarray, spacing: float, view: str, title: str) -> None:
    """12-bit DICOM, JPEG 2000 lossless, of detector values uint16 (H, W); spacing in mm."""
    data = Dataset()
    data.file_meta = FileMetaDataset()
    data.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    data.SOPClassUID = DigitalXRayImageStorageForPresentation
    # The identifiers follow from the name, so that writing again changes nothing.
    data.SOPInstanceUID = _uid(path.name, "instance")
    data.SeriesInstanceUID = _uid(path.name, "series")
    data.StudyInstanceUID = _uid(path.name, "study")
    data.Modality = "DX"
    data.PresentationIntentType = "FOR PRESENTATION"
    data.ImageType = ["DERIVED", "PRIMARY", ""]
    data.Manufacturer = "LMeRAN viewer phantom"
    data.PatientName, data.PatientID = "SYNTHETIC^PHANTOM", "SYNTHETIC"
    data.PatientBirthDate = data.PatientSex = data.StudyDate = data.StudyTime = ""
    data.AccessionNumber = data.StudyID = data.ReferringPhysicianName = ""
    data.SeriesNumber = data.InstanceNumber = 1
    data.BodyPartExamined, data.ViewPosition = "CHEST", view
    data.PatientOrientation = ["L", "F"]
    data.ImageLaterality = "U"
    data.StudyDescription = data.ImageComments = title
    data.BurnedInAnnotation = "NO"  # the word burned in identifies nobody
    data.SamplesPerPixel, data.PhotometricInterpretation = 1, "MONOCHROME2"
    data.Rows, data.Columns = values.shape
    data.BitsAllocated, data.BitsStored, data.HighBit, data.PixelRepresentation = 16, 12, 11, 0
    data.PixelSpacing = data.ImagerPixelSpacing = [round(spacing, 5)] * 2
    data.PixelIntensityRelationship, data.PixelIntensityRelationshipSign = "LOG", -1
    data.RescaleIntercept, data.RescaleSlope, data.RescaleType = 0, 1, "US"
    data.PresentationLUTShape = "IDENTITY"
    data.WindowCenter, data.WindowWidth = WINDOW_CENTRE, WINDOW_WIDTH
    data.VOILUTFunction = "SIGMOID"
    data.PixelData = values.astype("<u2").tobytes()
    data.compress(JPEG2000Lossless, generate_instance_uid=False)
    data.save_as(path, enforce_file_format=True)


def _uid(name: str, level: str) -> str:
    return generate_uid(entropy_srcs=["lmeran phantom", name, level])

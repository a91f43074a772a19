"""Secondary capture: the film with the map and its caption burned in, for any archive's viewer."""

from __future__ import annotations

import highdicom as hd
from pydicom.dataset import Dataset
from pydicom.sr.codedict import codes

from lmeran.exports.dicom.objects import finished, header_of
from lmeran.exports.dicom.source import SourceImage
from lmeran.exports.picture import Scale, captioned
from lmeran.exports.record import Record
from lmeran.exports.words import map_in_words


def secondary_capture(record: Record, source: SourceImage, scale: Scale = "absolute") -> bytes:
    """The captioned picture as a DICOM file derived from the source image."""
    image = source.image
    made = hd.sc.SCImage(
        pixel_array=captioned(record, scale),
        photometric_interpretation=hd.PhotometricInterpretationValues.RGB,
        bits_allocated=8,
        coordinate_system=hd.CoordinateSystemNames.PATIENT,
        study_instance_uid=image.StudyInstanceUID,
        patient_orientation=("L", "F"),
        **header_of(record, "SC"),
    )
    # Only where the source says so: the film may lie otherwise.
    made.PatientOrientation = image.get("PatientOrientation")
    made.Laterality = image.get("Laterality")
    made.ImageType = ["DERIVED", "SECONDARY", "OTHER"]
    made.BurnedInAnnotation = image.get("BurnedInAnnotation") or "NO"
    made.DerivationDescription = map_in_words(record, scale)[:1024]
    # What this one was derived from (PS3.3 C.7.6.1.1.4).
    item = Dataset()
    item.ReferencedSOPClassUID = image.SOPClassUID
    item.ReferencedSOPInstanceUID = image.SOPInstanceUID
    if source.frame is not None:
        item.ReferencedFrameNumber = source.frame
    purpose = codes.DCM.SourceImageForImageProcessingOperation
    item.PurposeOfReferenceCodeSequence = [hd.sr.CodedConcept(*purpose)]
    made.SourceImageSequence = [item]
    return finished(made, source)

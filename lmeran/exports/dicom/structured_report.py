"""Structured report, TID 1500 (PS3.16): the model's probabilities, and the reader's own pins.

Each finding is a measurement group with its free probability and, where it is not pinned, the one
conditioned on the pins, raw and (with a calibrated checkpoint) calibrated. What the reader pinned
is a group of its own, observed by a person: it is the reader's statement and not the model's.
"""

from __future__ import annotations

import copy
import uuid

import highdicom as hd
import numpy as np
from highdicom.sr import (
    AlgorithmIdentification,
    ComprehensiveSR,
    DeviceObserverIdentifyingAttributes,
    Measurement,
    MeasurementReport,
    MeasurementsAndQualitativeEvaluations,
    ObservationContext,
    ObserverContext,
    PersonObserverIdentifyingAttributes,
    QualitativeEvaluation,
    SourceImageForMeasurementGroup,
    TrackingIdentifier,
)
from pydicom.dataset import Dataset
from pydicom.sr.codedict import codes

from lmeran import __version__
from lmeran.exports.dicom.objects import (
    PRODUCT,
    code,
    finding_code,
    finished,
    header_of,
    scheme_facts,
)
from lmeran.exports.dicom.source import SourceImage
from lmeran.exports.record import Record
from lmeran.findings import FINDINGS, State, display_name

FREE = code("FREE", "Free reading: nothing pinned, raw and uncalibrated")
WITH_PINS = code("PINNED", "Reading conditioned on the reader's pins, raw and uncalibrated")
CALIBRATED = code("CALIBRATED", "The same reading, calibrated on validation films")
PINS = code("PINS", "Pinned by the reader")
DIGITS = 6


def structured_report(record: Record, source: SourceImage, reader: str | None = None) -> bytes:
    """The report as a DICOM file that refers to the source image.

    reader: who pinned, FAMILY^GIVEN as DICOM writes names; None stands as "Reader".
    """
    algorithm = AlgorithmIdentification(
        name="LMeRAN",
        version=__version__,
        parameters=[f"checkpoint {record.checkpoint.identity}"],
    )
    image = SourceImageForMeasurementGroup(
        source.image.SOPClassUID,
        source.image.SOPInstanceUID,
        None if source.frame is None else [source.frame],
    )
    groups = [_finding_group(record, i, algorithm, image) for i in range(len(FINDINGS))]
    if record.pins:
        groups.append(_reader_group(record, image, reader))
    report = MeasurementReport(
        observation_context=ObservationContext(observer_device_context=_device(record)),
        procedure_reported=codes.SCT.ImagingProcedure,
        imaging_measurements=groups,
        title=codes.DCM.ImagingMeasurementReport,
        referenced_images=[_in_library(source.image)],
    )
    made = ComprehensiveSR(
        evidence=[source.image],
        content=report,
        is_complete=True,
        coding_schemes=scheme_facts(),
        **header_of(record, "SR"),
    )
    return finished(made, source)


def _finding_group(
    record: Record,
    i: int,
    algorithm: AlgorithmIdentification,
    image: SourceImageForMeasurementGroup,
) -> MeasurementsAndQualitativeEvaluations:
    reading = record.reading
    measurements = [_probability(reading.free[i], FREE)]
    if record.pins and not np.isnan(reading.conditioned[i]):
        measurements.append(_probability(reading.conditioned[i], WITH_PINS))
    if reading.calibrated is not None and not np.isnan(reading.calibrated[i]):
        measurements.append(_probability(reading.calibrated[i], CALIBRATED))
    return MeasurementsAndQualitativeEvaluations(
        tracking_identifier=TrackingIdentifier(hd.UID(), display_name(FINDINGS[i])),
        finding_type=finding_code(FINDINGS[i]),
        algorithm_id=algorithm,
        measurements=measurements,
        source_images=[image],
    )


def _reader_group(
    record: Record, image: SourceImageForMeasurementGroup, reader: str | None
) -> MeasurementsAndQualitativeEvaluations:
    stated = {State.POSITIVE: codes.SCT.Present, State.NEGATIVE: codes.SCT.Absent}
    group = MeasurementsAndQualitativeEvaluations(
        tracking_identifier=TrackingIdentifier(hd.UID(), PINS.meaning),
        finding_category=PINS,
        qualitative_evaluations=[
            QualitativeEvaluation(finding_code(finding), stated[State(state)])
            for finding, state in record.pins.items()
        ],
        source_images=[image],
    )
    name = reader or "Reader"
    # A name of one part ends with a caret (PS3.5 6.2.1.1).
    person = PersonObserverIdentifyingAttributes(name=name if "^" in name else f"{name}^")
    # The report's observer is the device; for this group alone it is a person.
    observer = ObserverContext(codes.DCM.Person, person)
    group[0].ContentSequence = [*observer, *group[0].ContentSequence]
    return group


def _probability(value: float, method: hd.sr.CodedConcept) -> Measurement:
    rounded = round(float(value), DIGITS)
    return Measurement(codes.DCM.Probability, rounded, unit=codes.UCUM.NoUnits, method=method)


def _in_library(image: Dataset) -> Dataset:
    """The image as the report's image library describes it (TID 1602).

    For a projection radiograph the library also wants orientation and spacing (TID 1603), which
    many files lack: those are described as any other image. The modality stands there by SOP class.
    """
    described = (image.get("PatientOrientation"), image.get("ImagerPixelSpacing"))
    if all(values is not None and len(values) == 2 for values in described):
        return image
    plain = copy.copy(image)
    plain.Modality = "OT"
    return plain


def _device(record: Record) -> ObserverContext:
    # The same UID for every report of one checkpoint (PS3.5 B.2).
    name = f"lmeran:{__version__}:{record.checkpoint.identity}"
    attributes = DeviceObserverIdentifyingAttributes(
        uid=f"2.25.{uuid.uuid5(uuid.NAMESPACE_OID, name).int}",
        name="LMeRAN",
        manufacturer_name=PRODUCT,
        model_name="LMeRAN",
        serial_number=record.checkpoint.identity,
    )
    return ObserverContext(codes.DCM.Device, attributes)

"""Fractional segmentation: one finding's map on the pixels of the source image."""

from __future__ import annotations

from dataclasses import replace

import highdicom as hd
import numpy as np
from pydicom.sr.codedict import codes

from lmeran import __version__
from lmeran.exports.dicom.objects import (
    PRODUCT,
    code,
    finished,
    header_of,
    scheme_facts,
)
from lmeran.exports.dicom.source import SourceImage
from lmeran.exports.record import ExportError, Record
from lmeran.findings import display_name

ATTENTION = code("ATTENTION", "Attention of a label token, share of its maximum")
MOST = 255
"""Maximum Fractional Value (0062,000E): the map's own maximum."""


def segmentation(record: Record, source: SourceImage) -> bytes:
    """The map as a fractional segmentation, a DICOM file with the source's rows and columns.

    Values are shares of the map's own maximum, whatever the finding's probability, which stands in
    the segment's description. Raises `ExportError` for a model without attention.
    """
    if record.map is None:
        raise ExportError("The model has no attention, so there is no map to export.")
    place = replace(record.geometry, height=source.image.Rows, width=source.image.Columns)
    field = place.map_to_original(record.map.values)
    share = np.clip(field / (field.max() or 1.0), 0, 1)
    finding = display_name(record.finding)
    segment = hd.seg.SegmentDescription(
        segment_number=1,
        segment_label=f"{finding}: attention of the model",
        segmented_property_category=codes.SCT.SpatialAndRelationalConcept,
        segmented_property_type=ATTENTION,
        algorithm_type=hd.seg.SegmentAlgorithmTypeValues.AUTOMATIC,
        algorithm_identification=hd.AlgorithmIdentificationSequence(
            name="LMeRAN",
            family=codes.DCM.ArtificialIntelligence,
            version=__version__,
            source=PRODUCT,
            parameters={"checkpoint": record.checkpoint.identity},
        ),
        tracking_uid=hd.UID(),
        tracking_id=f"{finding} attention",
    )
    segment.SegmentDescription = (
        f"{record.map.name.replace('_', ' ')}, {'free reading' if record.free else 'with pins'}; "
        f"probability {record.map_probability:.4f}; where the label token looked, not the finding"
    )[:1024]
    made = hd.seg.Segmentation(
        source_images=[source.image],
        pixel_array=share[None].astype(np.float32),
        segmentation_type=hd.seg.SegmentationTypeValues.FRACTIONAL,
        # Neither type is an attention map; the other one would call it a probability.
        fractional_type=hd.seg.SegmentationFractionalTypeValues.OCCUPANCY,
        max_fractional_value=MOST,
        segment_descriptions=[segment],
        content_label="ATTENTION",
        content_description=f"{finding}: attention map, research use",
        coding_schemes=scheme_facts(),
        omit_empty_frames=False,
        **header_of(record, "SEG"),
    )
    made.PatientOrientation = source.image.get("PatientOrientation")
    # Which frame of the source the map is of: highdicom knows sources of one frame only.
    for group in made.PerFrameFunctionalGroupsSequence if source.frame else ():
        for derivation in group.get("DerivationImageSequence", ()):
            for image in derivation.SourceImageSequence:
                image.ReferencedFrameNumber = source.frame
    return finished(made, source)

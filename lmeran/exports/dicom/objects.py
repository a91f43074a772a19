"""What the DICOM exports have in common: highdicom, codes, equipment, UIDs, bytes.

highdicom is an optional extra: this module and those that import it load only where it is there.
"""

from __future__ import annotations

import io
from typing import Any

import highdicom as hd
from highdicom.coding_schemes import CodingSchemeIdentificationItem
from pydicom.dataset import Dataset

from lmeran import __version__
from lmeran.exports.dicom.source import SourceImage, quiet_values
from lmeran.exports.record import NOTICE, Record
from lmeran.findings import display_name, finding_index

SCHEME = "99LMERAN"
"""Private coding scheme: the 14 labels of ChestX-ray14 were mined from reports and are not the
concepts that a standard terminology has under the same names."""

PRODUCT = "LMeRAN viewer"
_SERIES_NUMBERS = {"SR": 9901, "SEG": 9902, "SC": 9903}
"""Far above those of the acquisition."""


def code(value: str, meaning: str) -> hd.sr.CodedConcept:
    """A concept of the private scheme."""
    return hd.sr.CodedConcept(value, SCHEME, meaning)


def finding_code(finding: str) -> hd.sr.CodedConcept:
    """'CXR14-01' and so on: the finding as ChestX-ray14 labels it."""
    return code(f"CXR14-{finding_index(finding) + 1:02d}", display_name(finding))


def scheme_facts() -> list[CodingSchemeIdentificationItem]:
    """Who answers for the private scheme (0008,0110)."""
    return [
        CodingSchemeIdentificationItem(
            designator=SCHEME,
            name="LMeRAN viewer: findings of ChestX-ray14 and terms of the model",
            version=__version__,
            responsible_organization=PRODUCT,
        )
    ]


def header_of(record: Record, kind: str) -> dict[str, Any]:
    """Series, instance and equipment arguments of any highdicom object; kind "SR", "SEG", "SC"."""
    return {
        "series_instance_uid": hd.UID(),
        "series_number": _SERIES_NUMBERS[kind],
        "sop_instance_uid": hd.UID(),
        "instance_number": 1,
        "manufacturer": PRODUCT,
        "manufacturer_model_name": "LMeRAN",
        "software_versions": __version__,
        "device_serial_number": record.checkpoint.identity,
        "series_description": f"{display_name(record.finding)}: {NOTICE}",
        "content_qualification": hd.ContentQualificationValues.RESEARCH,
    }


def finished(made: Dataset, source: SourceImage) -> bytes:
    """The object with its source's patient and study, as a DICOM file."""
    out = io.BytesIO()
    with quiet_values():
        made.update(source.patient)
        made.save_as(out, enforce_file_format=True)
    return out.getvalue()

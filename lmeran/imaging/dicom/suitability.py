"""Whether a DICOM file is a frontal chest radiograph, as far as its header tells."""

from __future__ import annotations

import re

from pydicom.dataset import Dataset

from lmeran.imaging.dicom.attributes import code
from lmeran.imaging.radiograph import ReadError

_RADIOGRAPHS = ("CR", "DX", "RG")
_PERHAPS = ("RF", "SC", "OT", "")
_NOT_RADIOGRAPHS = {
    "BMD": "a bone density image",
    "CT": "a CT image",
    "ES": "an endoscopy image",
    "IO": "a dental X-ray",
    "KO": "a list of references without an image",
    "MG": "a mammogram",
    "MR": "an MR image",
    "NM": "a nuclear medicine image",
    "OP": "a photograph of the eye",
    "PR": "a presentation state without an image",
    "PT": "a PET image",
    "PX": "a dental X-ray",
    "RTDOSE": "a radiotherapy dose map",
    "RTIMAGE": "a radiotherapy image",
    "RTPLAN": "a radiotherapy plan without an image",
    "RTSTRUCT": "a set of radiotherapy contours without an image",
    "SEG": "a segmentation",
    "SM": "a microscopy image",
    "SR": "a report without an image",
    "US": "an ultrasound image",
    "XA": "an angiogram",
    "XC": "a photograph",
}
_FRONTAL = ("PA", "AP")
_SIDEWAYS = ("LL", "RL", "LAT", "LATERAL", "LLD", "RLD", "LLO", "RLO", "LAO", "RAO", "LPO", "RPO")
_NOT_CHEST = ("CC", "ML", "MLO", "LM", "XCCL", "OBLIQUE")
_CHEST = re.compile("CHEST|THORA|TORAX|LUNG|RIB|HEART")


def told_by_header(ds: Dataset) -> list[str]:
    """What the reader must be told. Raises `ReadError` for what is no radiograph."""
    return [*_judge_modality(code(ds, "Modality")), *_judge_content(ds)]


def known_view(ds: Dataset) -> str | None:
    """View Position (0018,5101) if it is a known code: anything else may be free text."""
    view = code(ds, "ViewPosition")
    return view if view in (*_FRONTAL, *_SIDEWAYS, *_NOT_CHEST) else None


def _judge_modality(modality: str) -> list[str]:
    """Refuse what is no radiograph; warn where Modality (0008,0060) does not settle it."""
    if modality in _RADIOGRAPHS:
        return []
    if modality in _PERHAPS:
        return [
            "The file does not say that it is a radiograph; the values mean something only if it "
            "is a frontal chest X-ray."
        ]
    what = _NOT_RADIOGRAPHS.get(modality, "of a kind that is no radiograph")
    raise ReadError(
        f"This is {what}, which the model cannot read; choose a frontal chest X-ray (PA or AP)."
    )


def _judge_content(ds: Dataset) -> list[str]:
    """What the header says against this film: body part, view, text in the picture."""
    told = []
    body_part = code(ds, "BodyPartExamined")
    if body_part and not _CHEST.search(body_part):
        told.append(
            "The file says that it does not show a chest; the model knows chest films only and "
            "its values mean nothing here."
        )
    view = code(ds, "ViewPosition")
    if view in (*_SIDEWAYS, *_NOT_CHEST) or "LATERAL" in view or "OBLIQUE" in view:
        told.append(
            "The file says that this is not a frontal view; the model was trained on frontal "
            "(PA or AP) films only and its values mean nothing here."
        )
    if code(ds, "BurnedInAnnotation") == "YES":
        told.append("The file says that text is burned into the picture: names may be readable.")
    return told

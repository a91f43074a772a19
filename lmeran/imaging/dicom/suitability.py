"""Whether a DICOM file is a frontal chest radiograph as it is read, as far as its header tells."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator

from pydicom.dataset import Dataset
from pydicom.tag import Tag

from lmeran.imaging.dicom.attributes import code, codes, items_of, value_of
from lmeran.imaging.radiograph import ReadError
from lmeran.imaging.window import BrokenError

_RADIOGRAPHS = ("CR", "DX", "RG")
_PERHAPS = ("RF", "SC", "OT", "")
# fmt: off
_NOT_RADIOGRAPHS = {
    "BMD": "a bone density image", "CT": "a CT image", "ES": "an endoscopy image",
    "IO": "a dental X-ray", "KO": "a list of references without an image", "MG": "a mammogram",
    "MR": "an MR image", "NM": "a nuclear medicine image", "OP": "a photograph of the eye",
    "PR": "a presentation state without an image", "PT": "a PET image", "PX": "a dental X-ray",
    "RTDOSE": "a radiotherapy dose map", "RTIMAGE": "a radiotherapy image",
    "RTPLAN": "a radiotherapy plan without an image", "SEG": "a segmentation",
    "RTSTRUCT": "a set of radiotherapy contours without an image", "SM": "a microscopy image",
    "SR": "a report without an image", "US": "an ultrasound image", "XA": "an angiogram",
    "XC": "a photograph",
}
# fmt: on
_FRONTAL = ("PA", "AP")
_SIDEWAYS = ("LL", "RL", "LAT", "LATERAL", "LLD", "RLD", "LLO", "RLO", "LAO", "RAO", "LPO", "RPO")
_NOT_CHEST = ("CC", "ML", "MLO", "LM", "XCCL", "OBLIQUE")
_LATERAL = re.compile("(?<![A-Z])[LR]?LAT|OBLI|PROFIL|PERFIL|SEITL")
"""Words for views from the side or aslant, in what is free text in many files."""
# fmt: off
_NOT_FRONTAL_CODES = frozenset((
    "399067008", "399173006", "399198007", "260427002", "399182000", "399184004", "399236003",
    "399160007", "399312000", "399059000", "399135007", "399356000", "399006002", "399038007",
    "R-102CD", "R-10236", "R-10232", "R-40783", "R-102C1", "R-10238", "R-10234",
    "R-10204", "R-10208", "R-10216", "R-10220", "R-40985", "R-10212", "R-10210",
))
# fmt: on
"""Lateral and oblique views of PS3.16 CID 4010, by SNOMED CT and by the older SNOMED RT."""
_CHEST = re.compile(
    "CHEST|THORA|TORA[CKX]|LUNG|RIB|RIPPE|HEART|HERZ|PECHO|PEITO|PETTO|POITRINE|BRUST|BORST|BROST|"
    "BRYST|PIERS|HRUD|GRUD|PRSN|GOGUS|MELLKAS|RINTA|PULM|POUMON|POLMON|LONGEN|CXR|胸|肺|흉부|가슴|"
    "ГРУД|ЛЕГК|ΘΩΡΑ|صدر|חזה"
)
# fmt: off
_ENCODINGS = (
    "utf-8", "gb18030", "iso2022_jp", "shift_jis", "euc_jp", "euc_kr", "iso8859_5", "cp1251",
    "iso8859_7",
)
# fmt: on
"""What body parts are written in where not in ASCII, the only one allowed (PS3.5 6.2)."""
_OTHER_PART = re.compile(
    "ABDOM|ANKLE|ARM|BLADDER|BRAIN|BREAST|BUTTOCK|CALCAN|CALF|CEREB|COCCYX|COLON|ELBOW|EXTREM|EYE|"
    "FACE|FEMUR|FIBULA|FINGER|FOOT|HAND|HEAD|HIP|HUMERUS|JAW|KIDNEY|KNEE|LEG|LIVER|MANDIBLE|"
    "MAXILLA|NECK|PATELLA|PELVI|PROSTATE|RADIUS|SACRUM|SHOULDER|SINUS|SKULL|SPINE|STOMACH|TEETH|"
    "THIGH|THUMB|TIBIA|TOE|TOOTH|ULNA|UTERUS|WRIST"
)
"""Defined terms of Body Part Examined (PS3.16, annex L) that are not the chest."""
_RAW_CLASS = "1.2.840.10008.5.1.4.1.1.1.1.1"
"""Digital X-Ray Image Storage - For Processing."""
_STORED = {"RF": "mirrored", "LH": "mirrored and upside down", "RH": "upside down"}
"""How a frontal film lies whose rows and columns run that way; LF is the upright one."""
OVERLAY_TAGS = tuple(
    Tag(group, element) for group in range(0x6000, 0x6020, 2) for element in (0x0102, 0x3000)
)
"""Overlay Bit Position (60xx,0102) and Overlay Data (60xx,3000) of the 16 planes (PS3.3 C.9.2)."""


def told_by_header(ds: Dataset) -> list[str]:
    """What the reader must be told. Raises `ReadError` for what is no radiograph."""
    modality, told = code(ds, "Modality"), []
    if modality not in (*_RADIOGRAPHS, *_PERHAPS):
        what = _NOT_RADIOGRAPHS.get(modality, "of a kind that is no radiograph")
        raise ReadError(
            f"This is {what}, which the model cannot read; choose a frontal chest X-ray (PA or AP)."
        )
    if modality in _PERHAPS:
        told.append(
            "The file does not say that it is a radiograph; the values mean something only if it "
            "is a frontal chest X-ray."
        )
    body_part = " ".join(_readings(str(value_of(ds, "BodyPartExamined") or "")))
    if _CHEST.search(body_part):
        pass
    elif _OTHER_PART.search(body_part):
        told.append(
            "The file says that it does not show a chest; the model knows chest films only and "
            "its values mean nothing here."
        )
    elif body_part.strip():
        told.append(
            "The file names a body part in words that this program does not know; check that the "
            "film shows a chest."
        )
    if _is_not_frontal(ds):
        told.append(
            "The file says that this is not a frontal view; the model was trained on frontal "
            "(PA or AP) films only and its values mean nothing here."
        )
    if code(ds, "BurnedInAnnotation") == "YES":
        told.append("The file says that text is burned into the picture: names may be readable.")
    if is_for_processing(ds):
        relation = {"LIN": ", linear in the dose", "LOG": ", logarithmic in the dose"}
        how = relation.get(code(ds, "PixelIntensityRelationship"), "")
        told.append(
            f"This is the raw image of the detector (For Processing{how}), not the film that is "
            "read; choose the processed one, as the model was not trained on raw images."
        )
    ends = directions(ds)
    if ends not in ("", "LF") and not set(ends) & set("AP"):
        told.append(
            f"The file says that the film is stored {_STORED.get(ends, 'turned on its side')}; the "
            "model knows upright films with the patient's left side on the right, so turn it and "
            "export it again."
        )
    # A plane with any bit set, or one that lies in bits above those of the pixels.
    if any(any(ds.get_item(tag).value or b"") for tag in OVERLAY_TAGS if tag in ds):
        told.append(
            "The file holds an overlay (letters or marks drawn over the film) that is not shown "
            "here; look at it in a viewer that shows overlays."
        )
    return told


def is_for_processing(ds: Dataset) -> bool:
    """Whether this is the detector's raw image, by Presentation Intent Type (0008,0068)."""
    intent = code(ds, "PresentationIntentType")
    return intent == "FOR PROCESSING" or (not intent and code(ds, "SOPClassUID") == _RAW_CLASS)


def known_view(ds: Dataset) -> str | None:
    """View Position (0018,5101) if it is a known code: anything else may be free text."""
    view = code(ds, "ViewPosition")
    return view if view in (*_FRONTAL, *_SIDEWAYS, *_NOT_CHEST) else None


def _readings(text: str) -> Iterator[str]:
    """A code string in capitals without accents, as each encoding reads it that can.

    pydicom reads code strings as Latin-1, byte by byte.
    """
    for encoding in ("latin-1",) if text.isascii() and "\x1b" not in text else _ENCODINGS:
        try:
            read = text.encode("latin-1").decode(encoding)
        except UnicodeError:
            read = text
        letters = (c for c in unicodedata.normalize("NFKD", read) if not unicodedata.combining(c))
        yield unicodedata.normalize("NFC", "".join(letters)).upper()


def _is_not_frontal(ds: Dataset) -> bool:
    """By View Position (0018,5101), View Code Sequence (0054,0220) or Patient Orientation."""
    view = code(ds, "ViewPosition")
    try:
        items = items_of(ds, "ViewCodeSequence")
    except BrokenError:
        items = []
    words = [view, *(code(item, "CodeMeaning") for item in items)]
    return (
        view in (*_SIDEWAYS, *_NOT_CHEST)
        or any(_LATERAL.search(word) for word in words)
        or any(code(item, "CodeValue") in _NOT_FRONTAL_CODES for item in items)
        or bool(set(directions(ds)) & set("AP"))
    )


def directions(ds: Dataset) -> str:
    """Where rows and columns run to by Patient Orientation (0020,0020), "LF" for an upright film;
    empty where it does not say."""
    words = codes(ds, "PatientOrientation")
    known = len(words) == 2 and all(re.fullmatch("[ALRPFH]{1,3}", word) for word in words)
    return "".join(word[0] for word in words) if known else ""

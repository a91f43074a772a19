"""What a header says of a film, and what the reader is told."""

from __future__ import annotations

import numpy as np
import pytest
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence

from lmeran.imaging.dicom.reader import read_dicom
from tests.support.dicom_making import (
    SIZE,
    film,
    read,
    refusal,
    written,
)

# What the header says


@pytest.mark.parametrize("modality", ["CR", "DX", "RG"])
def test_radiographs_read_without_a_warning(modality):
    result = read(film(Modality=modality, ViewPosition="PA"))
    assert (result.modality, result.view, result.warnings) == (modality, "PA", ())
    assert (result.media, result.bits, result.height, result.width) == ("DICOM", 12, SIZE, SIZE)


@pytest.mark.parametrize("modality", ["OT", "SC", "RF", ""])
def test_doubtful_modalities_read_with_a_warning(modality):
    result = read(film(Modality=modality))
    assert "does not say that it is a radiograph" in result.warnings[0]


@pytest.mark.parametrize(
    "modality", ["CT", "MR", "US", "NM", "PT", "MG", "XA", "SEG", "RTDOSE", "SR", "TREMBLAY"]
)
def test_other_modalities_are_refused(modality):
    text = refusal(film(Modality=modality))
    assert "choose a frontal chest X-ray" in text
    assert "TREMBLAY" not in text


@pytest.mark.parametrize("view", ["LL", "LATERAL", "RAO", "LEFT LATERAL"])
def test_other_views_are_warned_about(view):
    result = read(film(ViewPosition=view))
    assert "not a frontal view" in result.warnings[0]


def test_free_text_is_never_echoed():
    result = read(film(ViewPosition="TREMBLAY J", BodyPartExamined="TREMBLAY"))
    assert result.view is None
    assert "TREMBLAY" not in repr(result)
    assert "body part in words" in result.warnings[0]


@pytest.mark.parametrize(
    "word",
    [
        "TORACE",
        "PECHO",
        "THORAX",
        "TÓRAX",
        "POITRINE",
        "BRUSTKORB",
        "BORSTKAS",
        "PULMÃO",
    ],
)
def test_the_chest_in_other_languages_is_the_chest(word):
    assert read(film(BodyPartExamined=word)).warnings == ()


@pytest.mark.parametrize(
    ("word", "encoding"),
    [
        *(("胸部", encoding) for encoding in ("utf-8", "iso2022_jp", "shift_jis", "gb18030")),
        ("흉부", "euc_kr"),
        ("ГРУДЬ", "iso8859_5"),
        ("ΘΩΡΑΚΑΣ", "iso8859_7"),
    ],
)
def test_the_chest_in_other_letters_is_the_chest(word, encoding):
    raw = word.encode(encoding)
    data = written(film(BodyPartExamined="X" * len(raw))).replace(b"X" * len(raw), raw)
    assert read_dicom(data).warnings == ()


@pytest.mark.parametrize("word", ["KNEE", "ABDOMEN", "SKULL", "EXTREMITY"])
def test_another_body_part_is_warned_about(word):
    assert "does not show a chest" in read(film(BodyPartExamined=word)).warnings[0]


def view_code(value, meaning):
    item = Dataset()
    item.CodeValue, item.CodingSchemeDesignator, item.CodeMeaning = value, "SCT", meaning
    return Sequence([item])


@pytest.mark.parametrize(
    ("attributes", "told"),
    [
        ({"ViewPosition": "L LAT"}, True),
        ({"ViewPosition": "RLAT"}, True),
        ({"ViewCodeSequence": view_code("399173006", "Profil gauche")}, True),
        ({"ViewCodeSequence": view_code("R-10236", "")}, True),
        ({"ViewCodeSequence": view_code("X", "Right lateral")}, True),
        ({"PatientOrientation": ["A", "F"]}, True),
        ({"ViewPosition": "PLATE"}, False),
        ({"ViewPosition": "BILATERAL"}, False),
        ({"ViewCodeSequence": view_code("399348003", "antero-posterior")}, False),
    ],
)
def test_views_from_the_side_are_known_by_code_and_word(attributes, told):
    warnings = read(film(**attributes)).warnings
    assert any("not a frontal view" in warning for warning in warnings) == told


@pytest.mark.parametrize(
    ("orientation", "how"),
    [
        (["R", "F"], "stored mirrored;"),
        (["L", "H"], "mirrored and upside down"),
        (["RF", "HR"], "stored upside down"),
        (["F", "L"], "on its side"),
    ],
)
def test_films_stored_another_way_round_are_told(orientation, how):
    radiograph = read(film(PatientOrientation=orientation))
    assert radiograph.directions == "".join(word[0] for word in orientation)
    [warning] = radiograph.warnings
    assert how in warning


@pytest.mark.parametrize("orientation", [["L", "F"], ["LH", "FL"], [], "L", ["", ""], ["X", "Y"]])
def test_upright_films_and_unknown_orientations_are_not(orientation):
    assert read(film(PatientOrientation=orientation)).warnings == ()


RAW = {"SOPClassUID": "1.2.840.10008.5.1.4.1.1.1.1.1", "PixelIntensityRelationship": "LOG"}


@pytest.mark.parametrize(
    ("attributes", "inverted"),
    [
        ({**RAW, "PixelIntensityRelationshipSign": 1}, True),
        ({**RAW, "PixelIntensityRelationshipSign": -1}, False),
        ({**RAW, "PixelIntensityRelationshipSign": 1, "RescaleSlope": -1}, True),
        ({**RAW, "PhotometricInterpretation": "MONOCHROME1"}, True),
        ({"PresentationIntentType": "FOR PROCESSING"}, False),
    ],
)
def test_a_raw_detector_image_is_told_and_shown_with_dense_tissue_bright(attributes, inverted):
    """Sign 1: low values had less intensity, so they are the dense tissue (PS3.3 C.8.11.3.1.2)."""
    result = read(film(**attributes))
    [warning] = result.warnings
    assert "For Processing" in warning
    assert ("logarithmic" in warning) == ("PixelIntensityRelationship" in attributes)
    assert (result.pixels[0, 0] > result.pixels[-1, -1]) == inverted


def test_a_processed_film_is_not_turned_by_the_sign():
    result = read(film(PresentationIntentType="FOR PRESENTATION", PixelIntensityRelationshipSign=1))
    assert result.warnings == ()
    assert result.pixels[0, 0] < result.pixels[-1, -1]


@pytest.mark.parametrize("group", [0x6000, 0x601E])
@pytest.mark.parametrize(
    ("data", "position", "told"),
    [(b"\0" * 511 + b"\1", 0, True), (bytes(512), 0, False), (None, 12, True), (None, 0, False)],
)
def test_an_overlay_is_told_unless_it_is_empty(group, data, position, told):
    ds = film()
    ds.add_new((group, 0x0010), "US", SIZE)
    ds.add_new((group, 0x0102), "US", position)
    if data is not None:
        ds.add_new((group, 0x3000), "OW", data)
    assert any("overlay" in warning for warning in read(ds).warnings) == told


def test_what_nobody_needs_may_be_broken():
    """Attributes of another type than the standard's: the film is read all the same."""
    plain = read(film(WindowCenter=2048, WindowWidth=4096))
    for tag in ((0x0008, 0x0068), (0x0020, 0x0020), (0x0028, 0x1040), (0x0028, 0x1041)):
        for vr, value in (("LT", "garbage!"), ("FD", [1.5]), ("US", [1, 2])):
            ds = film(WindowCenter=2048, WindowWidth=4096)
            ds.add_new(tag, vr, value)
            np.testing.assert_array_equal(read(ds).pixels, plain.pixels)
    for tag in ((0x0054, 0x0220), (0x0028, 0x3010)):
        ds = film(WindowCenter=2048, WindowWidth=4096)
        ds.add_new(tag, "US", [1, 2])
        assert read(ds).pixels.max() == 255
    short = written(film(WindowCenter=2048, WindowWidth=4096, PatientOrientation=["L", "F"]))
    read_dicom(short.replace(b"CS\4\0L\\F ", b"FD\4\0L\\F "))


def test_burned_in_text_is_warned_about():
    assert "burned" in read(film(BurnedInAnnotation="YES")).warnings[0]


def test_spacing_and_its_source():
    result = read(film(PixelSpacing=[0.2, 0.2], ImagerPixelSpacing=[0.1, 0.1]))
    assert (result.spacing.row_mm, result.spacing.source) == (0.2, "PixelSpacing")
    result = read(film(ImagerPixelSpacing=[0.1, 0.15]))
    spacing = result.spacing
    assert (spacing.row_mm, spacing.column_mm) == (0.1, 0.15)
    assert spacing.source == "ImagerPixelSpacing"
    assert "not square" in result.warnings[0]
    for broken in ([0, 0.1], [-1, 1], [0.1], [0.1, 0.1, 0.1]):
        assert read(film(PixelSpacing=broken)).spacing is None
    assert "not square" in read(film(PixelAspectRatio=[1, 2])).warnings[0]

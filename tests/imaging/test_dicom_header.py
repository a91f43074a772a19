"""What a header says of a film, and what the reader is told."""

from __future__ import annotations

import pytest

from tests.support.dicom_making import (
    SIZE,
    film,
    read,
    refusal,
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
    assert "does not show a chest" in result.warnings[0]


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

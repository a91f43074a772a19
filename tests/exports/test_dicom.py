"""DICOM objects made of a reading, read again by pydicom and highdicom, judged by dciodvfy."""

from __future__ import annotations

import io
import shutil
import subprocess
import warnings
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pydicom import Dataset, dcmread

from lmeran.cli.main import main
from lmeran.exports.dicom.source import SourceImage, read_source
from lmeran.exports.formats import FORMATS, check_extra
from lmeran.exports.picture import captioned
from lmeran.exports.record import ExportError, Record, record_of
from lmeran.findings import FINDINGS, State, display_name
from lmeran.imaging.files import read_file
from lmeran.predictor import Predictor
from tests.support import dicom_making
from tests.support.fitting import a_calibration

highdicom = pytest.importorskip("highdicom")

from lmeran.exports.dicom.secondary_capture import secondary_capture  # noqa: E402
from lmeran.exports.dicom.segmentation import segmentation  # noqa: E402
from lmeran.exports.dicom.structured_report import structured_report  # noqa: E402

PINS = {"Effusion": State.POSITIVE, "Mass": State.NEGATIVE}
PATIENT = {
    "PatientName": "Sentinel^Josephine",
    "PatientID": "SENTINEL-4711",
    "PatientBirthDate": "19010203",
    "PatientSex": "F",
    "StudyDate": "20200102",
    "AccessionNumber": "ACC1",
    "IssuerOfPatientID": "HOSPITAL",
}
PRIVATE = {"InstitutionName": "Sentinel Hospital", "PatientComments": "Sentinel comment"}
REFERENCES = {
    "SOPInstanceUID": "1.2.3.4",
    "StudyInstanceUID": "1.2.3.5",
    "SeriesInstanceUID": "1.2.3.6",
}


def write_film(path: Path, **changes: Any) -> Path:
    pixels = np.random.default_rng(0).integers(0, 4095, (90, 70)).astype(np.uint16)
    ds = dicom_making.film(pixels, **{**PATIENT, **PRIVATE, **REFERENCES, **changes})
    path.write_bytes(dicom_making.written(ds))
    return path


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_film(tmp_path_factory.mktemp("film") / "film.dcm")


@pytest.fixture(scope="module")
def record(predictor: Predictor, path: Path) -> Record:
    film = read_file(path)
    return record_of(predictor, film, predictor.encode(film), PINS, "Pleural thickening")


@pytest.fixture(scope="module")
def source(record: Record, path: Path) -> SourceImage:
    return read_source(path, record.film)


@pytest.fixture(scope="module")
def made(record: Record, source: SourceImage) -> dict[str, Dataset]:
    data = {
        "sr": structured_report(record, source, "Doe^Jane"),
        "seg": segmentation(record, source),
        "sc": secondary_capture(record, source),
    }
    return {name: dcmread(io.BytesIO(one)) for name, one in data.items()}


@pytest.mark.parametrize("name", ["sr", "seg", "sc"])
def test_each_object_belongs_to_the_patient_and_study_of_its_source(
    made: dict[str, Dataset], name: str
) -> None:
    ds = made[name]
    for keyword, value in PATIENT.items():
        assert str(ds[keyword].value) == value
    assert ds.StudyInstanceUID == REFERENCES["StudyInstanceUID"]
    assert ds.SeriesInstanceUID != REFERENCES["SeriesInstanceUID"]
    text = str(ds)
    assert "Hospital" not in text
    assert "comment" not in text
    assert ds.ContentQualification == "RESEARCH"
    assert ds.StudyTime == ""


@pytest.mark.parametrize("sop_class", ["1.2.840.10008.5.1.4.1.1.1", "1.2.840.10008.5.1.4.1.1.7"])
def test_computed_radiographs_and_captures_can_be_sources(
    record: Record, tmp_path: Path, sop_class: str
) -> None:
    modality = "CR" if sop_class.endswith("1.1.1") else "OT"
    described = {"PatientOrientation": ["L", "F"], "ImagerPixelSpacing": [0.2, 0.2]}
    path = write_film(tmp_path / "film.dcm", SOPClassUID=sop_class, Modality=modality, **described)
    source = read_source(path, record.film)
    for make in (structured_report, segmentation, secondary_capture):
        ds = dcmread(io.BytesIO(make(record, source)))
        assert references(ds) == {REFERENCES["SOPInstanceUID"]}
        assert ("Patient Orientation Row" in str(ds)) == (ds.Modality == "SR" and modality == "CR")


def test_spacing_of_zero_and_no_modality_are_as_good_as_none(
    record: Record, tmp_path: Path
) -> None:
    odd = {"PixelSpacing": [0, 0], "PatientOrientation": ["L", "F"], "Modality": ""}
    path = write_film(tmp_path / "film.dcm", ImagerPixelSpacing=[0, 0], **odd)
    source = read_source(path, record.film)
    seg = dcmread(io.BytesIO(segmentation(record, source)))
    assert "PixelMeasuresSequence" not in seg.SharedFunctionalGroupsSequence[0]
    assert references(dcmread(io.BytesIO(structured_report(record, source))))


def references(ds: Dataset) -> set[str]:
    """Every instance an object refers to, at any depth."""
    found: set[str] = set()
    ds.walk(
        lambda _, e: found.add(str(e.value)) if e.keyword == "ReferencedSOPInstanceUID" else None
    )
    return found


def test_each_object_refers_to_the_source_image_alone(made: dict[str, Dataset]) -> None:
    for ds in made.values():
        assert references(ds) == {REFERENCES["SOPInstanceUID"]}
    assert len({ds.SOPInstanceUID for ds in made.values()}) == 3
    series = made["sr"].CurrentRequestedProcedureEvidenceSequence[0].ReferencedSeriesSequence[0]
    assert series.SeriesInstanceUID == REFERENCES["SeriesInstanceUID"]
    series = made["seg"].ReferencedSeriesSequence[0]
    assert series.SeriesInstanceUID == REFERENCES["SeriesInstanceUID"]


def test_the_report_holds_both_probabilities_of_every_finding(
    made: dict[str, Dataset], record: Record
) -> None:
    report = highdicom.sr.ComprehensiveSR.from_dataset(made["sr"])
    groups = report.content.get_image_measurement_groups()
    assert len(groups) == len(FINDINGS) + 1
    for i, finding in enumerate(FINDINGS):
        assert groups[i].finding_type.meaning == display_name(finding)
        assert groups[i].finding_type.value == f"CXR14-{i + 1:02d}"
        values = {m.method.value: m.value for m in groups[i].get_measurements()}
        assert values["FREE"] == pytest.approx(record.reading.free[i], abs=1e-6)
        if finding in PINS:
            assert set(values) == {"FREE"}
        else:
            assert values["PINNED"] == pytest.approx(record.reading.conditioned[i], abs=1e-6)


def test_a_calibrated_probability_stands_beside_the_raw_ones(
    predictor: Predictor, record: Record, source: SourceImage
) -> None:
    fitted = Predictor(replace(predictor.checkpoint, calibration=a_calibration()))
    calibrated = record_of(fitted, record.film, fitted.encode(record.film), PINS, "Mass")
    ds = dcmread(io.BytesIO(structured_report(calibrated, source)))
    groups = highdicom.sr.ComprehensiveSR.from_dataset(ds).content.get_image_measurement_groups()
    edema = FINDINGS.index("Edema")
    values = {m.method.value: m.value for m in groups[edema].get_measurements()}
    assert values["CALIBRATED"] == pytest.approx(calibrated.reading.calibrated[edema], abs=1e-6)
    assert set(values) == {"FREE", "PINNED", "CALIBRATED"}


def test_the_pins_are_the_readers_own_evaluations(made: dict[str, Dataset]) -> None:
    report = highdicom.sr.ComprehensiveSR.from_dataset(made["sr"])
    group = report.content.get_image_measurement_groups()[-1]
    stated = {e.name.meaning: e.value.meaning for e in group.get_qualitative_evaluations()}
    pinned = {display_name(finding) for finding in FINDINGS} & set(stated)
    assert {f: stated[f] for f in pinned} == {"Effusion": "Present", "Mass": "Absent"}
    items = {i.ConceptNameCodeSequence[0].CodeMeaning: i for i in group[0].ContentSequence}
    assert items["Observer Type"].ConceptCodeSequence[0].CodeMeaning == "Person"
    assert items["Person Observer Name"].PersonName == "Doe^Jane"
    root = {i.ConceptNameCodeSequence[0].CodeMeaning: i for i in made["sr"].ContentSequence}
    assert root["Observer Type"].ConceptCodeSequence[0].CodeMeaning == "Device"


def test_a_free_reading_has_no_reader_in_its_report(
    predictor: Predictor, record: Record, source: SourceImage
) -> None:
    free = record_of(predictor, record.film, predictor.encode(record.film), {}, "Mass")
    ds = dcmread(io.BytesIO(structured_report(free, source)))
    groups = highdicom.sr.ComprehensiveSR.from_dataset(ds).content.get_image_measurement_groups()
    assert [len(group.get_measurements()) for group in groups] == [1] * len(FINDINGS)


def test_the_segmentation_is_the_map_on_the_sources_pixels(
    made: dict[str, Dataset], record: Record
) -> None:
    seg = highdicom.seg.Segmentation.from_dataset(made["seg"])
    assert (seg.Rows, seg.Columns) == (90, 70)
    assert seg.SegmentationType == "FRACTIONAL"
    field = record.geometry.map_to_original(record.map.values)
    stored = seg.pixel_array.astype(np.float64).reshape(90, 70)
    off = np.abs(stored / seg.MaximumFractionalValue - field / field.max())
    assert off.max() <= 0.5 / 255 + 1e-6
    segment = seg.SegmentSequence[0]
    assert segment.SegmentLabel == "Pleural Thickening: attention of the model"
    assert f"probability {record.reading.shown[record.index]:.4f}" in segment.SegmentDescription
    assert segment.SegmentAlgorithmType == "AUTOMATIC"


def test_the_secondary_capture_is_the_captioned_picture(
    made: dict[str, Dataset], record: Record
) -> None:
    ds = made["sc"]
    assert (ds.pixel_array == captioned(record)).all()
    assert ds.ImageType[:2] == ["DERIVED", "SECONDARY"]
    assert ds.BurnedInAnnotation == "NO"
    assert "not why" in ds.DerivationDescription
    assert ds.PatientOrientation == ""


def test_text_burned_into_the_source_stays_said(
    predictor: Predictor, record: Record, tmp_path: Path
) -> None:
    path = write_film(tmp_path / "film.dcm", BurnedInAnnotation="YES")
    ds = dcmread(io.BytesIO(secondary_capture(record, read_source(path, record.film))))
    assert ds.BurnedInAnnotation == "YES"


@pytest.mark.skipif(shutil.which("dciodvfy") is None, reason="needs Debian's dicom3tools")
@pytest.mark.parametrize("name", ["sr", "seg", "sc"])
def test_the_standard_is_kept(made: dict[str, Dataset], name: str, tmp_path: Path) -> None:
    file = tmp_path / "object.dcm"
    made[name].save_as(file)
    done = subprocess.run(["dciodvfy", "-new", file], capture_output=True, text=True, check=False)
    judged = done.stdout + done.stderr
    assert not [line for line in judged.splitlines() if line.startswith("Error")], judged


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"SeriesInstanceUID": ""}, "lacks SeriesInstanceUID"),
        ({"StudyInstanceUID": "", "SeriesInstanceUID": ""}, "StudyInstanceUID and SeriesInst"),
        ({"StudyInstanceUID": "1.2.x"}, "StudyInstanceUID is not a valid UID"),
    ],
)
def test_a_header_that_cannot_be_referred_to_is_refused(
    tmp_path: Path, changes: dict[str, str], words: str
) -> None:
    path = write_film(tmp_path / "film.dcm", **changes)
    with pytest.raises(ExportError, match=words) as caught:
        read_source(path, read_file(path))
    assert "entinel" not in str(caught.value)


def test_odd_patient_values_neither_stop_nor_show(
    record: Record, tmp_path: Path, caplog: pytest.LogCaptureFixture, capsys: Any
) -> None:
    odd = {"PatientName": "Sentinel Josephine, née Öztürk=x=y=z", "PatientSex": "female?"}
    odd |= {"PatientBirthDate": "03.02.1901", "SpecificCharacterSet": "ISO_IR 192"}
    path = write_film(tmp_path / "film.dcm", **odd)
    caplog.clear()  # what writing the odd values said
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        source = read_source(path, record.film)
        makers = (structured_report, segmentation, secondary_capture)
        made = [make(record, source) for make in makers]
    said = caplog.text + "".join(str(w.message) for w in told) + "".join(capsys.readouterr())
    for word in ("Josephine", "1901", "female"):
        assert word not in said
    for data in made:
        ds = dcmread(io.BytesIO(data))
        assert "Sentinel Josephine" in str(ds.PatientName)
        assert ds.get_item("PatientBirthDate").value.strip() == b"03.02.1901"


def test_the_command_writes_all_three(
    path: Path, tmp_path: Path, checkpoint_folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    given = [str(path), "--as", "sr,seg,sc", "--out", str(tmp_path / "out")]
    assert main(["export", *given, "--checkpoint", str(checkpoint_folder)]) == 0
    files = [Path(line) for line in capsys.readouterr().out.splitlines()]
    assert [dcmread(file).Modality for file in files] == ["SR", "SEG", "OT"]
    assert all("entinel" not in file.name for file in files)


def test_without_highdicom_one_sentence_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(ExportError, match=r"requirements-dicom\.txt"):
        check_extra(["pdf", "sr"])
    check_extra([name for name, form in FORMATS.items() if not form.dicom])

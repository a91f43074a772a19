"""Readings taken along: tables, places of maps, names of files, and the command."""

from __future__ import annotations

import io
import json
from pathlib import Path

import numpy as np
import pypdf
import pytest
from scipy import ndimage

from lmeran.cli.main import main
from lmeran.exports.formats import FORMATS, Request, parse_formats
from lmeran.exports.reading_file import ImageIdentity, parse_reading_file
from lmeran.exports.record import NOTICE, ExportError, MapChoice, Record, record_of
from lmeran.exports.regions import map_regions
from lmeran.exports.replay import replay
from lmeran.exports.tables import reading_csv, reading_json, regions_csv
from lmeran.findings import FINDINGS, PinError, Pins, State
from lmeran.imaging.geometry import Geometry
from lmeran.imaging.radiograph import Radiograph
from lmeran.model.maps import ROLLOUT, AttentionMap
from lmeran.predictor import Predictor
from tests.support import dicom_making
from tests.support.readings import PINS, rows

SENTINELS = {
    "PatientName": "Sentinel^Josephine",
    "PatientID": "SENTINEL-ID-4711",
    "PatientBirthDate": "19010203",
    "AccessionNumber": "SENTINELACC",
    "InstitutionName": "Sentinel Hospital",
    "StudyDescription": "SENTINEL STUDY",
    "ReferringPhysicianName": "Sentinel^Referring",
    "StudyInstanceUID": "1.2.3.987654321",
}
SENTINEL_WORDS = (b"entinel", b"SENTINEL", b"19010203", b"987654321", b"Josephine")


def test_csv_is_the_reading(record: Record) -> None:
    table = rows(reading_csv(record))
    assert [row["finding"] for row in table] == list(FINDINGS)
    for i, row in enumerate(table):
        assert float(row["free"]) == pytest.approx(record.reading.free[i], abs=1e-6)
        if row["finding"] in PINS:
            assert row["conditioned"] == row["change"] == ""
        else:
            assert float(row["conditioned"]) == pytest.approx(
                record.reading.conditioned[i], abs=1e-6
            )
            difference = float(row["conditioned"]) - float(row["free"])
            assert float(row["change"]) == pytest.approx(difference, abs=2e-6)
    assert table[FINDINGS.index("Effusion")]["state"] == "positive"


def test_json_is_the_reading_with_map_and_decomposition(record: Record) -> None:
    content = json.loads(reading_json(record))
    assert content["notice"] == NOTICE
    assert content["image"] == {"sha256": record.image.sha256, "height": 300, "width": 240}
    assert content["pins"] == {"Effusion": "positive", "Mass": "negative"}
    assert content["finding"] == "Pleural_Thickening"
    assert [e["finding"] for e in content["findings"]] == list(FINDINGS)
    logit = sum(line["logits"] for line in content["decomposition"])
    shown = content["findings"][record.index]["conditioned"]
    assert 1 / (1 + np.exp(-logit)) == pytest.approx(shown, abs=1e-5)
    assert content["map"]["layer"] == 3
    assert len(content["map"]["peak"]) == 2
    assert "file" not in content


def two_places() -> tuple[AttentionMap, Geometry]:
    """A map of 8 x 8 cells with a strong place at row 2, column 5 and a weaker one below left."""
    values = np.zeros((8, 8), np.float32)
    values[2, 5], values[2, 6], values[6, 1] = 0.4, 0.2, 0.3
    return AttentionMap("Mass", 3, None, values, 78), Geometry(400, 160, 96)


def test_places_of_a_map_equal_scipys(record: Record) -> None:
    attention, geometry = two_places()
    found = map_regions(attention, geometry)
    field = geometry.map_to_original(attention.values).astype(np.float64)
    inside = field >= 0.4 * field.max()
    labels, count = ndimage.label(inside, np.ones((3, 3)))
    assert len(found.regions) == count == 2
    boxes = {
        (float(c.start), float(r.start), float(c.stop), float(r.stop))
        for r, c in ndimage.find_objects(labels)
    }
    assert {region.box for region in found.regions} == boxes
    for region in found.regions:
        x, y = region.centroid
        k = labels[int(y), int(x)]
        row, column = ndimage.center_of_mass(np.where(labels == k, field, 0))
        assert (x, y) == pytest.approx((column + 0.5, row + 0.5), abs=1e-3)
        assert region.area == (labels == k).sum()
        assert region.share == pytest.approx(field[labels == k].sum() / field.sum(), rel=1e-5)
    row, column = ndimage.center_of_mass(np.where(inside, field, 0))
    assert found.centroid == pytest.approx((column + 0.5, row + 0.5), abs=1e-3)
    assert found.peak == (5.5 * 160 / 8, 2.5 * 400 / 8)
    assert found.regions[0].share > found.regions[1].share


def test_a_map_of_nothing_has_no_places() -> None:
    nothing = AttentionMap("Mass", 1, None, np.zeros((8, 8), np.float32), 78)
    found = map_regions(nothing, Geometry(100, 100, 96))
    assert found.regions == ()


def test_boxes_are_a_table_in_film_pixels(record: Record) -> None:
    table = rows(regions_csv(record))
    found = map_regions(record.map, record.geometry)
    assert [row["part"] for row in table] == ["peak", "centroid"] + ["box"] * len(found.regions)
    assert float(table[0]["x"]) == pytest.approx(found.peak[0], abs=0.05)
    for row, region in zip(table[2:], found.regions, strict=True):
        sides = tuple(float(row[side]) for side in ("left", "top", "right", "bottom"))
        assert sides == pytest.approx(region.box, abs=0.05)
        assert 0 <= sides[0] < sides[2] <= 240
        assert 0 <= sides[1] < sides[3] <= 300


def test_other_questions_have_other_names(predictor: Predictor, film: Radiograph) -> None:
    encoded = predictor.encode(film)
    names = {
        record_of(predictor, film, encoded, pins, "Mass", MapChoice(layer, head)).name
        for pins in ({}, PINS, {"Effusion": State.NEGATIVE})
        for layer, head in ((None, None), (1, 2), (ROLLOUT, None))
    }
    assert len(names) == 9
    assert all(name.startswith(f"lmeran-{ImageIdentity.of(film).sha256[:8]}-") for name in names)
    default = record_of(predictor, film, encoded, PINS)
    assert default.finding not in PINS
    with pytest.raises(ValueError, match="layers 1 to 3"):
        record_of(predictor, film, encoded, {}, choice=MapChoice(4))
    with pytest.raises(PinError):
        record_of(predictor, film, encoded, {}, "Fracture")


def test_the_map_is_free_where_pins_have_no_say(predictor: Predictor, film: Radiograph) -> None:
    encoded = predictor.encode(film)
    reading = predictor.read(encoded, PINS)

    def record(pins: Pins, finding: str, choice: MapChoice) -> Record:
        return record_of(predictor, film, encoded, pins, finding, choice)

    for finding, choice, free in (
        ("Edema", MapChoice(), False),
        ("Edema", MapChoice(free=True), True),
        ("Mass", MapChoice(), True),
        ("Mass", MapChoice(layer=3), True),
        ("Mass", MapChoice(layer=1), False),
    ):
        seen = record(PINS, finding, choice)
        i = FINDINGS.index(finding)
        assert seen.free is free
        assert (seen.map.values == reading.maps(choice.layer, free=free)[i].values).all()
        chosen = reading.free if free else reading.shown
        assert seen.map_probability == chosen[i]
    assert record({}, "Edema", MapChoice()).free
    rolled = record(PINS, "Mass", MapChoice(ROLLOUT)).map.values
    assert (rolled == predictor.rollouts(encoded, [{}])[0][4].values).all()


def test_forms_are_read_from_a_list() -> None:
    assert parse_formats("csv, PDF,csv") == ["csv", "pdf"]
    for text in ("", ",", "pdf,docx"):
        with pytest.raises(ExportError, match="use some of pdf, csv"):
            parse_formats(text)


def test_the_reading_file_of_an_export_replays(predictor: Predictor, film: Radiograph) -> None:
    encoded = predictor.encode(film)
    record = record_of(predictor, film, encoded, PINS, "Mass", MapChoice(1, 2))
    file = parse_reading_file(FORMATS["reading"].make(Request(predictor, encoded, record)))
    assert file.view == {"selected": 4, "map": {"layer": 1, "head": 2}}
    assert replay(file, predictor, record.image, encoded).equal


def sentinel_film(path: Path) -> Path:
    ds = dicom_making.film(**SENTINELS)
    path.write_bytes(dicom_making.written(ds))
    return path


def test_no_form_but_dicom_names_the_patient_or_the_file(
    tmp_path: Path, checkpoint_folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = sentinel_film(tmp_path / "Sentinel_Josephine.dcm")
    forms = [name for name, form in FORMATS.items() if not form.dicom]
    given = [str(path), "--as", ",".join(forms), "--out", str(tmp_path / "out")]
    pinned = ["--pin", "Effusion=positive", "--checkpoint", str(checkpoint_folder)]
    assert main(["export", *given, *pinned]) == 0
    made = sorted((tmp_path / "out").iterdir())
    assert len(made) == len(forms) == 6
    for file in made:
        data = file.read_bytes()
        if file.suffix == ".pdf":
            reader = pypdf.PdfReader(io.BytesIO(data))
            data += str(reader.metadata).encode() + reader.pages[0].extract_text().encode()
        for word in SENTINEL_WORDS:
            assert word not in data, (file.suffix, word)
            assert word not in file.name.encode()
    captured = capsys.readouterr()
    assert captured.out.splitlines() == [str(tmp_path / "out" / p.name) for p in order(made)]


def order(made: list[Path]) -> list[Path]:
    """As the command prints them: in the order of the forms asked for."""
    endings = [form.ending for form in FORMATS.values() if not form.dicom]
    return [next(p for p in made if p.name.endswith(e) and _is(p, e, endings)) for e in endings]


def _is(path: Path, ending: str, endings: list[str]) -> bool:
    """Whether no longer ending fits: '-boxes.csv' also ends in '.csv'."""
    return max((e for e in endings if path.name.endswith(e)), key=len) == ending


@pytest.mark.parametrize(
    ("extra", "words"),
    [
        (["--as", "docx"], "not a list of formats"),
        (["--finding", "Fracture"], "not one of the 14 findings"),
        (["--layer", "9"], "layers 1 to 3"),
        (["--pin", "Mass=maybe"], "not a state"),
        (["--as", "sr"], "give the DICOM file"),
    ],
)
def test_what_cannot_be_exported_says_why_and_writes_nothing(
    film_file: Path,
    checkpoint_folder: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    extra: list[str],
    words: str,
) -> None:
    common = ["--checkpoint", str(checkpoint_folder), "--out", str(tmp_path / "out")]
    assert main(["export", str(film_file), *common, *extra]) == 2
    captured = capsys.readouterr()
    assert words in captured.err
    assert len(captured.err.strip().splitlines()) == 1
    assert not (tmp_path / "out").exists()

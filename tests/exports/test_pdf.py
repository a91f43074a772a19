"""Pictures and the report of a reading, opened again."""

from __future__ import annotations

import base64
import io
import json
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import cv2
import numpy as np
import pypdf
import pytest

from app.payload.colours import colour_tables
from lmeran.exports.pdf import report_pdf
from lmeran.exports.picture import captioned, colour_table, overlay, picture_png, reduced
from lmeran.exports.reading_file import ImageIdentity
from lmeran.exports.record import NOTICE, Record, record_of
from lmeran.exports.tables import reading_csv, reading_json, regions_csv
from lmeran.exports.words import logits, percent, points
from lmeran.findings import FINDINGS, State
from lmeran.imaging.radiograph import Radiograph
from lmeran.model.lmeran import LMeRAN
from lmeran.ood import UNLIKE
from lmeran.predictor import Predictor
from tests.conftest import film_pixels, lively_model, small_config
from tests.support.fitting import a_calibration, a_gate
from tests.support.readings import PINS, page_text, rows


def test_the_picture_keeps_the_films_pixels_in_their_places(record: Record) -> None:
    image = cv2.imdecode(np.frombuffer(picture_png(record), np.uint8), cv2.IMREAD_COLOR)
    assert image.shape[1] == 240
    assert image.shape[0] > 300
    strip = image[300:]
    assert strip.max() > 200
    assert (image[:300] == overlay(record)[:, :, ::-1]).all()
    assert captioned(record).shape == image.shape


def test_colour_is_absolute_unless_asked_otherwise(record: Record) -> None:
    def colourfulness(scale: str) -> float:
        picture = overlay(record, scale).astype(int)
        return float(np.ptp(picture, axis=2).mean())

    assert 0 < colourfulness("absolute") < colourfulness("relative")
    table = np.frombuffer(base64.b64decode(colour_tables()["inferno"]), np.uint8)
    assert np.abs(table.reshape(256, 3).astype(int) - colour_table()).max() <= 6


def test_print_has_its_own_size_and_says_the_films(predictor: Predictor, film: Radiograph) -> None:
    small = reduced(film, 150)
    assert small.pixels.shape == (150, 120)
    encoded, image = predictor.encode(film), ImageIdentity.of(film)
    of_small = record_of(predictor, small, encoded, PINS, "Mass", image=image)
    of_film = record_of(predictor, film, encoded, PINS, "Mass")
    assert (of_small.name, of_small.image) == (of_film.name, of_film.image)
    assert reading_json(of_small) == reading_json(of_film)
    assert regions_csv(of_small) == regions_csv(of_film)
    assert "240 x 300 px" in page_text(report_pdf(of_small))


def test_the_report_says_all_of_the_reading_in_selectable_text(record: Record) -> None:
    made = datetime(2026, 2, 3, 4, 5, tzinfo=UTC)
    pdf = report_pdf(record, made=made)
    text = page_text(pdf)
    reading = record.reading
    for i, finding in enumerate(FINDINGS):
        name = finding.replace("_", " ")
        if finding in PINS:
            state = PINS[finding].name.lower()
            assert f"{name} {state} {percent(reading.free[i])} pinned" in text
        else:
            numbers = percent(reading.free[i]), percent(reading.conditioned[i])
            assert f"{name} {' '.join(numbers)} {points(reading.shift[i])}" in text
    for entry in record.decomposition.entries(record.finding):
        assert logits(entry.value) in text
    for words in (
        NOTICE,
        "Pinned by the reader: Effusion positive, Mass negative",
        "Why: Pleural Thickening, in logits",
        f"checkpoint {record.checkpoint.identity}, made 2026-02-03 04:05 UTC",
        record.image.sha256,
        "torch",
        "PA, 240 x 300 px, 0.200 x 0.200 mm a pixel (ImagerPixelSpacing)",
        "not a medical device",
    ):
        assert words in text, words
    page = pypdf.PdfReader(io.BytesIO(pdf)).pages[0]
    assert len(page.images) == 2
    assert (round(page.mediabox.width), round(page.mediabox.height)) == (595, 842)


def test_the_report_stays_one_page_whatever_there_is_to_say(predictor: Predictor) -> None:
    warnings = tuple(f"Warning {k} <b>&: a sentence of some length to be read." for k in range(9))
    tall = Radiograph(film_pixels(700, 100), "PNG", 8, warnings=warnings)
    pins = dict.fromkeys(FINDINGS, State.NEGATIVE)
    record = record_of(predictor, tall, predictor.encode(tall), pins)
    text = page_text(report_pdf(record))
    assert warnings[8] in text
    assert "14 findings are pinned" in text


def test_a_calibrated_reading_says_both_numbers(predictor: Predictor, film: Radiograph) -> None:
    fitted = Predictor(replace(predictor.checkpoint, calibration=a_calibration()))
    record = record_of(fitted, film, fitted.encode(film), PINS, "Edema")
    edema, hernia = FINDINGS.index("Edema"), FINDINGS.index("Hernia")
    calibrated = record.reading.calibrated
    table = rows(reading_csv(record))
    assert float(table[edema]["calibrated"]) == pytest.approx(calibrated[edema], abs=1e-6)
    assert table[hernia]["calibrated"] == ""
    assert table[FINDINGS.index("Mass")]["calibrated"] == ""
    text = page_text(report_pdf(record))
    reading = record.reading
    raw = f"{percent(reading.free[edema])} {percent(reading.conditioned[edema])}"
    change = points(reading.shift[edema])
    assert f"Edema {raw} {change} {percent(calibrated[edema])}" in text
    assert f"calibrated on 300 validation films ({a_calibration().identity})" in text
    assert json.loads(reading_json(record))["calibration"] == a_calibration().identity


def test_a_film_unlike_the_trained_ones_is_said_so(predictor: Predictor, film: Radiograph) -> None:
    config = predictor.checkpoint.config
    gate = a_gate(config.backbone.middle_width, config.grid**2, threshold=0)
    strict = Predictor(replace(predictor.checkpoint, gate=gate))
    record = record_of(strict, film, strict.encode(film), {}, "Edema")
    assert UNLIKE in record.warnings
    assert UNLIKE in page_text(report_pdf(record))
    assert UNLIKE in json.loads(reading_json(record))["warnings"]


def test_a_model_without_attention_exports_without_a_map(checkpoint_folder: Path) -> None:
    from lmeran.checkpoint import Checkpoint

    model: LMeRAN = lively_model(small_config(label_branch="embedding"))
    predictor = Predictor(Checkpoint(model, "0" * 12, "test", {}, {}))
    film = Radiograph(film_pixels(), "PNG", 8)
    record = record_of(predictor, film, predictor.encode(film), PINS)
    assert json.loads(reading_json(record))["map"] is None
    assert "no map" in rows(regions_csv(record))[0]["part"]
    assert "no attention" in page_text(report_pdf(record))
    assert (overlay(record) == film.pixels[..., None]).all()

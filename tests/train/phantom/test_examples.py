"""The example films: chosen by what a checkpoint makes of them, and listed with what it says."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np
import pydicom
import pytest

from lmeran.checkpoint import Checkpoint
from lmeran.findings import FINDINGS
from lmeran.hub import BUNDLED
from lmeran.imaging.files import read_file
from lmeran.predictor import Predictor
from tests.conftest import ROOT, lively_model, small_config
from train.phantom.drawing.draw import draw
from train.phantom.drawing.patient import PhantomSpec
from train.phantom.examples import (
    FILMS,
    Effect,
    at_chance,
    boxes_of,
    choose,
    effect_of,
    write_examples,
)

EXAMPLES_FOLDER = ROOT / "assets" / "examples"
EXAMPLES_LIMIT = 3_000_000


def listed(folder: Path) -> list[dict]:
    return json.loads((folder / "examples.json").read_text(encoding="utf-8"))


@pytest.mark.skipif(not BUNDLED.is_dir(), reason="no bundled checkpoint in this checkout")
def test_bundled_examples_are_what_their_list_says() -> None:
    entries, bundled = listed(EXAMPLES_FOLDER), Predictor.from_pretrained()
    files = {path.name for path in EXAMPLES_FOLDER.iterdir()} - {"examples.json"}
    assert {entry["file"] for entry in entries} == files
    assert sum((EXAMPLES_FOLDER / file).stat().st_size for file in files) < EXAMPLES_LIMIT
    for entry in entries:
        assert entry["checkpoint"] == bundled.checkpoint.identity, "run python -m train phantom"
        (drawn,), film = entry["findings_drawn"], read_file(EXAMPLES_FOLDER / entry["file"])
        effect = effect_of(bundled, film, drawn)
        assert effect.is_fit
        assert entry["pin"] == {"finding": drawn, "state": "positive"}
        assert (entry["rank"], entry["moves"]["finding"]) == (effect.rank, effect.moved)
        assert entry["moves"]["points"] == pytest.approx(100 * effect.change, abs=0.2)
        for box in entry["boxes"]:
            assert box["finding"] == drawn
            assert 0 <= box["left"] < box["left"] + box["width"] <= film.width
            assert 0 <= box["top"] < box["top"] + box["height"] <= film.height


def an_effect(
    drawn: str, rank: int, change: float, moved: str = "Hernia"
) -> tuple[PhantomSpec, Effect]:
    return PhantomSpec(0, (drawn,)), Effect(drawn, rank, 0.1, moved, change)


def test_fit_films_of_different_findings_come_first_then_the_nearest() -> None:
    judged = [
        an_effect("Edema", 9, 0.60),  # a large effect, but the film does not show what it should
        an_effect("Effusion", 1, 0.06),
        an_effect("Effusion", 2, -0.30),
        an_effect("Mass", 3, 0.05),
        an_effect("Nodule", 4, 0.07),
        an_effect("Nodule", 5, 0.90),
        an_effect("Fibrosis", 3, 0.04),
    ]
    order = [(effect.drawn, effect.rank) for _, effect in choose(judged)]
    assert order == [
        *[("Effusion", 2), ("Mass", 3), ("Effusion", 1)],
        *[("Fibrosis", 3), ("Nodule", 4), ("Edema", 9)],
    ]


def test_what_a_pin_moves_is_rather_better_than_chance() -> None:
    judged = [
        an_effect("Effusion", 1, 0.40, moved="Mass"),
        an_effect("Effusion", 1, 0.10),
        an_effect("Edema", 1, 0.30, moved="Mass"),
        an_effect("Fibrosis", 1, 0.06),
        an_effect("Nodule", 9, 0.50),
    ]
    metrics = {"report": {"auc": {"Mass": {"low": 0.45}, "Hernia": {"low": 0.6}, "Edema": None}}}
    weak = at_chance(Checkpoint(lively_model(small_config()), "", "", {}, metrics))
    assert weak == {"Mass"}
    order = [(effect.drawn, effect.change) for _, effect in choose(judged, weak)]
    # The finding shown first is one that it is right to believe, though others move farther.
    assert order == [
        *[("Effusion", 0.10), ("Fibrosis", 0.06), ("Edema", 0.30)],
        *[("Effusion", 0.40), ("Nodule", 0.50)],
    ]


def test_boxes_stand_round_each_part_of_a_lesion_but_specks() -> None:
    mask = np.zeros((60, 50), dtype=bool)
    mask[5:15, 10:30] = mask[40:50, 3:8] = True
    mask[55, 40] = True
    assert boxes_of("Mass", mask) == [
        {"finding": "Mass", "left": 10, "top": 5, "width": 20, "height": 10},
        {"finding": "Mass", "left": 3, "top": 40, "width": 5, "height": 10},
    ]
    assert boxes_of("Mass", np.zeros((60, 50), dtype=bool)) == []


@pytest.fixture(scope="module")
def written(predictor: Predictor, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """A folder that had other examples before, and what was reported."""
    folder = tmp_path_factory.mktemp("examples")
    (folder / "examples.json").write_text(json.dumps([{"file": "old.jpg"}]))
    for name in ("old.jpg", "kept.txt"):
        (folder / name).write_bytes(b"")
    return folder, write_examples(folder, predictor, patients=1, side=256)


def test_the_films_chosen_are_written_and_listed_with_what_they_show(
    predictor: Predictor, written: tuple[Path, str]
) -> None:
    folder, report = written
    entries = listed(folder)
    assert len(entries) == FILMS
    names = {"examples.json", "kept.txt", *(entry["file"] for entry in entries)}
    assert {path.name for path in folder.iterdir()} == names
    fit = 0
    for entry in entries:
        (drawn,) = entry["findings_drawn"]
        film = read_file(folder / entry["file"])
        reading = predictor.read(film, {drawn: "positive"})
        i, j = FINDINGS.index(drawn), FINDINGS.index(entry["moves"]["finding"])
        assert entry["rank"] == 1 + (reading.free > reading.free[i]).sum()
        assert entry["moves"]["points"] == pytest.approx(100 * reading.shift[j], abs=0.06)
        assert abs(reading.shift[j]) == np.nanmax(np.abs(reading.shift))
        fit += entry["rank"] <= 3 and abs(reading.shift[j]) >= 0.05
    assert f"{fit} of {FILMS} films have" in report
    assert ("the nearest" in report) == (fit < FILMS)


def test_a_film_is_written_as_drawn(written: tuple[Path, str]) -> None:
    folder, _ = written
    first, *_, last = listed(folder)
    picture = cv2.imread(str(folder / first["file"]), cv2.IMREAD_GRAYSCALE)
    film = draw(PhantomSpec(0, tuple(first["findings_drawn"]), 256, 256))
    assert np.abs(picture.astype(float) - film.pixels).mean() < 4
    film = draw(PhantomSpec(0, tuple(last["findings_drawn"]), 256, 256))
    data = pydicom.dcmread(folder / last["file"])
    assert str(data.PatientName) == "SYNTHETIC^PHANTOM"
    assert np.array_equal(data.pixel_array, film.values), "JPEG 2000 is lossless"
    assert float(data.PixelSpacing[0]) == pytest.approx(film.spacing, abs=1e-4)
    # The window in the file shows the film as it was drawn.
    shown = pydicom.pixels.apply_voi_lut(data.pixel_array, data)
    assert np.corrcoef(shown.ravel(), film.pixels.ravel())[0, 1] > 0.999

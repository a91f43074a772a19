"""Measures of calibration and of the gate against scikit-learn, brute force and known truth."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from types import SimpleNamespace

import cv2
import numpy as np
import pytest
import torch
from scipy.special import expit
from sklearn.calibration import calibration_curve
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import brier_score_loss
from sklearn.metrics import log_loss as sklearn_log_loss

from lmeran.checkpoint import Checkpoint, load_checkpoint
from lmeran.config import Preprocessing
from lmeran.findings import FINDINGS
from lmeran.imaging.preprocess import to_input
from lmeran.ood import ood_scores
from tests.conftest import film_pixels
from tests.support.fitting import UNCALIBRATED, a_calibration, fitted_copy
from tests.support.study_making import bare_study, made_probabilities, made_study
from train.calibration.platt import logits_of
from train.data.index import read_index
from train.data.pixels import cached_pixels
from train.evaluation.calibration.measures import (
    agreement,
    calibration_error,
    reached,
    wilson,
)
from train.evaluation.calibration.section import calibration_section
from train.evaluation.ood.images import SPOILED, dicom_files, patterns, photographs, spoiled
from train.evaluation.ood.section import CHEST, REAL, gate_section, measure
from train.evaluation.predictions import sample_rows
from train.evaluation.section import select
from train.evaluation.study import Study
from train.phantom.drawing.files import write_dicom

N = 3000


@pytest.fixture(scope="module")
def drawn() -> tuple[np.ndarray, np.ndarray]:
    """Labels, and probabilities with ties that are half as large as they should be."""
    random = np.random.default_rng(0)
    p = np.round(random.beta(1, 6, N), 3)
    return (random.random(N) < np.minimum(1, 2 * p)).astype(np.float32), p


def test_scores_are_those_of_scikit_learn(drawn: tuple[np.ndarray, np.ndarray]) -> None:
    labels, p = drawn
    found = SimpleNamespace(**agreement(labels, p))
    kept = np.clip(p, 1e-7, 1 - 1e-7)
    assert found.nll == pytest.approx(sklearn_log_loss(labels, kept, labels=[0, 1]), rel=1e-6)
    assert found.brier == pytest.approx(brier_score_loss(labels, p))
    logits = logits_of(p)
    slope = agreement(labels, expit(2 * logits - 1))["slope"]
    plain = LogisticRegression(C=np.inf, tol=1e-9, max_iter=1000).fit(logits[:, None], labels)
    assert slope == pytest.approx(plain.coef_[0, 0] / 2, rel=0.01)
    assert agreement(np.zeros(5), p[:5])["slope"] is None


def test_the_calibration_error_is_the_weighted_gap(drawn: tuple[np.ndarray, np.ndarray]) -> None:
    labels, p = drawn
    untied = p + np.arange(N) * 1e-9
    observed, mean = calibration_curve(labels, untied, n_bins=10, strategy="quantile")
    assert calibration_error(labels, untied) == pytest.approx(
        np.abs(observed - mean).mean(), abs=1e-3
    )


def test_wilson_by_its_formula() -> None:
    found, z, n, k = wilson(17, 20), 1.959964, 20, 17
    middle = (k / n + z**2 / (2 * n)) / (1 + z**2 / n)
    half = z / (1 + z**2 / n) * np.sqrt(k / n * (1 - k / n) / n + z**2 / (4 * n**2))
    assert (found.low, found.high) == pytest.approx((middle - half, middle + half), abs=1e-6)
    assert wilson(0, 0) is None


def test_shares_reached_count_the_threshold_itself() -> None:
    labels, p = np.array([1, 1, 0, 0, 0.0]), np.array([0.5, 0.2, 0.5, 0.1, 0.2])
    sensitivity, specificity = reached(labels, p, 0.5)
    assert (sensitivity.value, specificity.value) == pytest.approx((1 / 2, 2 / 3))
    assert reached(np.zeros(5), p, 0.5)[0] is None


@pytest.fixture(scope="module")
def study() -> Study:
    """Raw probabilities whose logits should be halved and lowered by one, as `a_calibration`
    does."""
    plain = made_study()
    random = np.random.default_rng(4)
    found = made_probabilities(plain.index)
    labels = np.zeros_like(plain.labels)
    for scenario, p in found.items():
        if scenario.known == 0:
            truth = expit(0.5 * np.log(p / (1 - p)) - 1)
            labels = (random.random(p.shape) < truth).astype(np.float32)
    index = dataclasses.replace(plain.index, labels=labels)
    checkpoint = dataclasses.replace(
        plain.predictions.checkpoint, calibration=dataclasses.replace(a_calibration(), source="a")
    )
    predictions = dataclasses.replace(plain.predictions, checkpoint=checkpoint)
    return dataclasses.replace(plain, index=index, predictions=predictions)


def test_the_section_shows_that_a_right_map_helps(study: Study) -> None:
    section = calibration_section(study)
    frame = select(section.frames["calibration"], known=0)
    found = frame.set_index(["probability", "measure"])
    value = found["value"]
    assert value["calibrated", "nll"] < value["raw", "nll"]
    assert value["calibrated", "ece_mass"] < 0.5 * value["raw", "ece_mass"]
    assert section.facts["not_calibrated"] == [UNCALIBRATED]
    assert value["calibrated", "slope"] == pytest.approx(1, abs=0.1)
    points = section.frames["operating_points"]
    free = select(points, measure="sensitivity")
    assert set(section.frames["calibration"]["known"]) == set(study.predictions.known_counts)
    assert len(free) == 2 * (len(FINDINGS) - 1)
    assert UNCALIBRATED not in set(free["finding"])


def test_a_calibration_that_changes_nothing_has_no_second_column(study: Study) -> None:
    checkpoint = study.predictions.checkpoint
    fitted = checkpoint.calibration
    same = [f if f.slope is None else dataclasses.replace(f, slope=1.0, offset=0.0)
            for f in fitted.findings]  # fmt: skip
    kept = dataclasses.replace(fitted, findings=tuple(same))
    predictions = dataclasses.replace(
        study.predictions, checkpoint=dataclasses.replace(checkpoint, calibration=kept)
    )
    section = calibration_section(dataclasses.replace(study, predictions=predictions))
    assert section.facts["keeps_raw"]
    assert set(section.frames["calibration"]["probability"]) == {"raw"}


def test_without_calibration_or_gate_there_is_no_section() -> None:
    plain = made_study()
    assert calibration_section(plain) is None
    assert gate_section(plain) is None


def test_made_pictures_are_squares_that_differ() -> None:
    preprocessing = Preprocessing(image_size=64)
    for made in (photographs(preprocessing), patterns(64)):
        assert (made.dtype, made.shape[1:]) == (np.uint8, (64, 64))
        assert len(np.unique(made.reshape(len(made), -1), axis=0)) == len(made)
    film = cv2.resize(film_pixels(), (64, 64))[None]
    assert np.array_equal(spoiled(film, "inverted"), 255 - film)
    twice = spoiled(spoiled(film, "turned by 180 degrees"), "turned by 180 degrees")
    assert np.array_equal(twice, film)


def test_dicom_files_are_judged_by_their_header_and_taken_once(tmp_path: Path) -> None:
    values = cv2.resize(film_pixels(), (96, 96)).astype(np.uint16) * 16
    write_dicom(tmp_path / "a.dcm", values, 0.4, "PA", "")
    write_dicom(tmp_path / "b.dcm", values, 0.4, "PA", "")
    write_dicom(tmp_path / "c.dcm", values[::-1].copy(), 0.4, "LL", "")
    (tmp_path / "notes.txt").write_text("no film")
    found = dicom_files(tmp_path, Preprocessing(image_size=64))
    assert [len(kind) for kind in found] == [1, 1, 0]


@pytest.fixture(scope="module")
def gated(checkpoint_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Checkpoint:
    folder = tmp_path_factory.mktemp("gated") / "checkpoint"
    return load_checkpoint(fitted_copy(checkpoint_folder, folder, gate_threshold=2.0))


def test_the_gate_is_measured_on_every_kind(gated: Checkpoint, data: Path, tmp_path: Path) -> None:
    index = read_index(data, "test")
    dicom = tmp_path / "dicom"
    dicom.mkdir()
    values = cv2.resize(film_pixels(), (96, 96)).astype(np.uint16) * 16
    write_dicom(dicom / "a.dcm", values, 0.4, "PA", "")
    lateral = tmp_path / "lateral"
    lateral.mkdir()
    cv2.imwrite(str(lateral / "a.png"), film_pixels())
    (lateral / "notes.txt").write_text("no film")
    study = bare_study(gated, index, tmp_path, gate_films=6, dicom=dicom, unlike=[lateral])
    kinds = measure(study, gated.gate)
    names = [kind.name for kind in kinds]
    assert names[0] == REAL
    assert CHEST in names
    assert len(names) == len(SPOILED) + 5
    assert [(len(k.scores), k.accept) for k in kinds if k.name == "lateral"] == [(1, False)]
    assert {len(kind.scores) for kind in kinds[: len(SPOILED) + 1]} == {6}
    section = gate_section(study)
    warned = select(section.frames["gate"], measure="warned of")["value"].tolist()
    assert warned == pytest.approx([(kind.scores > 2.0).mean() for kind in kinds])
    chosen = index.take(np.array(sample_rows(index, 6)))
    preprocessing = gated.config.preprocessing
    squares = np.array(cached_pixels(chosen, preprocessing, tmp_path))
    with torch.inference_mode():
        cells = gated.model.encode(to_input(squares, preprocessing)).middle.numpy()
    np.testing.assert_allclose(kinds[0].scores, ood_scores(gated.gate, cells), rtol=1e-4)
    none = dataclasses.replace(study.config, gate_films=0)
    assert gate_section(dataclasses.replace(study, config=none)) is None

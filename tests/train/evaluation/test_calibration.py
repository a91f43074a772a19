"""Measures of calibration and of the gate against scikit-learn, brute force and known truth."""

from __future__ import annotations

import dataclasses
from pathlib import Path

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
from lmeran.ood import gate_scores
from tests.conftest import film_pixels
from tests.support.fitting import UNCALIBRATED, a_calibration, fitted_copy
from tests.support.study_making import bare_study, made_probabilities, made_study
from train.calibration.platt import logits_of
from train.data.index import read_index
from train.data.pixels import cached_pixels
from train.evaluation.calibration.measures import (
    agreement,
    calibration_error,
    equal_mass,
    log_loss,
    reached,
    reliability,
    wilson,
)
from train.evaluation.calibration.section import (
    ALL,
    MIX,
    calibration_section,
    cases_of,
    gain,
)
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
    found = agreement(labels, p)
    kept = np.clip(p, 1e-7, 1 - 1e-7)
    assert found.nll == pytest.approx(sklearn_log_loss(labels, kept, labels=[0, 1]), rel=1e-6)
    assert found.brier == pytest.approx(brier_score_loss(labels, p))
    assert agreement(labels[:0], p[:0]) is None
    logits = logits_of(p)
    moved = agreement(labels, expit(2 * logits - 1))
    plain = LogisticRegression(C=np.inf, tol=1e-9, max_iter=1000).fit(logits[:, None], labels)
    assert moved.slope == pytest.approx(plain.coef_[0, 0] / 2, rel=0.01)
    assert expit(2 * logits - 1 + moved.shift).mean() == pytest.approx(labels.mean(), rel=1e-6)
    assert (agreement(np.zeros(5), p[:5]).slope, agreement(np.zeros(5), p[:5]).shift) == (None,) * 2


def test_the_calibration_error_is_the_weighted_gap(drawn: tuple[np.ndarray, np.ndarray]) -> None:
    labels, p = drawn
    observed, mean = calibration_curve(labels, p, n_bins=10, strategy="uniform")
    counts = np.histogram(p, bins=np.linspace(0, 1, 11))[0]
    counts = counts[counts > 0]
    expected = np.sum(counts * np.abs(observed - mean)) / N
    wide = np.minimum((p * 10).astype(int), 9)
    assert calibration_error(labels, p, wide) == pytest.approx(expected, abs=1e-3)
    order = np.argsort(p, kind="stable")
    untied = p + np.argsort(order) * 1e-9
    gaps = [len(b) * abs(labels[b].mean() - p[b].mean()) for b in np.array_split(order, 10)]
    assert calibration_error(labels, untied, equal_mass(untied)) == pytest.approx(
        sum(gaps) / N, abs=1e-4
    )


def test_equal_probabilities_share_a_bin() -> None:
    assert equal_mass(np.array([0.1, 0.2, 0.2, 0.2, 0.3]), 5).tolist() == [0, 1, 1, 1, 4]
    assert equal_mass(np.full(7, 0.5)).tolist() == [0] * 7


def test_reliability_points_lie_on_the_truth(drawn: tuple[np.ndarray, np.ndarray]) -> None:
    labels, p = drawn
    bins = reliability(labels, p)
    assert sum(b.count for b in bins) == N
    inside = [b.observed.low <= min(1, 2 * b.mean) <= b.observed.high for b in bins]
    assert sum(inside) >= 8


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
    frame = select(section.frames["calibration"], images=MIX, known=0, pins="all")
    found = frame.set_index(["probability", "measure"])
    value = found["value"]
    assert value["calibrated", "nll"] < value["raw", "nll"]
    assert value["calibrated", "ece_mass"] < 0.5 * value["raw", "ece_mass"]
    assert found["low"]["calibrated", "gain of log-likelihood"] > 0
    assert section.facts["not_calibrated"] == [UNCALIBRATED]
    assert value["calibrated", "slope"] == pytest.approx(1, abs=0.1)
    assert value["calibrated", "shift"] == pytest.approx(0, abs=0.1)
    points = section.frames["operating_points"]
    assert set(points["known"]) == set(study.predictions.known_counts)
    free = select(points, known=0, measure="sensitivity")
    assert len(free) == 2 * (len(FINDINGS) - 1)
    assert UNCALIBRATED not in set(free["finding"])
    findings = section.frames["calibration_findings"]
    assert findings["finding"].nunique() == len(FINDINGS) - 1


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
    assert not [m for m in section.frames["calibration"]["measure"] if "gain" in m]


def test_cases_hold_each_label_once(study: Study) -> None:
    cases = cases_of(study, study.predictions.checkpoint.calibration)
    mix = study.index.sources == "a"
    free = [c for c in cases if not c.known]
    assert [c.images for c in free] == [MIX, ALL]
    assert free[0].kept.sum() == mix.sum() * (len(FINDINGS) - 1)
    most = [c for c in cases if c.known == study.predictions.known_counts[-1] and c.images == ALL]
    every, positive, negative = (c.kept.astype(int) for c in most)
    assert np.array_equal(every, positive + negative)
    assert 0 < positive.sum() < every.sum()
    raw, fitted = (log_loss(study.labels, free[1].values[k]) for k in ("raw", "calibrated"))
    found = gain(study, free[1])
    assert found.value == pytest.approx((raw - fitted)[free[1].kept].mean())
    assert found.low < found.value < found.high


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
    level = section.facts["threshold_of_comparison"]
    assert (kinds[0].scores <= level).mean() >= 0.95 > (kinds[0].scores < level).mean()
    chosen = index.take(np.array(sample_rows(index, 6)))
    preprocessing = gated.config.preprocessing
    squares = np.array(cached_pixels(chosen, preprocessing, tmp_path))
    with torch.inference_mode():
        cells = gated.model.encode(to_input(squares, preprocessing)).middle.numpy()
    np.testing.assert_allclose(kinds[0].scores, gate_scores(gated.gate, cells), rtol=1e-4)
    assert gate_section(dataclasses.replace(study, gate_films=0)) is None

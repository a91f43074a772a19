"""Platt maps, operating points and percentiles against scikit-learn and brute force; what is stored
comes back, and a film is read by it."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from scipy.special import expit
from sklearn.metrics import log_loss, roc_curve

from lmeran.calibration import (
    Calibration,
    calibrate,
    is_above,
    percentiles,
)
from lmeran.checkpoint import load_checkpoint, save_checkpoint
from lmeran.explain.label_prior import LabelPrior
from lmeran.findings import FINDINGS
from tests.conftest import lively_model, small_config
from train.__main__ import main
from train.calibration.calibrate import CalibrateConfig, fit_calibration
from train.calibration.left_out import leave_out
from train.calibration.platt import (
    UNCHANGED,
    choose_platt,
    fit_platt,
    logits_of,
    nll,
    operating_points,
)
from train.data.index import DataError, Index

N = 500


def scores(seed: int = 0, slope: float = 0.5, offset: float = -1.0) -> tuple[np.ndarray, ...]:
    """Logits that are off by a known map, and labels drawn with the true probabilities."""
    random = np.random.default_rng(seed)
    logits = random.normal(-1, 1.5, N)
    labels = (random.random(N) < expit(slope * logits + offset)).astype(np.float32)
    return logits, labels


def test_platt_scaling_finds_the_map_that_was_drawn_from() -> None:
    logits, labels = (np.tile(part, 20) for part in scores())
    found = fit_platt(logits, labels)
    loss = nll(found(logits), labels).sum()
    for slope, offset in ((1.02, 0), (0.98, 0), (1, 0.02), (1, -0.02)):
        assert nll(slope * found(logits) + offset, labels).sum() > loss
    assert (found.slope, found.offset) == pytest.approx((0.5, -1.0), abs=0.2)
    with pytest.raises(ValueError, match="both classes"):
        fit_platt(logits, np.zeros(len(logits)))


ALONE = leave_out(np.arange(N), None)
"""No sources to leave out."""


def test_a_map_is_applied_where_it_helps_other_patients() -> None:
    logits, labels = scores()
    patients = np.arange(N) // 2
    found = choose_platt(np.stack([logits, logits + 0.1]), labels, patients, ALONE)
    assert found.applied == found.fitted == fit_platt(logits, labels)
    (gain,) = found.gains
    assert min(gain.by_known) > gain.error > 0


def test_probabilities_that_are_right_are_left_as_they_are() -> None:
    logits, labels = scores(5, slope=1.0, offset=0.0)
    found = choose_platt(logits[None], labels, np.arange(N), ALONE)
    assert found.applied == UNCHANGED != found.fitted


def test_a_map_that_loses_once_findings_are_known_is_not_applied() -> None:
    logits, labels = scores()
    right = 0.5 * logits - 1  # with findings known there is nothing to correct
    found = choose_platt(np.stack([logits, right]), labels, np.arange(N), ALONE)
    assert found.gains[0].by_known[0] > 0 > found.gains[0].by_known[1]
    assert found.applied == UNCHANGED


def test_a_map_that_would_turn_the_order_of_films_round_is_not_applied() -> None:
    logits, labels = scores(2, slope=-0.8)
    found = choose_platt(logits[None], labels, np.arange(N), ALONE)
    assert found.fitted.slope < 0 < found.gains[0].by_known[0]
    assert found.applied == UNCHANGED


def test_a_map_that_helps_no_other_source_is_not_applied() -> None:
    """Each source has the finding as often as it likes: what one teaches misleads in the others."""
    random = np.random.default_rng(6)
    logits = random.normal(-1.5, 1.2, 1200)
    patients, sources = np.arange(1200), np.repeat(["a", "b", "c", "d"], 300)
    shift = np.array([1.0, 1.0, 1.0, -2.4]).repeat(300)
    labels = (random.random(1200) < expit(logits + shift)).astype(np.float32)
    found = choose_platt(logits[None], labels, patients, leave_out(patients, sources))
    by_patient, by_source = found.gains
    assert by_patient.holds
    assert not by_source.holds
    assert found.applied == UNCHANGED
    same = (random.random(1200) < expit(0.5 * logits + 1)).astype(np.float32)
    found = choose_platt(logits[None], same, patients, leave_out(patients, sources))
    assert found.applied == found.fitted


def test_the_nll_is_the_log_loss() -> None:
    logits, labels = scores()
    assert nll(logits, labels).mean() == pytest.approx(log_loss(labels, expit(logits)))
    assert logits_of(expit(logits)) == pytest.approx(logits)


def test_operating_points_are_those_of_trying_every_threshold() -> None:
    random = np.random.default_rng(3)
    labels = (random.random(N) < 0.2).astype(np.float32)
    p = np.round(expit(random.normal(labels, 1.5)), 2)  # with ties
    youden, sensitive = operating_points(p, labels)
    for point in (youden, sensitive):
        called = p >= point.threshold
        assert point.sensitivity == pytest.approx(called[labels > 0.5].mean())
        assert point.specificity == pytest.approx(1 - called[labels < 0.5].mean())
    fpr, tpr, _ = roc_curve(labels, p)
    assert youden.sensitivity + youden.specificity - 1 == pytest.approx((tpr - fpr).max())
    reached = [t for t in np.unique(p) if (p[labels > 0.5] >= t).mean() >= 0.9]
    assert sensitive.sensitivity >= 0.9
    assert np.array_equal(p >= sensitive.threshold, p >= max(reached))


def test_operating_points_of_a_single_class_are_refused() -> None:
    with pytest.raises(ValueError, match="both classes"):
        operating_points(np.linspace(0, 1, 9), np.ones(9))


def many(seed: int = 0) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Logits (2, N, 14) with nothing and with something known, labels, patients of two films each;
    the last finding has no positive, the one before three."""
    random = np.random.default_rng(seed)
    logits = random.normal(-1.5, 1.2, (2, N, len(FINDINGS)))
    labels = (random.random((N, len(FINDINGS))) < expit(0.6 * logits[0] - 1.3)).astype(np.float32)
    labels[:, -1] = 0
    labels[3:, -2] = 0
    labels[:3, -2] = 1
    return logits, labels, np.arange(N) // 2


def test_what_is_left_out_is_never_fitted_on() -> None:
    random = np.random.default_rng(1)
    sources = random.choice(["a", "b", "c", "rare"], 400, p=[0.4, 0.3, 0.25, 0.05])
    patients = random.integers(0, 150, 400)  # some are in several sources
    found = leave_out(patients, sources)
    assert found.what == "sources"
    for name, (inside, held) in zip("abc", found.rounds, strict=True):
        assert set(sources[held]) == {name}
        assert np.array_equal(held, np.flatnonzero(sources == name))
        assert name not in sources[inside]
        assert not set(patients[inside]) & set(patients[held])
    for fallback in (leave_out(patients, None), leave_out(patients, np.full(400, "a"))):
        assert fallback.what == "patients"
        held = np.concatenate([rows for _, rows in fallback.rounds])
        assert np.array_equal(np.sort(held), np.arange(400))
    with pytest.raises(DataError, match="5 patients"):
        leave_out(np.arange(8) % 4, None)


def an_index(labels: np.ndarray, patients: np.ndarray) -> Index:
    names = tuple(f"{k}.png" for k in range(len(labels)))
    groups = np.zeros(len(labels), dtype=np.int64)
    return Index(Path(), names, names, patients.astype(str), labels, groups)


@pytest.fixture(scope="module")
def fitted() -> tuple[Calibration, np.ndarray, np.ndarray]:
    """A calibration, and the raw free probabilities and labels it was fitted on."""
    logits, labels, patients = many()
    found = {0: expit(logits[0]), 7: expit(logits[1])}
    config = CalibrateConfig(min_size=128, known=(0, 7))
    calibration, _ = fit_calibration(an_index(labels, patients), found, config)
    return calibration, found[0], labels


def test_calibration_brings_the_mean_to_the_observed_share(
    fitted: tuple[Calibration, np.ndarray, np.ndarray],
) -> None:
    calibration, raw, labels = fitted
    adjusted = calibrate(calibration, raw)
    raw_gap = np.abs(raw.mean(axis=0) - labels.mean(axis=0))[:12].mean()
    gap = np.abs(adjusted.mean(axis=0) - labels.mean(axis=0))[:12].mean()
    assert gap < 0.3 * raw_gap
    order = np.argsort(raw, axis=0)
    assert (np.diff(np.take_along_axis(adjusted, order, axis=0), axis=0)[:, :12] >= 0).all()


def test_findings_with_too_few_positives_have_neither_map_nor_points(
    fitted: tuple[Calibration, np.ndarray, np.ndarray],
) -> None:
    calibration, raw, _ = fitted
    for finding in calibration.findings[-2:]:
        assert (finding.slope, finding.youden, finding.sensitive) == (None, None, None)
    assert [f.positives for f in calibration.findings[-2:]] == [3, 0]
    assert np.isnan(calibrate(calibration, raw)[:, -2:]).all()
    assert is_above(calibration.findings[-1].youden, 0.9) is None


def test_percentiles_are_the_share_of_films_below(
    fitted: tuple[Calibration, np.ndarray, np.ndarray],
) -> None:
    calibration, raw, _ = fitted
    film = raw[17]
    below = 100 * (raw < film).mean(axis=0)
    assert percentiles(calibration, film) == pytest.approx(below, abs=1.0)
    assert percentiles(calibration, np.zeros(14)).tolist() == [0] * 14
    assert percentiles(calibration, np.ones(14)).tolist() == [100] * 14


def test_the_command_fits_into_the_checkpoint_and_leaves_the_weights(
    data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "checkpoint"
    run = {"min_size": 0, "validation_share": 0.5, "seed": 0}
    training = {"config": run, "label_sets": {"No Finding": 9, "Effusion|Edema": 2, "Mass": 1}}
    save_checkpoint(folder, lively_model(small_config(64)), training, {})
    before = load_checkpoint(folder)
    assert (before.calibration, before.gate) == (None, None)
    fit = ["calibrate", "--checkpoint", str(folder), "--data", str(data), "--device", "cpu"]
    assert main([*fit, "--min_positives", "3", "--pin_films", "4"]) == 0
    assert "calibration" in capsys.readouterr().out
    after = load_checkpoint(folder)
    assert after.identity == before.identity
    assert all(
        torch.equal(a, b)
        for a, b in zip(
            before.model.state_dict().values(), after.model.state_dict().values(), strict=True
        )
    )
    assert after.calibration.findings[FINDINGS.index("Effusion")].slope
    assert after.calibration.findings[FINDINGS.index("Hernia")].slope is None
    assert after.metrics["calibration"]["calibration"] == after.calibration.identity
    assert after.gate.films == after.calibration.films == after.reference.films
    assert after.reference.pinned_films == 4
    weight = after.metrics["counting"]["weight"]
    assert 0 <= weight <= 2
    assert LabelPrior.of(after).weight == weight
    shutil.rmtree(folder)
    assert main(fit) == 1

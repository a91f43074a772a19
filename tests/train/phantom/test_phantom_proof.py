"""The proof: how shifts and maps are held against the truth, on truths made here."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy.special import logit

from lmeran.checkpoint import load_checkpoint, save_checkpoint
from lmeran.findings import FINDINGS, State
from lmeran.imaging.files import read_file
from lmeran.predictor import Predictor
from tests.conftest import ROOT, lively_model, small_config
from train.__main__ import main
from train.data.index import read_index
from train.evaluation.section import find, select, tidy
from train.phantom.dataset import read_world, write_world
from train.phantom.proof.prove import lesion_scores, mean_scores, on_grid
from train.phantom.proof.shifts import (
    GROUPS,
    agreement,
    agreements,
    all_true_logits,
    model_logits,
    pins_of_film,
    shifts,
)
from train.phantom.world import posteriors

FILMS = 40


@pytest.fixture(scope="module")
def world_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("world")
    write_world(out, FILMS, 64, 3, workers=1)
    return out


@pytest.fixture(scope="module")
def checkpoints(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """One model that pins move, trained "with label masking", and one that none moves."""
    folders = []
    for name, branch, masking in (("a", "attention", True), ("b", "none", False)):
        folder = tmp_path_factory.mktemp(name)
        model = lively_model(small_config(64, layers=2, label_branch=branch))
        save_checkpoint(folder, model, {"config": {"label_masking": masking}}, {})
        folders.append(folder)
    return folders


def test_the_sets_of_pins_are_singles_and_true_states() -> None:
    labels = np.array([1, 0] * 7)
    nothing, *pins = pins_of_film("00000001_000.png", labels)
    pins = np.array(pins)
    truth = np.where(labels > 0, State.POSITIVE, State.NEGATIVE)
    assert not nothing.any()
    assert len(pins) == GROUPS["all"].stop
    for name, state in (("one positive", State.POSITIVE), ("one negative", State.NEGATIVE)):
        rows = pins[GROUPS[name]]
        assert (np.count_nonzero(rows, axis=1) == 1).all()
        assert (rows.diagonal() == state).all()
    for count in (3, 7, 10):
        (row,) = pins[GROUPS[f"{count} known"]]
        assert np.count_nonzero(row) == count
        assert (row[row != State.UNKNOWN] == truth[row != State.UNKNOWN]).all()


def test_agreement_is_correlation_and_least_squares_slope() -> None:
    random = np.random.default_rng(0)
    true = random.normal(size=(30, 5, 14))
    measured = 0.6 * true + random.normal(size=true.shape) * 0.5 + 0.2
    true[:, 0, 3] = measured[:, 1, 2] = np.nan
    usable = np.isfinite(true) & np.isfinite(measured)
    found = agreement(true, measured, np.arange(30))
    x, y = true[usable], measured[usable]
    assert found["pairs"] == usable.sum()
    assert found["r"].value == pytest.approx(np.corrcoef(x, y)[0, 1])
    assert found["slope"].value == pytest.approx(np.polyfit(x, y, 1)[0])
    for estimate in (found["r"], found["slope"]):
        assert estimate.low < estimate.value < estimate.high
        assert estimate.high - estimate.low < 0.2


def test_the_truth_agrees_with_itself_and_with_bayes_rule(world_folder: Path) -> None:
    data, index = read_world(world_folder), read_index(world_folder, "test")
    true = all_true_logits(data, index.names, index.labels)
    measured = [r for r in agreements(true, true, index.patients) if r["measure"] != "pairs"]
    assert len(measured) == 2 * len(GROUPS)
    assert [r["value"] for r in measured] == pytest.approx([1] * len(measured))
    name, levels = index.names[0], data.levels[index.names[0]]
    pins = pins_of_film(name, index.labels[0])[31]
    unknown = pins == State.UNKNOWN
    free = posteriors(data.world, levels, np.zeros((1, 14), dtype=np.int64))[0, unknown]
    expected = logit(posteriors(data.world, levels, pins[None])[0, unknown]) - logit(free)
    found = shifts(true)[0, 30]
    np.testing.assert_allclose(found[unknown], expected, atol=1e-9)
    assert np.isnan(found[~unknown]).all()
    # The pins alone say the same of every film with these pins, and not what the film says.
    alone = all_true_logits(data, index.names, index.labels, with_film=False)
    np.testing.assert_allclose(alone[0, 1:29], alone[1, 1:29])
    compared = tidy(agreements(true, alone, index.patients))
    (r,) = select(compared, pins="all", measure="r")["value"]
    assert r < 0.999


def test_a_model_that_no_pin_moves_follows_nothing() -> None:
    true = np.random.default_rng(1).normal(size=(20, 3, 14))
    found = agreement(true, np.zeros_like(true), np.arange(20))
    assert (found["r"].value, found["slope"].value) == (0, 0)
    with pytest.raises(ValueError, match="all the same"):
        agreement(np.ones_like(true), true, np.arange(20))


def test_the_models_logits_are_those_of_its_readings(
    world_folder: Path, checkpoints: list[Path]
) -> None:
    predictor = Predictor(load_checkpoint(checkpoints[0]))
    index = read_index(world_folder, "test")
    film = predictor.encode(read_file(index.root / index.files[0]))
    pins = pins_of_film(index.names[0], index.labels[0])
    found = model_logits(predictor, film, pins)
    np.testing.assert_allclose(found[0], film.free_logits, atol=1e-5)
    reading = predictor.read(film, {FINDINGS[2]: State.POSITIVE})
    np.testing.assert_allclose(found[3], logit(reading.conditioned), atol=1e-5)  # NaN where pinned
    assert np.isnan(found[pins != State.UNKNOWN]).all()
    assert np.isfinite(found[pins == State.UNKNOWN]).all()


def test_the_truth_on_the_grid_is_the_share_of_each_cell() -> None:
    mask = np.zeros((40, 40), dtype=bool)
    mask[:20, :20] = True
    np.testing.assert_array_equal(on_grid(mask, 4), np.kron([[1, 0], [0, 0]], np.ones((2, 2))))


def test_every_lesion_is_scored_with_every_kind_of_map(
    world_folder: Path, checkpoints: list[Path]
) -> None:
    predictor = Predictor(load_checkpoint(checkpoints[0]))
    data, index = read_world(world_folder), read_index(world_folder, "train_val")
    rows, lesions = [], 0
    for k in range(8):
        masks = data.masks(index.names[k])
        lesions += int((index.labels[k] > 0.5)[masks.any((1, 2))].sum())
        film = predictor.encode(read_file(index.root / index.files[k]))
        rows += lesion_scores(predictor, film, index.names[k], index.labels[k], masks)
    assert lesions > 0
    scores = pd.DataFrame(rows)
    means = mean_scores(scores).set_index("map")
    assert (means["lesions"] == lesions).all()
    assert {*means.index} == {
        *("attention", "class activation", "random", "centre", "truth on the grid")
    }
    assert means["IoU"]["truth on the grid"] > means["IoU"]["random"]
    centre = scores[scores["map"] == "centre"]
    by_hand = [centre["IoU"][centre["finding"] == f].mean() for f in centre["finding"].unique()]
    assert means["IoU"]["centre"] == pytest.approx(np.mean(by_hand))


def test_the_bundled_configuration_trains_on_a_world(world_folder: Path, tmp_path: Path) -> None:
    config = ROOT / "train" / "phantom" / "proof" / "proof.yaml"
    arguments = ["fit", "--config", str(config), "--data", str(world_folder)]
    arguments += ["--out", str(tmp_path), "--max_steps", "1", "--batch_size", "8"]
    assert main([*arguments, "--label_masking", "false", "--device", "cpu"]) == 0
    best = load_checkpoint(tmp_path / "best")
    assert best.config.grid >= 6, "on fewer cells the lesion masks themselves find few lesions"
    assert best.training["config"]["label_masking"] is False


def test_the_command_writes_figures_and_json(
    world_folder: Path,
    checkpoints: list[Path],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    arguments = ["prove", "--checkpoint", str(checkpoints[0]), "--against", str(checkpoints[1])]
    out = tmp_path / "proof"
    status = main([*arguments, "--data", str(world_folder), "--out", str(out), "--films", "4"])
    assert status == 0
    table = capsys.readouterr().out
    assert "one positive" in table
    assert "no label masking" in table
    proof = json.loads((out / "prove.json").read_text())
    assert proof["films"] == 4
    first, second = list(proof["auc"][0])[2:]
    assert second.endswith("(no label masking)")
    assert find(proof["maps"], arm=first, map="attention")
    assert not find(proof["maps"], arm=second, map="attention")
    unmoved = {"arm": second, "pins": "all", "measure": "slope"}
    assert find(proof["shifts"], **unmoved)["value"] == pytest.approx(0, abs=1e-6)
    missing = ["--data", str(tmp_path), "--out", str(out)]
    assert main(["prove", "--checkpoint", str(checkpoints[0]), *missing]) == 1
    assert "no finished synthetic world" in capsys.readouterr().err

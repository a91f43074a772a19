"""Schedule, augmentation, and whole small trainings that are killed and go on."""

from __future__ import annotations

import csv
import dataclasses
import json
import sys
from pathlib import Path

import cv2
import numpy as np
import pandas as pd
import pytest
import torch

from lmeran.checkpoint import load_checkpoint
from lmeran.config import ConfigError
from lmeran.findings import FINDINGS
from tests.conftest import ROOT, film_pixels, small_config
from tests.support.training import CPU, config
from train.__main__ import main
from train.augment import Augmentation, augment
from train.fit import fit, learning_rate


def test_the_learning_rate_warms_up_and_falls_to_zero() -> None:
    rates = [learning_rate(step, 1000, config(warmup=0.1)) for step in range(1000)]
    assert rates.index(max(rates)) in (99, 100)
    assert max(rates) == pytest.approx(1e-3)
    assert rates[-1] < 1e-7
    assert learning_rate(999, 1000, config(warmup=0.1, schedule="constant")) == 1e-3


def test_augmentation_is_repeatable_and_off_when_asked() -> None:
    gray = torch.from_numpy(np.stack([film_pixels(64, 64, k) for k in range(4)])) / 255.0
    chance = Augmentation()
    once = augment(gray, chance, torch.Generator().manual_seed(1))
    assert torch.equal(once, augment(gray, chance, torch.Generator().manual_seed(1)))
    assert not torch.equal(once, augment(gray, chance, torch.Generator().manual_seed(2)))
    still = Augmentation(crop=1.0, rotate=0.0, contrast=0.0, flip=False)
    same = augment(gray, still, torch.Generator().manual_seed(1))
    torch.testing.assert_close(same, gray, atol=1e-5, rtol=0)
    flipped = augment(gray, dataclasses.replace(still, flip=True), torch.Generator().manual_seed(1))
    for before, after in zip(gray, flipped, strict=True):
        straight, mirrored = (after - before).abs().max(), (after - before.flip(1)).abs().max()
        assert min(straight, mirrored) < 1e-5


def test_a_run_leaves_what_there_is_to_watch(data: Path, tmp_path: Path) -> None:
    best = fit(config(), data, tmp_path, CPU)
    rows = list(csv.DictReader((tmp_path / "history.csv").open()))
    assert [row["epoch"] for row in rows] == ["1", "2"]
    assert all(float(row["loss"]) > 0 for row in rows)
    assert {f"auc_{k}_{f}" for k in ("free", "known7") for f in FINDINGS} <= set(rows[0])
    assert list((tmp_path / "tensorboard").glob("events.*"))
    assert cv2.imread(str(tmp_path / "curves.png")).shape[1] > 1000
    facts = load_checkpoint(best)
    assert facts.training["label_sets"]["Effusion"] > 0
    assert facts.metrics["validation"]["scores"][1]["known"] == 7


def test_the_source_adjustment_changes_the_training(data: Path, tmp_path: Path) -> None:
    table = pd.read_csv(data / "index.csv")
    table["source"] = np.where(table["finding_labels"] == "No Finding", "a", "b")
    table["file"] = [str(data / f) for f in table["file"]]
    table.to_csv(tmp_path / "index.csv", index=False)
    weights = []
    for adjust in (False, True):
        out = tmp_path / str(adjust)
        fit(config(epochs=1, max_steps=2, source_adjust=adjust), tmp_path, out, CPU)
        state = torch.load(out / "state.pt", weights_only=True)
        weights.append(state["learner"]["model.class_bias"])
    assert (weights[0] != weights[1]).any()


def test_a_run_folder_of_another_configuration_is_refused(data: Path, tmp_path: Path) -> None:
    fit(config(epochs=1, max_steps=1), data, tmp_path, CPU)
    with pytest.raises(ConfigError, match="another configuration"):
        fit(config(epochs=1, max_steps=1, seed=3), data, tmp_path, CPU)


def test_a_run_can_start_from_a_checkpoint_of_another_input_size(
    data: Path, tmp_path: Path
) -> None:
    best = fit(config(epochs=1, max_steps=2), data, tmp_path / "a", CPU)
    larger = config(
        epochs=1, max_steps=1, init=str(best), learning_rate=0.0, model=small_config(96, layers=2)
    )
    fit(larger, data, tmp_path / "b", CPU)
    before = load_checkpoint(best).model.class_weight
    state = torch.load(tmp_path / "b" / "state.pt", weights_only=True)
    assert torch.equal(state["learner"]["model.class_weight"], before)
    told = load_checkpoint(tmp_path / "b" / "best").training
    assert told["config"]["init"] == load_checkpoint(best).identity
    assert told["initial"]["step"] == 2
    assert str(tmp_path) not in json.dumps(told)
    other = dataclasses.replace(larger, model=small_config(64, layers=1))
    with pytest.raises(ConfigError, match="init"):
        fit(other, data, tmp_path / "c", CPU)


def test_the_command_line_trains_and_evaluates(
    data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "run.yaml").write_text(
        "epochs: 1\nbatch_size: 8\nvalidation_share: 0.3\nmodel:\n  layers: 1\n"
        "  preprocessing: {image_size: 64}\n"
        "  backbone: {growth_rate: 8, layers_per_block: [1, 1, 1, 1], initial_features: 16}\n"
    )
    common = ["--data", str(data), "--out", str(tmp_path / "run")]
    status = main(
        ["fit", "--config", str(tmp_path / "run.yaml"), *common, "--model.block", "paper"]
    )
    assert status == 0
    best = load_checkpoint(tmp_path / "run" / "best")
    assert (best.config.block, best.config.layers) == ("paper", 1)
    capsys.readouterr()
    arguments = ["--checkpoint", str(tmp_path / "run" / "best"), "--data", str(data)]
    assert main(["evaluate", *arguments, "--split", "test", "--record", "true"]) == 0
    table = capsys.readouterr().out
    assert "7 known" in table
    assert "one class" in table
    assert load_checkpoint(tmp_path / "run" / "best").metrics["test"]["images"] == 8
    with pytest.raises(SystemExit):
        main(["evaluate", *arguments, "--split", "nowhere"])
    assert "split" in capsys.readouterr().err


def test_without_the_packages_of_training_one_sentence_names_the_extra(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "jsonargparse", None)
    monkeypatch.delitem(sys.modules, "train.commands", raising=False)
    assert main(["fit"]) == 1
    assert capsys.readouterr().err == "Training needs jsonargparse: pip install -e '.[train]'.\n"


def test_the_house_keeps_its_walls() -> None:
    """lmeran knows neither screens nor training; train and app never use each other."""
    forbidden = {
        "lmeran": ("train", "app", "gradio"),
        "train": ("app", "gradio"),
        "app": ("train",),
    }
    for package, strangers in forbidden.items():
        for path in (ROOT / package).rglob("*.py"):
            for line in path.read_text().splitlines():
                words = line.split()
                if words[:1] in (["import"], ["from"]):
                    assert words[1].split(".")[0] not in strangers, f"{path}: {line}"

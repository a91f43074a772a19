"""Weights between two checkpoints: the mean itself, its batch statistics, the choice."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from lmeran.checkpoint import load_checkpoint
from lmeran.preprocess import to_input
from tests.conftest import lively_model, small_config
from tests.training import CPU, config
from train.__main__ import main
from train.average import between, renew_statistics
from train.fit import fit


def test_weights_lie_on_the_line() -> None:
    first, second = (lively_model(small_config(64), seed) for seed in (0, 1))
    ends = [between(first, second, share).state_dict() for share in (0.0, 1.0)]
    middle = between(first, second, 0.25).state_dict()
    for name, value in middle.items():
        if value.is_floating_point():
            expected = 0.75 * first.state_dict()[name] + 0.25 * second.state_dict()[name]
            assert torch.allclose(value, expected, atol=1e-6), name
            assert torch.allclose(ends[0][name], first.state_dict()[name]), name
        assert torch.allclose(ends[1][name], second.state_dict()[name]), name


def test_statistics_are_those_of_the_films() -> None:
    model = lively_model(small_config(64))
    pixels = np.random.default_rng(0).integers(0, 256, (64, 64, 64), dtype=np.uint8)
    renew_statistics(model, pixels, CPU)
    assert not model.training
    with torch.no_grad():
        images = to_input(pixels, model.config.preprocessing)
        out = model.backbone.conv0(images)
    # cumulative mean over two batches of 32
    assert model.backbone.norm0.running_mean == pytest.approx(out.mean((0, 2, 3)), abs=1e-5)
    variance = torch.stack([half.var((0, 2, 3)) for half in out.split(32)]).mean(0)
    assert torch.allclose(model.backbone.norm0.running_var, variance, rtol=1e-4)


def test_the_best_point_becomes_a_checkpoint(
    data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    first = fit(config(epochs=1), data, tmp_path / "a", CPU)
    second = fit(config(epochs=1, init=str(first), max_steps=2), data, tmp_path / "b", CPU)
    arguments = ["--first", str(first), "--second", str(second), "--data", str(data)]
    shares = ["--shares", "[0.0,0.5,1.0]", "--device", "cpu", "--out", str(tmp_path / "c")]
    assert main(["average", *arguments, *shares]) == 0
    printed = capsys.readouterr().out
    facts = json.loads((tmp_path / "c" / "lmeran.json").read_text())["training"]["averaged"]
    within = {
        float(row.split()[1].rstrip(":")): float(row.split("(")[1].split()[0])
        for row in printed.splitlines()
        if row.startswith("share") and "validation" in row
    }
    assert set(within) == {0.0, 0.5, 1.0}
    assert within[facts["share_of_second"]] == max(within.values())
    made = load_checkpoint(tmp_path / "c")
    assert facts["first"] == load_checkpoint(first).identity
    assert made.metrics["validation"]["scores"][0]["mean_auc_within_sources"] == pytest.approx(
        max(within.values()), abs=1e-3
    )


def test_checkpoints_of_other_splits_are_refused(
    data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    runs = [
        fit(config(epochs=1, max_steps=1, seed=seed), data, tmp_path / str(seed), CPU)
        for seed in (0, 1)
    ]
    paths = ["--first", str(runs[0]), "--second", str(runs[1]), "--out", str(tmp_path / "c")]
    assert main(["average", *paths, "--data", str(data), "--device", "cpu"]) == 1
    assert "same films for validation" in capsys.readouterr().err
    assert not (tmp_path / "c").exists()

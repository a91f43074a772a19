"""Ablations: what runs once, and what survives an interruption or a failure."""

from __future__ import annotations

import dataclasses
import json
import signal
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from tests.support.training import TINY, written
from train.__main__ import main
from train.ablation import ablate as ablate_module
from train.ablation.ablate import AblationError, Split, ablate, trials
from train.ablation.plan import read_plan
from train.config import TrainConfig
from train.fit import TrainingError
from train.processes import Processes

ALONE = Processes(0, 1, torch.device("cpu"))


def counted(monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """The folders that `fit` was called for, from now on."""
    calls: list[Path] = []
    real = ablate_module.fit

    def fit(config: TrainConfig, data: Path, out: Path, processes: Processes) -> Path:
        calls.append(out)
        return real(config, data, out, processes)

    monkeypatch.setattr(ablate_module, "fit", fit)
    return calls


def test_variants_run_once_a_seed_and_never_again(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    calls = counted(monkeypatch)
    out = tmp_path / "out"
    arguments = ["ablate", str(written(tmp_path)), "--data", str(data), "--out", str(out)]
    arguments += ["--device", "cpu", "--split", "validation"]
    assert main([*arguments, "--only", "Table 4"]) == 0
    assert len(calls) == 4
    assert main(arguments) == 0
    assert len(calls) == 6, "only '2 heads' is new; the base is shared by both tables"
    printed = capsys.readouterr().out
    assert (out / "table.md").read_text() in printed
    before = {p: p.stat().st_mtime_ns for p in out.glob("runs/*/*") if p.is_file()}
    assert main(arguments) == 0
    assert main([*arguments, "--seeds", "1"]) == 0
    assert len(calls) == 6
    assert before == {p: p.stat().st_mtime_ns for p in out.glob("runs/*/*") if p.is_file()}

    assert {p.name for p in (out / "cache").glob("*.bin")} != set()
    assert all(run.joinpath("cache").is_symlink() for run in (out / "runs").iterdir())
    kept = json.loads((out / "table.json").read_text())
    assert [row["table"] for row in kept["rows"]] == ["Table 4"] * 2 + ["Heads"] * 2
    (measured,) = (run for run in kept["runs"] if run["key"] == kept["base"])  # of --seeds 1
    scores = json.loads(
        (out / "runs" / f"{kept['base']}-seed1" / "scores-validation.json").read_text()
    )
    assert [s["known"] for s in scores["scores"]] == [0, 7]
    assert measured["free"] == scores["scores"][0]["mean_auc"]
    assert measured["known"] == scores["scores"][1]["mean_auc"]
    assert str(tmp_path) not in (out / "table.json").read_text()


def test_an_interrupted_variant_goes_on_to_the_same_numbers(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    content = {**TINY, "seeds": [0], "base": {**TINY["base"], "epochs": 2}}
    plan = read_plan(written(tmp_path, content)).only(["Table 4"])
    straight = ablate(plan, data, tmp_path / "straight", Split("validation"), ALONE)

    out, steps = tmp_path / "out", iter(range(1000))
    real = nn.utils.clip_grad_norm_

    def interrupting(*arguments: Any) -> torch.Tensor:
        if next(steps) == 7:  # 6 steps a run: the second of the second
            signal.raise_signal(signal.SIGINT)
        return real(*arguments)

    monkeypatch.setattr(nn.utils, "clip_grad_norm_", interrupting)
    with pytest.raises(AblationError, match="Stopped in run 2 of 2"):
        ablate(plan, data, out, Split("validation"), ALONE)
    assert "0 of 1" in (out / "table.md").read_text()
    second = trials(plan, out)[1]
    assert (second.folder / "state.pt").is_file()
    assert not ablate_module.finished(second)
    assert not (second.folder / "scores-validation.json").exists()

    calls = counted(monkeypatch)
    assert ablate(plan, data, out, Split("validation"), ALONE) == straight
    assert calls == [second.folder]
    assert next(steps) == 12, "the first run and the steps done were not repeated"


def test_a_variant_that_fails_does_not_stop_the_others(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = ablate_module.fit

    def fit(config: TrainConfig, *arguments: Any) -> Path:
        if config.label_masking:
            return real(config, *arguments)
        raise TrainingError("The loss is nan.")

    monkeypatch.setattr(ablate_module, "fit", fit)
    plan = dataclasses.replace(read_plan(written(tmp_path)), seeds=(0,))
    with pytest.raises(AblationError, match=r"1 of 3 runs failed\. Table 4, w/o, seed 0: The loss"):
        ablate(plan, data, tmp_path, Split("validation"), ALONE)
    table = (tmp_path / "table.md").read_text()
    assert table.count("0 of 1") == 1


def test_scores_of_different_images_are_not_put_side_by_side(data: Path, tmp_path: Path) -> None:
    plan = dataclasses.replace(read_plan(written(tmp_path)), seeds=(0,)).only(["Table 4"])
    ablate(plan, data, tmp_path, Split("validation"), ALONE)
    scores = trials(plan, tmp_path)[0].folder / "scores-validation.json"
    kept = json.loads(scores.read_text())
    scores.write_text(json.dumps({**kept, "index_sha256": "of another index"}))
    with pytest.raises(AblationError, match="measured on different images"):
        ablate(plan, data, tmp_path, Split("validation"), ALONE)


def test_options_of_the_command_are_checked(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    common = [str(written(tmp_path)), "--data", str(tmp_path), "--out", str(tmp_path / "out")]
    for option, value, words in (
        ("--only", "Table 9", "There is no table 'Table 9', only Table 4, Heads."),
        ("--seeds", "0;1", "seeds must be whole numbers"),
    ):
        assert main(["ablate", *common, option, value]) == 1
        assert words in capsys.readouterr().err
    assert main(["ablate", str(tmp_path / "none.yaml"), *common[1:]]) == 1
    assert "There is no file" in capsys.readouterr().err

"""Ablations: what is read, what runs once, what survives an interruption, and the arithmetic."""

from __future__ import annotations

import csv
import dataclasses
import json
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml
from torch import nn

from lmeran.config import ConfigError
from tests.conftest import ROOT
from train import ablate as ablate_module
from train.__main__ import main
from train.ablate import AblationError, Split, ablate, trials
from train.ablation_plan import Plan, Table, Variant, read_plan
from train.ablation_table import Measured, Spread, as_csv, as_markdown, rows
from train.config import TrainConfig
from train.fit import TrainingError
from train.processes import Processes

ALONE = Processes(0, 1, torch.device("cpu"))
SHIPPED = ROOT / "train" / "ablations"

TINY: dict[str, Any] = {
    "seeds": [0, 1],
    "base": {
        "model": {
            "layers": 1,
            "backbone": {
                "growth_rate": 8,
                "layers_per_block": [1, 1, 1, 1],
                "initial_features": 16,
            },
            "preprocessing": {"image_size": 64},
        },
        "epochs": 1,
        "batch_size": 8,
        "validation_share": 0.3,
    },
    "tables": [
        {
            "name": "Table 4",
            "title": "parts",
            "source": "a paper",
            "variants": [
                {"name": "all", "paper": 0.8},
                {"name": "w/o", "paper": 0.7, "change": {"label_masking": False}},
            ],
        },
        {
            "name": "Heads",
            "title": "heads",
            "source": "a paper",
            "variants": [
                {"name": "4", "paper": 0.8},
                {"name": "2", "change": {"model": {"heads": 2}}},
            ],
        },
    ],
}


def written(folder: Path, content: Any = TINY) -> Path:
    path = folder / "variants.yaml"
    path.write_text(yaml.safe_dump(content))
    return path


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

    assert {p.name for p in (out / "cache").glob("*.npy")} != set()
    assert all(run.joinpath("cache").is_symlink() for run in (out / "runs").iterdir())
    kept = json.loads((out / "table.json").read_text())
    assert [t["name"] for t in kept["tables"]] == ["Table 4", "Heads"]
    measured = kept["runs"][kept["base"]]["1"]
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


def measured(free: float, known: float) -> Measured:
    return Measured(free, known, free - 0.1, 100, "an index")


def by_hand() -> tuple[Plan, dict[str, dict[int, Measured]]]:
    base, other, third = (
        Variant(name, TrainConfig(mask_lower=bound), paper, note)
        for name, bound, paper, note in (
            ("all", 0.25, 0.825, ""),
            ("w/o LMT", 0.5, 0.813, "a note."),
            ("later", 0.75, None, ""),
        )
    )
    plan = Plan(base, (0, 1, 2), (Table("Table 4", "parts", "a paper", (base, other, third)),))
    runs = {
        base.key: {0: measured(0.60, 0.62), 1: measured(0.64, 0.68), 2: measured(0.62, 0.65)},
        other.key: {1: measured(0.61, 0.60), 2: measured(0.60, 0.61)},
    }
    return plan, runs


def test_means_and_spreads_by_hand() -> None:
    plan, runs = by_hand()
    whole, part, none = rows(plan.tables[0], plan.base, runs)
    assert whole.free.mean == pytest.approx(0.62)
    assert whole.free.deviation == pytest.approx(0.02)  # sqrt((4 + 4 + 0) / 2) hundredths
    assert whole.known.mean == pytest.approx(0.65)
    assert whole.gain.mean == pytest.approx(0.03)
    assert whole.gain.deviation == pytest.approx(0.01)
    assert whole.free_within_sources.mean == pytest.approx(0.52)
    assert whole.over_base == Spread(None, None)
    assert part.seeds == (1, 2)
    # Seed by seed: .61 - .64 and .60 - .62, not .605 - .62.
    assert part.over_base.mean == pytest.approx(-0.025)
    assert part.over_base.deviation == pytest.approx(0.01 / 2**0.5)
    assert part.paper_over_base == pytest.approx(-0.012)
    assert none == dataclasses.replace(none, free=Spread(None, None), seeds=(), paper=None)
    assert Spread.of([0.5]) == Spread(0.5, None)


def test_the_tables_as_text() -> None:
    plan, runs = by_hand()
    lines = as_markdown(plan, runs, "100 test images").splitlines()
    cells = [[c.strip() for c in line.strip("|").split("|")] for line in lines if line[:1] == "|"]
    assert cells[2] == [
        "all",
        "0.825",
        "0.620 ± 0.020",
        "0.650 ± 0.030",
        "+0.030 ± 0.010",
        "-",
        "-",
        "3",
    ]
    assert cells[3][5:] == ["-0.012", "-0.025 ± 0.007", "2 of 3"]
    assert cells[4] == ["later", "-", "-", "-", "-", "-", "-", "0 of 3"]
    assert len({len(line) for line in lines if line[:1] == "|"}) == 1
    assert "w/o LMT: a note." in lines
    assert "100 test images" in lines[0]
    first = next(csv.DictReader(as_csv(plan, runs).splitlines()))
    assert (first["table"], first["name"], first["seeds"]) == ("Table 4", "all", "0 1 2")
    assert float(first["free_deviation"]) == pytest.approx(0.02)


def changed(**changes: Any) -> dict[str, Any]:
    return {**TINY, **changes}


def with_variant(**values: Any) -> dict[str, Any]:
    table = {**TINY["tables"][0], "variants": [{"name": "all"}, {"name": "new", **values}]}
    return changed(tables=[table])


@pytest.mark.parametrize(
    ("content", "match"),
    [
        (changed(base={"modle": {}}), "base: there is no option modle"),
        (
            with_variant(change={"model": {"haeds": 2}}),
            "Table 4, new: there is no option model.haeds",
        ),
        (with_variant(change={"model": 2}), "Table 4, new: model must be named"),
        (with_variant(change={"model": {"heads": 0}}), "Table 4, new: heads must be between"),
        (with_variant(change={"epochs": "many"}), "Table 4, new: .*epochs"),
        (with_variant(change={"seed": 3}), "seed is given for all variants at once"),
        (with_variant(change=["heads"]), "a change is written as"),
        (with_variant(papr=0.8), "unknown key papr"),
        (with_variant(paper="0.8"), "paper must be a mean AUC"),
        (with_variant(name="all"), "Table 4 has all twice"),
        (changed(tables=[]), "tables must be a list"),
        (changed(seeds=["a"]), "seeds must be whole numbers"),
        (changed(sedes=[0]), "unknown key sedes"),
        ({"base": {}}, "lacks seeds"),
        ("no mapping", "must have base, seeds, tables"),
    ],
)
def test_what_the_yaml_must_not_say_is_refused_before_anything_runs(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    content: Any,
    match: str,
) -> None:
    calls = counted(monkeypatch)
    with pytest.raises(ConfigError, match=match) as caught:
        read_plan(written(tmp_path, content))
    out = tmp_path / "out"
    arguments = [str(tmp_path / "variants.yaml"), "--data", str(tmp_path), "--out", str(out)]
    assert main(["ablate", *arguments]) == 1
    assert capsys.readouterr().err == f"{caught.value}\n"
    assert calls == []
    assert not out.exists()


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


Wanted = dict[str, tuple[float | None, Callable[[TrainConfig], bool]]]

TABLES: dict[str, Wanted] = {
    "Table 4": {
        "LMeRAN": (0.825, lambda c: c.label_masking and c.model.label_branch == "attention"),
        "w/o LMT": (0.813, lambda c: not c.label_masking and c.model.label_branch == "attention"),
        "w/o LSRA": (0.804, lambda c: c.label_masking and c.model.label_branch == "embedding"),
        "w/o LMT and LSRA": (
            0.792,
            lambda c: not c.label_masking and c.model.label_branch == "none",
        ),
    },
    "Figure 7": {
        f"lambda {v:.2f}": (
            0.825 if v == 0.2 else None,
            lambda c, v=v: c.model.residual_weight == v,
        )
        for v in (0.05, 0.1, 0.15, 0.2, 0.25, 0.3)
    },
    "Table 5": {
        f"{n} head{'s' * (n > 1)}": (paper, lambda c, n=n: c.model.heads == n)
        for n, paper in ((1, 0.819), (2, 0.822), (4, 0.825), (6, 0.824), (8, 0.824))
    },
    "Table 6": {
        name: (paper, lambda c, v=v: c.mask_lower == v)
        for name, v, paper in (
            ("bound 0", 0.0, 0.818),
            ("bound 0.25", 0.25, 0.825),
            ("bound 0.50", 0.5, 0.821),
            ("bound 0.75", 0.75, 0.817),
        )
    },
    "Block": {
        name: (None, lambda c, name=name: c.model.block == name)
        for name in ("paper", "residual", "transformer")
    },
}
"""The numbers as the paper prints them, and what each row must be."""


@pytest.mark.parametrize("name", ["paper.yaml", "small.yaml"])
def test_the_shipped_tables_are_those_of_the_paper(name: str) -> None:
    plan = read_plan(SHIPPED / name)
    assert [table.name for table in plan.tables] == list(TABLES)
    for table in plan.tables:
        assert [variant.name for variant in table.variants] == list(TABLES[table.name])
        for variant in table.variants:
            paper, is_so = TABLES[table.name][variant.name]
            assert variant.paper == paper, (table.name, variant.name)
            assert is_so(variant.config), (table.name, variant.name)
        assert sum(v.key == plan.base.key for v in table.variants) == 1
    assert len({trial.key for trial in trials(plan, Path("out"))}) == 18


def test_the_shipped_bases_are_of_the_paper_and_of_two_cores() -> None:
    paper, small = (read_plan(SHIPPED / f"{n}.yaml").base.config for n in ("paper", "small"))
    assert (paper.model.preprocessing.image_size, paper.model.backbone.width) == (448, 1024)
    assert (paper.epochs, paper.batch_size, paper.learning_rate) == (50, 64, 1e-5)
    assert paper.backbone_weights == "imagenet"
    assert (small.model.preprocessing.image_size, small.model.backbone.width) == (64, 256)

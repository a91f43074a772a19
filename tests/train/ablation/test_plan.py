"""What an ablation's YAML may say, and what the shipped ones do say."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from lmeran.config import ConfigError, LMeRANConfig
from tests.conftest import ROOT
from tests.support.training import TINY, written
from train.__main__ import main
from train.ablation import ablate as ablate_module
from train.ablation.ablate import trials
from train.ablation.plan import read_plan

SHIPPED = ROOT / "train" / "ablation"


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
        (with_variant(change=["heads"]), "variants.1.change: Input should be a valid dictionary"),
        (with_variant(papr=0.8), "variants.1.papr: Extra inputs"),
        (with_variant(paper="0.8"), "variants.1.paper: Input should be a valid number"),
        (with_variant(name="all"), "Table 4 has all twice"),
        (changed(tables=[]), "tables: List should have at least 1 item"),
        (changed(seeds=["a"]), "seeds.0: Input should be a valid integer"),
        (changed(sedes=[0]), "sedes: Extra inputs"),
        ({"base": {}}, "seeds: Field required"),
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
    monkeypatch.delattr(ablate_module, "fit")
    with pytest.raises(ConfigError, match=match) as caught:
        read_plan(written(tmp_path, content))
    out = tmp_path / "out"
    arguments = [str(tmp_path / "variants.yaml"), "--data", str(tmp_path), "--out", str(out)]
    assert main(["ablate", *arguments]) == 1
    assert capsys.readouterr().err == f"{caught.value}\n"
    assert not out.exists()


@pytest.mark.parametrize("name", ["paper.yaml", "small.yaml"])
def test_the_shipped_tables_vary_one_thing_each(name: str) -> None:
    plan = read_plan(SHIPPED / name)
    values = {
        "Table 4": lambda c: (c.label_masking, c.model.label_branch),
        "Figure 7": lambda c: c.model.residual_weight,
        "Table 5": lambda c: c.model.heads,
        "Table 6": lambda c: c.mask_lower,
        "Block": lambda c: c.model.block,
    }
    assert [table.name for table in plan.tables] == list(values)
    for table in plan.tables:
        varied = [values[table.name](variant.config) for variant in table.variants]
        assert len(set(varied)) == len(varied) > 2
        (own,) = (v for v in table.variants if v.key == plan.base.key)
        assert own.paper in (0.825, None)
    assert len({trial.key for trial in trials(plan, Path("out"))}) == 18


def test_the_shipped_bases_are_of_the_paper_and_of_two_cores() -> None:
    paper, small = (read_plan(SHIPPED / f"{n}.yaml").base.config for n in ("paper", "small"))
    assert (paper.model.preprocessing.image_size, paper.model.backbone.width) == (448, 1024)
    assert (paper.epochs, paper.batch_size, paper.learning_rate) == (50, 64, 1e-5)
    assert paper.backbone_weights == "imagenet"
    assert (small.model.preprocessing.image_size, small.model.backbone.width) == (64, 256)


def test_the_shipped_options_each_change_something_of_the_base() -> None:
    plan = read_plan(SHIPPED / "options.yaml")
    (table,) = plan.tables
    assert [v.name for v in table.variants if v.key == plan.base.key] == ["base"]
    assert len({v.key for v in table.variants}) == len(table.variants)


def test_the_shipped_arms_of_the_bundled_network_differ_in_their_label_branch_alone() -> None:
    plan = read_plan(SHIPPED / "bundled.yaml")
    (table,) = plan.tables
    arms = {
        (v.config.model.label_branch, v.config.model.block, v.config.label_masking)
        for v in table.variants
    }
    blocks = {("attention", block, True) for block in ("residual", "paper", "transformer")}
    assert arms == blocks | {("attention", "residual", False), ("none", "residual", False)}
    assert {v.config.backbone_weights for v in table.variants} == {"lmeran:assets/checkpoint"}

    facts = json.loads((ROOT / "assets" / "checkpoint" / "config.json").read_text())
    bundled, base = facts["training"]["config"], plan.base.config
    assert base.model.backbone == LMeRANConfig.from_dict(facts["config"]).backbone
    assert base.validation_share == bundled["validation_share"]
    assert plan.seeds == (bundled["seed"],)  # no film it learnt from is one that selects here

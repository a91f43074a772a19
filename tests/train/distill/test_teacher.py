"""A teacher fine-tuned from ImageNet weights, and a model that learns from it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

from lmeran.config import Preprocessing
from lmeran.findings import FINDINGS
from tests.support.training import CPU, config
from train.distill.teacher import (
    Teacher,
    TeacherConfig,
    imagenet_weights,
    load_teacher,
    soften,
    teach,
)
from train.fit import fit

pytest.importorskip("efficientnet_lite_pytorch", reason="needs requirements-teacher.txt")


def test_a_teacher_starts_from_imagenet_and_a_model_learns_from_it(
    data: Path, tmp_path: Path
) -> None:
    settings = TeacherConfig(
        preprocessing=Preprocessing(64), epochs=1, batch_size=8, frozen=3, validation_share=0.3
    )
    folder = teach(settings, data, tmp_path / "teacher", CPU)
    teacher = load_teacher(folder)
    assert not teacher.training
    assert not any(p.requires_grad for p in teacher.parameters())
    imagenet = torch.load(imagenet_weights(), map_location="cpu", weights_only=True)
    state = teacher.network.state_dict()
    assert torch.equal(state["_conv_stem.weight"], imagenet["_conv_stem.weight"])  # frozen
    assert torch.equal(state["_bn0.running_mean"], imagenet["_bn0.running_mean"])
    assert not torch.equal(state["_conv_head.weight"], imagenet["_conv_head.weight"])
    logits, cells = teacher(torch.randn(2, 3, 64, 64))
    assert logits.shape == (2, len(FINDINGS))
    assert cells.shape == (2, teacher.width, 2, 2)
    facts = json.loads((folder / "teacher.json").read_text())
    assert 0 <= facts["validation"]["mean_auc"] <= 1

    learning = {"epochs": 1, "max_steps": 2, "free_share": 0.9}
    fit(config(**learning), data, tmp_path / "alone", CPU)
    fit(config(**learning, teacher=str(folder)), data, tmp_path / "taught", CPU)
    states = [
        torch.load(tmp_path / run / "state.pt", weights_only=True) for run in ("alone", "taught")
    ]
    assert "hint_map.weight" in states[1]["learner"]
    assert not any("teacher" in name for name in states[1]["learner"])
    bias = [s["learner"]["model.class_bias"] for s in states]
    assert not torch.equal(*bias)


def test_frozen_blocks_keep_their_statistics_in_training() -> None:
    teacher = Teacher(Preprocessing(64), frozen=2).train()
    before = {k: v.clone() for k, v in teacher.network.state_dict().items() if "running" in k}
    teacher(torch.randn(2, 3, 64, 64))
    after = teacher.network.state_dict()
    same = {name for name, value in before.items() if torch.equal(after[name], value)}
    frozen = ("_bn0.", "_blocks.0.", "_blocks.1.")
    assert same == {name for name in before if name.startswith(frozen)}


def test_soft_labels_are_mixed_in_where_they_are_known() -> None:
    nan = float("nan")
    labels = torch.tensor([[1.0, 0.0]]).numpy()
    assert soften(labels, torch.tensor([[0.5, nan]]).numpy()).tolist() == [[0.75, 0.0]]

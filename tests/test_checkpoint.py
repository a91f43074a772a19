"""A checkpoint loads exactly, or is refused by the name of what is wrong."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load, save

from lmeran.checkpoint import FACTS_FILE, WEIGHTS_FILE, CheckpointError, load_checkpoint
from lmeran.findings import FINDINGS


@pytest.fixture()
def copy(checkpoint_folder: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(checkpoint_folder, tmp_path / "copy"))


def change_facts(folder: Path, change: Callable[[dict[str, Any]], object]) -> None:
    facts = json.loads((folder / FACTS_FILE).read_text())
    change(facts)
    (folder / FACTS_FILE).write_text(json.dumps(facts))


def change_weights(folder: Path, change: Callable[[dict[str, torch.Tensor]], object]) -> None:
    """Alter the weights and mend the hash, as a careless conversion would."""
    tensors = load((folder / WEIGHTS_FILE).read_bytes())
    change(tensors)
    data = save(tensors)
    (folder / WEIGHTS_FILE).write_bytes(data)
    digest = hashlib.sha256(data).hexdigest()
    change_facts(folder, lambda facts: facts.update(weights_sha256=digest))


def test_it_comes_back_as_saved(checkpoint_folder: Path) -> None:
    loaded = load_checkpoint(checkpoint_folder)
    assert loaded.config.layers == 3
    assert loaded.training["train_images"] == 100
    assert not loaded.model.training
    stored = load((checkpoint_folder / WEIGHTS_FILE).read_bytes())
    for name, tensor in loaded.model.state_dict().items():
        assert torch.equal(tensor, stored[name].to(tensor.dtype))


def test_matrices_are_half_and_statistics_are_not(checkpoint_folder: Path) -> None:
    stored = load((checkpoint_folder / WEIGHTS_FILE).read_bytes())
    assert stored["class_weight"].dtype == torch.float16
    assert stored["backbone.norm5.running_var"].dtype == torch.float32


def refused(folder: Path) -> str:
    with pytest.raises(CheckpointError) as caught:
        load_checkpoint(folder)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_a_missing_key_is_named(copy: Path) -> None:
    change_weights(copy, lambda t: t.pop("class_bias"))
    assert "lacks class_bias" in refused(copy)


def test_a_surplus_key_is_named(copy: Path) -> None:
    change_weights(copy, lambda t: t.update({"module.extra": torch.zeros(1)}))
    assert "module.extra" in refused(copy)


def test_a_wrong_shape_is_named(copy: Path) -> None:
    change_weights(copy, lambda t: t.update(class_bias=torch.zeros(15)))
    assert "class_bias has shape (15,)" in refused(copy)


def test_values_that_are_no_numbers_are_named(copy: Path) -> None:
    change_weights(copy, lambda t: t["class_bias"].fill_(float("nan")))
    assert "class_bias" in refused(copy)


def test_other_weights_than_described_are_refused(copy: Path) -> None:
    data = bytearray((copy / WEIGHTS_FILE).read_bytes())
    data[-1] ^= 1
    (copy / WEIGHTS_FILE).write_bytes(bytes(data))
    assert "SHA-256" in refused(copy)


def test_weights_that_give_other_answers_fail_the_self_test(copy: Path) -> None:
    change_weights(copy, lambda t: t["class_bias"].add_(0.1))
    assert "self-test" in refused(copy)


def test_findings_in_another_order_are_refused(copy: Path) -> None:
    change_facts(copy, lambda f: f.update(findings=[*FINDINGS[1:], FINDINGS[0]]))
    assert "order" in refused(copy)


@pytest.mark.parametrize(
    ("change", "word"),
    [
        ({"format": 99}, "format 99"),
        ({"states": ["unknown", "positive", "negative"]}, "states"),
        ({"config": {"blok": 1}}, "blok"),
        ({"config": {"block": "other"}}, "block"),
    ],
)
def test_facts_that_do_not_fit_are_refused(copy: Path, change: dict[str, Any], word: str) -> None:
    change_facts(copy, lambda f: f.update(change))
    assert word in refused(copy)


def test_a_folder_without_checkpoint_is_refused(tmp_path: Path) -> None:
    assert FACTS_FILE in refused(tmp_path)


def test_damaged_files_are_refused(copy: Path) -> None:
    data = b"not safetensors"
    (copy / WEIGHTS_FILE).write_bytes(data)
    digest = hashlib.sha256(data).hexdigest()
    change_facts(copy, lambda f: f.update(weights_sha256=digest))
    assert "damaged" in refused(copy)
    (copy / FACTS_FILE).write_text("{")
    assert "damaged" in refused(copy)

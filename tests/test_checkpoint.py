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

from lmeran.checkpoint import (
    CONFIG_FILE,
    WEIGHTS_FILE,
    CheckpointError,
    files_beside,
    load_checkpoint,
    record_extras,
    record_metrics,
)
from lmeran.extras import Extras
from lmeran.findings import FINDINGS
from lmeran.ood import identity
from tests.support.fitting import a_calibration, a_gate, a_reference, fitted_copy


@pytest.fixture()
def copy(checkpoint_folder: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(checkpoint_folder, tmp_path / "copy"))


def change_facts(folder: Path, change: Callable[[dict[str, Any]], object]) -> None:
    facts = json.loads((folder / CONFIG_FILE).read_text())
    change(facts)
    (folder / CONFIG_FILE).write_text(json.dumps(facts))


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


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda t: t.pop("class_bias"), "lacks class_bias"),
        (lambda t: t.update({"module.extra": torch.zeros(1)}), "unexpected module.extra"),
        (lambda t: t.update(class_bias=torch.zeros(15)), "class_bias has shape (15,)"),
        (lambda t: t["class_bias"].fill_(float("nan")), "class_bias holds non-numbers"),
        (lambda t: t["class_bias"].add_(0.1), "self-test"),
    ],
)
def test_weights_that_do_not_fit_are_refused_by_what_is_wrong(
    copy: Path, change: Callable[[dict[str, torch.Tensor]], object], words: str
) -> None:
    change_weights(copy, change)
    assert words in refused(copy)


def test_other_weights_than_described_are_refused(copy: Path) -> None:
    data = bytearray((copy / WEIGHTS_FILE).read_bytes())
    data[-1] ^= 1
    (copy / WEIGHTS_FILE).write_bytes(bytes(data))
    assert "SHA-256" in refused(copy)


@pytest.mark.parametrize(
    ("change", "word"),
    [
        ({"format": 99}, "format 99"),
        ({"findings": [*FINDINGS[1:], FINDINGS[0]]}, "order"),
        ({"states": ["unknown", "positive", "negative"]}, "states"),
        ({"config": {"blok": 1}}, "blok"),
        ({"config": {"block": "other"}}, "block"),
    ],
)
def test_facts_that_do_not_fit_are_refused(copy: Path, change: dict[str, Any], word: str) -> None:
    change_facts(copy, lambda f: f.update(change))
    assert word in refused(copy)


def test_a_folder_without_checkpoint_is_refused(tmp_path: Path) -> None:
    assert CONFIG_FILE in refused(tmp_path)


def test_damaged_files_are_refused(copy: Path) -> None:
    data = b"not safetensors"
    (copy / WEIGHTS_FILE).write_bytes(data)
    digest = hashlib.sha256(data).hexdigest()
    change_facts(copy, lambda f: f.update(weights_sha256=digest))
    assert "damaged" in refused(copy)
    (copy / CONFIG_FILE).write_text("{")
    assert "damaged" in refused(copy)


@pytest.fixture()
def fitted(checkpoint_folder: Path, tmp_path: Path) -> Path:
    return fitted_copy(checkpoint_folder, tmp_path / "fitted")


def test_what_was_fitted_comes_back_and_the_identity_stays(
    checkpoint_folder: Path, fitted: Path
) -> None:
    plain, loaded = load_checkpoint(checkpoint_folder), load_checkpoint(fitted)
    assert (plain.calibration, plain.gate, plain.reference) == (None, None, None)
    assert loaded.identity == plain.identity
    assert loaded.calibration == a_calibration()
    width, places = loaded.config.backbone.middle_width, loaded.config.grid**2
    assert loaded.gate.to_bytes() == a_gate(width, places).to_bytes()
    assert loaded.reference.to_bytes() == a_reference().to_bytes()
    assert loaded.training == plain.training


def test_fitting_again_replaces_both_and_leaves_no_file(fitted: Path) -> None:
    first = load_checkpoint(fitted)
    gate = a_gate(len(first.gate.mean), len(first.gate.places), seed=5)
    record_extras(fitted, Extras(a_calibration(0.3), gate))
    second = load_checkpoint(fitted)
    assert second.calibration.identity != first.calibration.identity
    assert identity(second.gate) == identity(gate) != identity(first.gate)
    assert files_beside(fitted) == tuple(p.name for p in fitted.glob("gate-*"))
    record_extras(fitted, Extras())
    assert load_checkpoint(fitted).calibration is None
    assert sorted(p.name for p in fitted.iterdir()) == [CONFIG_FILE, WEIGHTS_FILE]


def test_an_interrupted_fit_leaves_a_whole_checkpoint(
    fitted: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = load_checkpoint(fitted)
    gate = a_gate(len(first.gate.mean), len(first.gate.places), seed=5)
    replace = Path.replace

    def fail_on_facts(self: Path, target: Path) -> Path:
        if target.name == CONFIG_FILE:
            raise OSError("the disk is full")
        return replace(self, target)

    monkeypatch.setattr(Path, "replace", fail_on_facts)
    with pytest.raises(OSError, match="disk is full"):
        record_extras(fitted, Extras(a_calibration(0.3), gate))
    monkeypatch.undo()
    assert identity(load_checkpoint(fitted).gate) == identity(first.gate)


@pytest.mark.parametrize("part", ["gate", "reference"])
def test_a_damaged_or_missing_file_is_named(fitted: Path, part: str) -> None:
    (name,) = (name for name in files_beside(fitted) if name.startswith(part))
    (fitted / name).write_bytes(b"other")
    assert f"{name} is damaged" in refused(fitted)
    (fitted / name).unlink()
    assert f"has no {name}" in refused(fitted)


@pytest.mark.parametrize("name", ["../../etc/passwd", "model.safetensors", "gate-1.safetensors", 3])
def test_a_checkpoint_cannot_name_any_file_as_its_gate(fitted: Path, name: object) -> None:
    change_facts(fitted, lambda f: f["gate"].update(file=name))
    assert "names no gate file" in refused(fitted)
    with pytest.raises(CheckpointError, match="names no gate file"):
        files_beside(fitted)


@pytest.mark.parametrize("part", ["calibration", "gate", "reference"])
def test_parts_fitted_to_other_weights_or_no_objects_are_refused(fitted: Path, part: str) -> None:
    change_facts(fitted, lambda f: f[part].update(weights_sha256="0" * 64))
    assert f"{part} was fitted to other weights" in refused(fitted)
    change_facts(fitted, lambda f: f.update({part: [1]}))
    assert part in refused(fitted)


def test_a_damaged_calibration_is_refused(fitted: Path) -> None:
    change_facts(fitted, lambda f: f["calibration"]["findings"].pop("Mass"))
    assert "calibration is damaged" in refused(fitted)


def test_a_gate_of_another_model_is_refused(fitted: Path) -> None:
    record_extras(fitted, Extras(gate=a_gate(12, 9)))
    assert "another kind of model" in refused(fitted)


def test_a_folder_of_before_loads_and_takes_the_new_name_when_it_is_written(fitted: Path) -> None:
    before = load_checkpoint(fitted)
    (fitted / CONFIG_FILE).rename(fitted / "lmeran.json")
    assert load_checkpoint(fitted).identity == before.identity
    record_metrics(fitted, "test", {"images": 3})
    assert load_checkpoint(fitted).metrics["test"] == {"images": 3}
    assert not (fitted / "lmeran.json").exists()

"""A checkpoint: `model.safetensors` beside `config.json`, loaded strictly or not at all.

The JSON holds the format version, the ordered findings and states, the model's configuration
(with its preprocessing), the SHA-256 of the weights, facts of the training, measured metrics, and
a self-test: a fixed input and the probabilities it must give. Calibration and input gate, fitted
later, may stand beside them (`lmeran.extras`).
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors import SafetensorError
from safetensors.torch import load, save

from lmeran.calibration import Calibration
from lmeran.config import ConfigError, LMeRANConfig
from lmeran.errors import UserError
from lmeran.extras import (
    NAMES,
    Extras,
    ExtrasError,
    facts_of,
    listed_files,
    read_extras,
    stale_files,
)
from lmeran.files import write_atomic
from lmeran.findings import FINDINGS, State
from lmeran.imaging.preprocess import to_input
from lmeran.model.lmeran import LMeRAN
from lmeran.ood import OODDetector
from lmeran.reference import ReferenceDistribution

FORMAT = 1
WEIGHTS_FILE = "model.safetensors"
CONFIG_FILE = "config.json"
OLD_CONFIG_FILE = "lmeran.json"
"""What the JSON was called before the Hub's name for it; such folders still load."""
SELF_TEST_TOLERANCE = 2e-3
"""Probabilities may differ by this much between machines (convolution algorithms, float order)."""


class CheckpointError(UserError):
    """A checkpoint that must not be used: one sentence that names what is wrong with it."""


@dataclass(frozen=True, eq=False)
class Checkpoint:
    """A loaded model and its facts.

    identity: first 12 hex digits of the SHA-256 of the weights; source: where it came from, as
    the user named it. calibration, gate, reference: fitted to these weights later, None where they
    were not.
    """

    model: LMeRAN
    identity: str
    source: str
    training: dict[str, Any]
    metrics: dict[str, Any]
    calibration: Calibration | None = None
    gate: OODDetector | None = None
    reference: ReferenceDistribution | None = None

    @property
    def config(self) -> LMeRANConfig:
        return self.model.config


def save_checkpoint(
    folder: str | Path,
    model: LMeRAN,
    training: dict[str, Any],
    metrics: dict[str, Any],
    half: bool = True,
) -> None:
    """Write `model` to `folder`, each file replaced atomically.

    half: matrices and kernels as float16 (norms, biases and statistics stay float32). The
    self-test is computed from the weights as they will be read back.
    """
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    weights = save({name: stored(t, half) for name, t in model.state_dict().items()})
    reread = _model_from(model.config, load(weights))
    facts = {
        "format": FORMAT,
        "findings": list(FINDINGS),
        "states": [state.word for state in State],
        "config": model.config.to_dict(),
        "weights_sha256": hashlib.sha256(weights).hexdigest(),
        "self_test": run_self_test(reread),
        "training": training,
        "metrics": metrics,
    }
    write_atomic(folder / WEIGHTS_FILE, weights)
    _write_facts(folder, facts)


def record_metrics(folder: str | Path, name: str, values: dict[str, Any]) -> None:
    """Put a measurement into a checkpoint's JSON under metrics[name]; the weights stay as they are.

    Raises `CheckpointError` where there is no checkpoint.
    """
    facts = _read_facts(Path(folder))
    facts["metrics"][name] = values
    _write_facts(Path(folder), facts)


def record_extras(folder: str | Path, extras: Extras) -> None:
    """Put the fitted parts into a checkpoint, in place of any it has; the weights stay as they are.
    Whenever it is interrupted, the checkpoint is the old one or the new one.

    Raises `CheckpointError` where there is no checkpoint.
    """
    folder = Path(folder)
    facts = _read_facts(folder)
    parts, files = facts_of(extras, facts["weights_sha256"])
    kept = {name: value for name, value in facts.items() if name not in NAMES}
    for name, data in files.items():
        write_atomic(folder / name, data)
    _write_facts(folder, {**kept, **parts})
    for stale in stale_files(folder, files):
        stale.unlink()


def files_beside(folder: str | Path) -> tuple[str, ...]:
    """Names of files the JSON lists besides the weights. Raises `CheckpointError`."""
    try:
        return listed_files(_read_facts(Path(folder)))
    except ExtrasError as error:
        raise CheckpointError(str(error)) from None


def load_checkpoint(folder: str | Path, source: str | None = None) -> Checkpoint:
    """Read and verify a folder. Raises `CheckpointError` naming the first thing wrong."""
    folder = Path(folder)
    facts = _read_facts(folder)
    try:
        weights = (folder / WEIGHTS_FILE).read_bytes()
    except OSError:
        raise CheckpointError(f"The checkpoint has no {WEIGHTS_FILE}.") from None
    digest = hashlib.sha256(weights).hexdigest()
    if digest != facts["weights_sha256"]:
        raise CheckpointError(
            f"{WEIGHTS_FILE} is not the file {CONFIG_FILE} describes (SHA-256 differs); "
            "download or copy both again."
        )
    try:
        config = LMeRANConfig.from_dict(facts["config"])
        tensors = load(weights)
    except ConfigError as error:
        raise CheckpointError(f"The checkpoint's configuration is not usable: {error}.") from None
    except SafetensorError as error:
        raise CheckpointError(f"{WEIGHTS_FILE} is damaged: {error}.") from None
    model = _model_from(config, tensors)
    _check_self_test(model, facts["self_test"])
    try:
        widths = {"cells": config.backbone.width, "middle": config.backbone.middle_width}
        extras = read_extras(facts, folder, widths, config.grid**2)
    except ExtrasError as error:
        raise CheckpointError(str(error)) from None
    return Checkpoint(
        model=model,
        identity=digest[:12],
        source=source or str(folder),
        training=facts["training"],
        metrics=facts["metrics"],
        calibration=extras.calibration,
        gate=extras.gate,
        reference=extras.reference,
    )


def self_test_image(size: int) -> np.ndarray:
    """The self-test's input: a uint8 (size, size) pattern, integer arithmetic, same everywhere."""
    row, column = np.mgrid[0:size, 0:size].astype(np.int64)
    rings = ((row - size // 2) ** 2 + (column - size // 3) ** 2) // size
    return ((rings * 3 + row * column // size + 2 * column) % 256).astype(np.uint8)


@torch.inference_mode()
def run_self_test(model: LMeRAN) -> dict[str, Any]:
    """Probabilities of the self-test image, free and with the odd findings pinned positive."""
    preprocessing = model.config.preprocessing
    image = self_test_image(preprocessing.image_size)
    was_training = model.training
    model.eval()
    states = torch.zeros(2, len(FINDINGS), dtype=torch.int64)
    states[1, 1::2] = int(State.POSITIVE)
    encoding = model.encode(to_input(image[None], preprocessing))
    logits = model.condition(encoding.expand(2), states).logits
    model.train(was_training)
    free, odd = ([round(p, 6) for p in row] for row in logits.sigmoid().tolist())
    digest = hashlib.sha256(image.tobytes()).hexdigest()
    return {"input_sha256": digest, "free": free, "odd_positive": odd}


def _write_facts(folder: Path, facts: dict[str, Any]) -> None:
    write_atomic(folder / CONFIG_FILE, json.dumps(facts, indent=1))
    (folder / OLD_CONFIG_FILE).unlink(missing_ok=True)


def _read_facts(folder: Path) -> dict[str, Any]:
    old = folder / OLD_CONFIG_FILE
    named_before = old.is_file() and not (folder / CONFIG_FILE).is_file()
    path = old if named_before else folder / CONFIG_FILE
    try:
        facts = json.loads(path.read_text(encoding="utf-8"))
    except OSError:
        raise CheckpointError(f"There is no {CONFIG_FILE} at {folder}.") from None
    except ValueError:
        raise CheckpointError(f"{path.name} is damaged; it is not JSON.") from None
    if not isinstance(facts, dict) or facts.get("format") != FORMAT:
        found = facts.get("format") if isinstance(facts, dict) else None
        raise CheckpointError(f"The checkpoint has format {found}; this version reads {FORMAT}.")
    needed = ("findings", "states", "config", "weights_sha256", "self_test", "training", "metrics")
    missing = [name for name in needed if name not in facts]
    if missing:
        raise CheckpointError(f"{path.name} lacks {', '.join(missing)}.")
    if facts["findings"] != list(FINDINGS):
        raise CheckpointError(
            "The checkpoint's findings are not the 14 of ChestX-ray14 in this program's order; "
            "its numbers would stand at the wrong names."
        )
    if facts["states"] != [state.word for state in State]:
        raise CheckpointError("The checkpoint's label states are not unknown, negative, positive.")
    return facts


def _model_from(config: LMeRANConfig, tensors: dict[str, torch.Tensor]) -> LMeRAN:
    with torch.device("meta"):  # every weight is in the file: random ones need not be drawn first
        model = LMeRAN(config)
    expected = model.state_dict()
    differing = sorted(set(expected) ^ set(tensors), key=lambda name: (name in tensors, name))
    unfit = "The weights do not fit the configuration:"
    if differing:
        first, more = differing[0], len(differing) - 1
        what = f"has the unexpected {first}" if first in tensors else f"lacks {first}"
        rest = f" (and {more} more differ)" if more else ""
        raise CheckpointError(f"{unfit} the file {what}{rest}.")
    weights: dict[str, torch.Tensor] = {}
    for name, tensor in tensors.items():
        found, wanted = tuple(tensor.shape), tuple(expected[name].shape)
        if found != wanted:
            raise CheckpointError(f"{unfit} {name} has shape {found} and should have {wanted}.")
        weights[name] = tensor.to(expected[name].dtype, copy=True)
        # The extremes of a tensor with a non-number in it are non-numbers: one quick pass.
        if not torch.isfinite(torch.stack(weights[name].aminmax())).all():
            raise CheckpointError(f"The weights are damaged: {name} holds non-numbers.")
    model.load_state_dict(weights, assign=True)
    return model.eval()


def _check_self_test(model: LMeRAN, expected: dict[str, Any]) -> None:
    found = run_self_test(model)
    if lacking := [name for name in found if name not in expected]:
        raise CheckpointError(f"The checkpoint's self-test lacks {lacking[0]}.")
    if found["input_sha256"] != expected["input_sha256"]:
        raise CheckpointError("The checkpoint's self-test was made with another input.")
    for name in ("free", "odd_positive"):
        difference = float(np.abs(np.subtract(found[name], expected[name])).max())
        if not difference <= SELF_TEST_TOLERANCE:
            raise CheckpointError(
                f"The checkpoint fails its self-test ({name}: off by {difference:.4f}); "
                "its weights or this installation are not what they should be."
            )


def stored(tensor: torch.Tensor, half: bool) -> torch.Tensor:
    """As a file keeps it; half: matrices and kernels as float16, all else as it is."""
    tensor = tensor.detach().cpu().contiguous()
    return tensor.half() if half and tensor.is_floating_point() and tensor.ndim >= 2 else tensor

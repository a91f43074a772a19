"""What a run is made of before its first step: data, weights, facts, its folder."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
import yaml

from lmeran.checkpoint import Checkpoint, load_checkpoint
from lmeran.config import ConfigError
from lmeran.findings import FINDINGS
from lmeran.model.lmeran import LMeRAN
from train.backbones import load_backbone
from train.batches import Source
from train.config import TrainConfig
from train.data.index import Index, label_sets, read_index, source_offsets, split_by_patient
from train.data.pixels import Pixels, cached_pixels
from train.processes import Processes
from train.run import Learner, Run, new_run


@dataclass(frozen=True, eq=False)
class Plan:
    """What a run is made of and does not change; total: its steps; out: its folder."""

    config: TrainConfig
    source: Source
    validation: Index
    validation_pixels: Pixels
    processes: Processes
    total: int
    facts: dict[str, Any]
    out: Path

    @property
    def state(self) -> Path:
        return self.out / "state.pt"


def prepare(config: TrainConfig, data: Path, out: Path, processes: Processes) -> tuple[Plan, Run]:
    """Data, weights and position. The first process builds the pixel cache, the others wait."""
    passes = config.passes(processes.size)
    if passes % processes.size or config.batch_size < passes:
        raise ConfigError(
            f"{passes} forward passes a step do not divide evenly over {processes.size} processes."
        )
    out.mkdir(parents=True, exist_ok=True)
    if processes.first:
        _keep_config(config, out / "config.yaml")
    train, validation = split_by_patient(
        read_index(data, "train_val", config.min_size), config.validation_share, config.seed
    )
    preprocessing = config.model.preprocessing
    if not processes.first:
        processes.wait()
    pixels, validation_pixels = (
        cached_pixels(index, preprocessing, out / "cache", config.workers, processes.first)
        for index in (train, validation)
    )
    if processes.first:
        processes.wait()
    source = Source(
        config=config,
        index=train,
        pixels=pixels,
        offsets=source_offsets(train)[train.groups] if config.source_adjust else None,
    )
    total = source.steps_per_epoch * config.epochs
    model, initial, backbone = _starting_model(config, train)
    plan = Plan(
        config=config,
        source=source,
        validation=validation,
        validation_pixels=validation_pixels,
        processes=processes,
        total=min(total, config.max_steps or total),
        facts=_facts(config, train, validation, initial, backbone),
        out=out,
    )
    run = new_run(Learner(model, config), processes.device)
    message = run.restore(plan.state, processes.device)
    if message and processes.first:
        print(message)
    return plan, run


def _starting_model(
    config: TrainConfig, train: Index
) -> tuple[LMeRAN, Checkpoint | None, dict[str, Any] | None]:
    """The model before the first step, the checkpoint it came from, facts on backbone weights."""
    torch.manual_seed(config.seed)
    model = LMeRAN(config.model)
    with torch.no_grad():  # start at the prevalence, not at one half
        share = torch.from_numpy(train.labels.mean(0)).clamp(1e-4, 1 - 1e-4)
        model.class_bias.copy_(share.logit())
    if config.backbone_weights:
        return model, None, load_backbone(config.backbone_weights, model)
    initial = load_checkpoint(config.init) if config.init else None
    if initial is not None:
        try:
            model.load_state_dict(initial.model.state_dict())
        except RuntimeError as error:
            difference = str(error).splitlines()[1].strip().rstrip(".")
            raise ConfigError(f"init does not fit the model: {difference}.") from None
    return model, initial, None


def _keep_config(config: TrainConfig, path: Path) -> None:
    text = yaml.safe_dump(config.to_dict(), sort_keys=False)
    if path.is_file() and path.read_text() != text:
        raise ConfigError(
            f"{path.parent} holds a run of another configuration; choose another --out "
            "or give the same options."
        )
    path.write_text(text)


def _facts(
    config: TrainConfig,
    train: Index,
    validation: Index,
    initial: Checkpoint | None,
    backbone: dict[str, Any] | None,
) -> dict[str, Any]:
    """What a checkpoint records of its training. Of the files it started from, it records what they
    were, not where they were."""
    positives = train.labels.sum(axis=0).astype(int).tolist()
    options = config.to_dict()
    options["backbone_weights"] = backbone
    before = None
    if initial is not None:
        options["init"] = initial.identity
        before = {k: v for k, v in initial.training.items() if k != "label_sets"}
    return {
        "config": options,
        "initial": before,
        "train_images": len(train),
        "train_positives": dict(zip(FINDINGS, positives, strict=True)),
        "label_sets": label_sets(train.labels),
        "validation_images": len(validation),
        "validation_split_sha256": validation.digest,
    }

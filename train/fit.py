"""`python -m train fit`: train LMeRAN on an index, resumable at any step."""

from __future__ import annotations

import csv
import math
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
import yaml
from torch import nn
from tqdm import tqdm

from lmeran.checkpoint import Checkpoint, load_checkpoint, save_checkpoint
from lmeran.config import ConfigError
from lmeran.findings import FINDINGS
from lmeran.masking import masked_loss, sample_label_mask, states_under_mask
from lmeran.preprocess import normalise
from train.augment import augment
from train.config import TrainConfig
from train.index import Index, label_sets, read_index, source_offsets, split_by_patient
from train.pixels import cached_pixels
from train.run import Run, new_run
from train.scoring import Score, as_metrics, predict_index, score

SAVE_EVERY = 100
"""Steps between saves of the run's state, besides the end of each epoch."""


@dataclass(frozen=True, eq=False)
class Plan:
    """What a run is made of and does not change.

    pixels: uint8 (N, S, S); offsets: (groups, 14) of `source_offsets`, or None; total: steps.
    """

    config: TrainConfig
    train: Index
    pixels: np.ndarray
    offsets: np.ndarray | None
    device: torch.device
    steps_per_epoch: int
    total: int
    state: Path


class TrainingError(RuntimeError):
    """A run that cannot go on; the message says why and what state it left."""


def fit(config: TrainConfig, data: Path, out: Path, device: torch.device) -> Path:
    """Train; returns the folder of the best checkpoint by validation mean AUC, free, within
    sources.

    The same command again resumes from `out`. Raises `ConfigError` where `out` holds a run of
    another configuration, `DataError` for unusable data, `TrainingError` for a loss not finite.
    """
    out.mkdir(parents=True, exist_ok=True)
    _keep_config(config, out / "config.yaml")
    train, validation = split_by_patient(
        read_index(data, "train_val", config.min_size), config.validation_share, config.seed
    )
    preprocessing = config.model.preprocessing
    pixels = cached_pixels(train, preprocessing, out / "cache", config.workers)
    validation_pixels = cached_pixels(validation, preprocessing, out / "cache", config.workers)

    steps = max(1, len(train) // config.batch_size)
    plan = Plan(
        config=config,
        train=train,
        pixels=pixels,
        offsets=source_offsets(train) if config.source_adjust else None,
        device=device,
        steps_per_epoch=steps,
        total=min(steps * config.epochs, config.max_steps or steps * config.epochs),
        state=out / "state.pt",
    )
    initial = load_checkpoint(config.init) if config.init else None
    run = new_run(config, train.labels, device, initial.model if initial else None)
    if plan.state.is_file():
        run.restore(plan.state, device)
        print(f"resumed at step {run.step}")
    facts = _facts(config, train, validation, initial)

    try:
        while run.step < plan.total:
            epoch, started = run.step // steps, time.monotonic()
            _train_epoch(run, plan)
            scores = _validate(run, validation, validation_pixels, config, device)
            loss = run.epoch_loss / (run.step - epoch * steps)
            _finish_epoch(run, out, facts, scores, epoch, loss, time.monotonic() - started)
            run.save(plan.state)
    except KeyboardInterrupt:
        run.save(plan.state)
        print(f"\nstopped at step {run.step} of {plan.total}; the same command goes on from here")
    return out / "best"


def learning_rate(step: int, total: int, config: TrainConfig) -> float:
    """Linear warm-up, then a cosine to zero; a pure function of the step."""
    warmup = max(1, round(config.warmup * total))
    if step < warmup:
        return config.learning_rate * (step + 1) / warmup
    progress = (step - warmup) / max(1, total - warmup)
    return config.learning_rate * 0.5 * (1 + math.cos(math.pi * min(1.0, progress)))


def _train_epoch(run: Run, plan: Plan) -> None:
    """From where the run stands to the end of its epoch."""
    config = plan.config
    run.model.train()
    epoch = run.step // plan.steps_per_epoch
    order = np.random.default_rng([config.seed, epoch]).permutation(len(plan.train))
    first = epoch * plan.steps_per_epoch
    end = min(plan.total, first + plan.steps_per_epoch)
    if run.step == first:
        run.epoch_loss = 0.0
    bar = tqdm(total=end - first, initial=run.step - first, desc=f"epoch {epoch + 1}", unit="step")
    with bar:
        while run.step < end:
            position = (run.step - first) * config.batch_size
            rows = np.sort(order[position : position + config.batch_size])
            rate = learning_rate(run.step, plan.total, config)
            loss = _train_step(run, plan, rows, rate)
            if not math.isfinite(loss):
                raise TrainingError(
                    f"The loss is {loss} at step {run.step + 1}; the last saved state is good, "
                    "lower --learning_rate and start again in a new folder."
                )
            run.step += 1
            run.epoch_loss += loss
            bar.update()
            bar.set_postfix(loss=f"{run.epoch_loss / (run.step - first):.4f}", lr=f"{rate:.1e}")
            if run.step % SAVE_EVERY == 0 and run.step < end:
                run.save(plan.state)


def _train_step(run: Run, plan: Plan, rows: np.ndarray, rate: float) -> float:
    """One step. All randomness is a function of (seed, step), so a resumed run repeats it."""
    config, train, device = plan.config, plan.train, plan.device
    seed = int(np.random.SeedSequence([config.seed, run.step]).generate_state(1)[0])
    torch.manual_seed(seed)  # dropout
    generator = torch.Generator().manual_seed(seed + 1)
    labels = torch.from_numpy(train.labels[rows])
    mask = torch.ones_like(labels, dtype=torch.bool)
    if config.label_masking:
        mask = sample_label_mask(*labels.shape, config.mask_lower, generator)
    states = states_under_mask(labels, mask).to(device)
    gray = torch.from_numpy(np.array(plan.pixels[rows])).to(device).float() / 255.0
    images = normalise(augment(gray, config, generator), config.model.preprocessing)
    images = images.contiguous(memory_format=torch.channels_last)

    for group in run.optimizer.param_groups:
        group["lr"] = rate * group["share"]
    with torch.autocast(device.type, torch.bfloat16, config.precision == "bf16"):
        logits = run.model(images, states).logits.float()
    if plan.offsets is not None:
        logits = logits + torch.from_numpy(plan.offsets[train.groups[rows]]).to(device)
    loss = masked_loss(logits, labels.to(device), mask.to(device), config.loss)
    run.optimizer.zero_grad(set_to_none=True)
    loss.backward()
    nn.utils.clip_grad_norm_(run.model.parameters(), 1.0)
    run.optimizer.step()
    run.average.update_parameters(run.model)
    return float(loss.detach())


def _validate(
    run: Run, validation: Index, pixels: np.ndarray, config: TrainConfig, device: torch.device
) -> list[Score]:
    probabilities = predict_index(
        run.evaluated, pixels, validation, (0, 7), config.batch_size, device, config.precision
    )
    return score(validation, probabilities)


def _finish_epoch(
    run: Run,
    out: Path,
    facts: dict[str, Any],
    scores: list[Score],
    epoch: int,
    loss: float,
    seconds: float,
) -> None:
    free, known = (s.mean or 0.0 for s in scores)
    within = scores[0].within or 0.0
    print(
        f"epoch {epoch + 1}: validation mean AUC free {free:.4f} ({within:.4f} within sources), "
        f"7 known {known:.4f}"
    )
    row = {
        "epoch": epoch + 1,
        "step": run.step,
        "seconds": round(seconds, 1),
        "loss": round(loss, 5),
        "auc_free": free,
        "auc_free_within_sources": within,
        "auc_known7": known,
        **{f"auc_free_{name}": v for name, v in zip(FINDINGS, scores[0].per_finding, strict=True)},
    }
    _record(out / "history.csv", row)
    if within > run.best:
        run.best = within
        metrics = {
            "validation": {"images": facts["validation_images"], "scores": as_metrics(scores)}
        }
        save_checkpoint(
            out / "best", run.evaluated, {**facts, "epoch": epoch + 1, "step": run.step}, metrics
        )


def _keep_config(config: TrainConfig, path: Path) -> None:
    text = yaml.safe_dump(_plain(config.to_dict()), sort_keys=False)
    if path.is_file() and path.read_text() != text:
        raise ConfigError(
            f"{path.parent} holds a run of another configuration; choose another --out "
            "or give the same options."
        )
    path.write_text(text)


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {k: _plain(v) for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(v) for v in value]
    return value


def _facts(
    config: TrainConfig, train: Index, validation: Index, initial: Checkpoint | None
) -> dict[str, Any]:
    """What a checkpoint says of its training. Of an initial checkpoint it tells what that was, not
    where it lay."""
    positives = train.labels.sum(axis=0).astype(int).tolist()
    options = _plain(config.to_dict())
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


def _record(path: Path, row: dict[str, Any]) -> None:
    """Add an epoch to the history; an epoch run again after a kill replaces its row."""
    rows: list[dict[str, Any]] = []
    if path.is_file():
        with path.open(newline="") as file:
            rows = [old for old in csv.DictReader(file) if old["epoch"] != str(row["epoch"])]
    partial = path.with_suffix(".partial")
    with partial.open("w", newline="") as file:
        writer = csv.DictWriter(file, row)
        writer.writeheader()
        writer.writerows([*rows, row])
    partial.replace(path)

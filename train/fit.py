"""`python -m train fit`: train LMeRAN on an index, resumable at any step, on any processes."""

from __future__ import annotations

import math
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.nn.parallel import DistributedDataParallel
from tqdm import tqdm

from lmeran.checkpoint import save_checkpoint
from lmeran.errors import UserError
from lmeran.findings import FINDINGS
from train.batches import Batch
from train.config import TrainConfig
from train.evaluation.scoring import as_metrics, predict_index, score
from train.history import History
from train.optimiser import set_rate
from train.plan import Plan, prepare
from train.processes import Processes, started
from train.run import Run
from train.states import alone_in

LOOK_EVERY = 20
"""Steps between reads of the loss: on a GPU each one waits for all queued work."""


class TrainingError(UserError):
    """A run that cannot continue; the message says why and what state it left."""


def run_fit(config: TrainConfig, data: Path, out: Path, device: str = "auto") -> None:
    """Train; the same command again resumes.

    Args:
        config: all other options
        data: folder with index.csv
        out: folder of the run
        device: auto, cpu, cuda or cuda:N
    """
    with started(device) as processes:
        best = fit(config, data, out, processes)
        if processes.first:
            print(f"best checkpoint: {best}")


def fit(config: TrainConfig, data: Path, out: Path, processes: Processes | torch.device) -> Path:
    """Train; returns the folder of the best checkpoint by validation mean AUC, free, within
    sources.

    The same command again resumes from `out`, also with another number of processes where
    `micro_batch` is given. Raises `ConfigError` where `out` holds a run of another configuration,
    `DataError` for unusable data, `TrainingError` for a loss not finite, `StateError` where the
    state cannot be kept or another run has the folder.
    """
    if isinstance(processes, torch.device):
        processes = Processes(0, 1, processes)
    with alone_in(out) if processes.first else nullcontext():
        return _fit(config, data, out, processes)


def _fit(config: TrainConfig, data: Path, out: Path, processes: Processes) -> Path:
    plan, run = prepare(config, data, out, processes)
    history = History(out, run.step) if processes.first else None
    steps = plan.source.steps_per_epoch
    with _stop_signal() as stopped:
        while run.step < plan.total:
            epoch, started = run.step // steps, time.monotonic()
            if not _train_epoch(run, plan, history, stopped):
                break
            _settle(run, processes)
            probabilities = _validate(run, plan)
            if history:
                row = _finish_epoch(run, plan, probabilities, epoch)
                history.epoch({**row, "seconds": round(time.monotonic() - started, 1)})
                run.save(plan.state)
            processes.wait()
    if history:
        history.close()
        if run.step < plan.total:
            print(f"\nstopped at step {run.step} of {plan.total}; the same command resumes")
    return out / "best"


def learning_rate(step: int, total: int, config: TrainConfig) -> float:
    """Linear warm-up, then the schedule; a pure function of the step."""
    warmup = max(1, round(config.warmup * total))
    if step < warmup:
        return config.learning_rate * (step + 1) / warmup
    if config.schedule == "constant":
        return config.learning_rate
    progress = min(1.0, (step - warmup) / max(1, total - warmup))
    return config.learning_rate * 0.5 * (1 + math.cos(math.pi * progress))


def _train_epoch(
    run: Run, plan: Plan, history: History | None, stopped: Callable[[], bool]
) -> bool:
    """From where the run stands to the end of its epoch; false if it was asked to stop."""
    config, processes, steps = plan.config, plan.processes, plan.source.steps_per_epoch
    first = run.step // steps * steps
    end = min(plan.total, first + steps)
    if run.step == first:
        run.epoch_loss = 0.0
    run.learner.train()
    step_of = step_function(run, plan)
    queued: list[torch.Tensor] = []
    label = f"epoch {first // steps + 1}"
    with tqdm(
        total=end - first,
        initial=run.step - first,
        desc=label,
        unit="step",
        disable=not processes.first,
    ) as bar:
        for batches in plan.source.batches(run.step, end, processes.rank, processes.size):
            rate = learning_rate(run.step, plan.total, config)
            queued.append(step_of(batches, rate))
            run.step += 1
            bar.update()
            saving = run.step % config.save_every == 0 and run.step < end
            stopping = processes.any(stopped()) and run.step < end
            if saving or stopping or run.step % LOOK_EVERY == 0 or run.step == end:
                _look(run, queued, processes)
                loss = run.epoch_loss / (run.step - first)
                bar.set_postfix(loss=f"{loss:.4f}", lr=f"{rate:.1e}")
                if history:
                    history.step(run.step, {"loss": loss, "learning_rate": rate})
            if saving or stopping:
                _settle(run, processes)
                if processes.first:
                    run.save(plan.state)
            if stopping:
                return False
    return True


def _settle(run: Run, processes: Processes) -> None:
    """One set of running batch statistics for all processes, before they are read or kept."""
    processes.average_buffers(run.learner)
    processes.average_buffers(run.average)


def _look(run: Run, queued: list[torch.Tensor], processes: Processes) -> None:
    """Fetch the losses since the last look, mean over the processes. Raises `TrainingError`."""
    losses = torch.stack(queued).tolist() if queued else []
    queued.clear()
    for step_losses in zip(*processes.gather(losses), strict=True):
        run.epoch_loss += sum(step_losses) / len(step_losses)
    if not math.isfinite(run.epoch_loss):
        raise TrainingError(
            f"The loss is {run.epoch_loss} at step {run.step}; the state saved before is good. "
            "Lower --learning_rate and start again in a new folder."
        )


def step_function(run: Run, plan: Plan) -> Callable[[list[Batch], float], torch.Tensor]:
    """One optimiser step over this process's forward passes; returns their mean loss, detached."""
    config, processes = plan.config, plan.processes
    # Frozen through the epochs that begin within the first `frozen` share of the steps.
    run.learner.model.backbone.requires_grad_(run.step >= config.frozen * plan.total)
    module: nn.Module = run.learner
    if processes.size > 1:
        # Running statistics are averaged once an epoch, not sent at every step.
        module = DistributedDataParallel(module, broadcast_buffers=False)
    if config.compile:
        module = torch.compile(module)

    def step(batches: list[Batch], rate: float) -> torch.Tensor:
        set_rate(run.optimizer, rate)
        size = config.input_size(run.step, plan.total)
        run.optimizer.zero_grad(set_to_none=True)
        losses = []
        for k, batch in enumerate(batches):
            last = k + 1 == len(batches)
            alone = processes.size == 1 or last
            with nullcontext() if alone else module.no_sync():
                loss = module(batch.to(processes.device), size) / len(batches)
                loss.backward()
            losses.append(loss.detach())
        nn.utils.clip_grad_norm_(run.learner.parameters(), 1.0)
        run.optimizer.step()
        run.average.update_parameters(run.learner.model)
        return torch.stack(losses).sum()

    return step


def _validate(run: Run, plan: Plan) -> dict[int, np.ndarray]:
    """Probabilities of the validation split, free and with 7 known; each process does a part."""
    processes, config = plan.processes, plan.config
    rows = np.arange(processes.rank, len(plan.validation), processes.size)
    part = predict_index(
        run.evaluated,
        plan.validation_pixels[rows] if processes.size > 1 else plan.validation_pixels,
        plan.validation.take(rows),
        (0, 7),
        max(1, config.micro_batch or config.batch_size // processes.size),
        processes.device,
        config.precision,
    )
    whole = {k: np.zeros((len(plan.validation), v.shape[1])) for k, v in part.items()}
    for rank, values in enumerate(processes.gather(part)):
        for known, probabilities in values.items():
            whole[known][rank :: processes.size] = probabilities
    return whole


def _finish_epoch(
    run: Run, plan: Plan, probabilities: dict[int, np.ndarray], epoch: int
) -> dict[str, Any]:
    """Score the epoch, keep its weights if they are the best so far; the row of the history."""
    scores = score(plan.validation, probabilities)
    free, known = (s.mean or 0.0 for s in scores)
    within = scores[0].within or 0.0
    print(
        f"epoch {epoch + 1}: validation mean AUC free {free:.4f} ({within:.4f} within sources), "
        f"7 known {known:.4f}"
    )
    if within > run.best:
        run.best = within
        measured = {"images": len(plan.validation), "scores": as_metrics(scores)}
        facts = {**plan.facts, "epoch": epoch + 1, "step": run.step}
        save_checkpoint(plan.out / "best", run.evaluated, facts, {"validation": measured})
    each = zip(FINDINGS, scores[0].per_finding, scores[1].per_finding, strict=True)
    return {
        "epoch": epoch + 1,
        "step": run.step,
        "loss": round(run.epoch_loss / (run.step - epoch * plan.source.steps_per_epoch), 5),
        "auc_free": free,
        "auc_free_within_sources": within,
        "auc_known7": known,
        **{
            f"auc_{kind}_{name}": value
            for name, *pair in each
            for kind, value in zip(("free", "known7"), pair, strict=True)
        },
    }


@contextmanager
def _stop_signal() -> Iterator[Callable[[], bool]]:
    """Whether Ctrl-C or SIGTERM was received. It is checked after a whole step, so that the state
    saved is one between two steps. A second Ctrl-C stops at once."""
    asked: list[int] = []

    def ask(number: int, _: Any) -> None:
        if asked and number == signal.SIGINT:
            raise KeyboardInterrupt
        asked.append(number)

    kept = {n: signal.signal(n, ask) for n in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield lambda: bool(asked)
    finally:
        for number, handler in kept.items():
            signal.signal(number, handler)

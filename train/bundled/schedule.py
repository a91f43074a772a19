"""How long a stage lasts, what its learning rate is, and the moving average of what it trains."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np
import torch
from torch import nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

WARMUP = 0.05


@dataclass
class Stage:
    """A stage that ends after `seconds` or `steps`, whichever comes first.

    On a GPU that is lent by the minute the clock ends it; elsewhere steps do.
    """

    name: str
    seconds: float = math.inf
    steps: float = math.inf
    started: float = field(default_factory=time.monotonic)
    step: int = 0

    @property
    def progress(self) -> float:
        spent = (time.monotonic() - self.started) / self.seconds
        return min(1.0, max(spent, self.step / self.steps))

    def rate(self, peak: float) -> float:
        """Linear warm-up, then a cosine to zero, over the stage's own progress."""
        done = self.progress
        if done < WARMUP:
            return peak * max(done / WARMUP, 0.02)
        return peak * 0.5 * (1 + math.cos(math.pi * (done - WARMUP) / (1 - WARMUP)))


def batches(rows: np.ndarray, size: int, stage: Stage, seed: int) -> Iterator[np.ndarray]:
    """Rows of one batch after the other, epoch by epoch in new order, until the stage ends."""
    epoch = 0
    while True:
        order = np.random.default_rng([seed, epoch]).permutation(rows)
        for start in range(0, len(order) - size + 1, size):
            if stage.progress >= 1:
                return
            yield order[start : start + size]
            if not stage.step:  # the first step chooses and compiles kernels
                stage.started = time.monotonic()
            stage.step += 1
        epoch += 1
        if len(rows) < size:
            raise ValueError(f"a batch of {size} needs as many films: {len(rows)}")


class MovingAverage:
    """Average of a module's weights and running statistics; short at first, `decay` later."""

    def __init__(self, module: nn.Module, decay: float) -> None:
        self.decay, self.updates = decay, 0
        self._average = AveragedModel(module, multi_avg_fn=self._mix, use_buffers=True)

    def update(self, module: nn.Module) -> None:
        self.updates += 1
        self._average.update_parameters(module)

    @property
    def module(self) -> nn.Module:
        return self._average.module

    def _mix(
        self, averaged: list[torch.Tensor], current: list[torch.Tensor], _: torch.Tensor | int
    ) -> None:
        now = min(self.decay, (1 + self.updates) / (10 + self.updates))
        get_ema_multi_avg_fn(now)(averaged, current, 0)


def optimiser(
    parameters: list[nn.Parameter],
    decay: float,
    cuda: bool,
    undecayed: tuple[nn.Parameter, ...] = (),
) -> torch.optim.AdamW:
    """AdamW; weight decay on kernels and projections, not on norms, biases and `undecayed`."""
    spared = {id(p) for p in undecayed}
    groups: dict[float, list[nn.Parameter]] = {decay: [], 0.0: []}
    for parameter in parameters:
        decays = parameter.ndim >= 2 and id(parameter) not in spared
        groups[decay if decays else 0.0].append(parameter)
    return torch.optim.AdamW(
        [{"params": g, "weight_decay": d} for d, g in groups.items() if g], lr=0.0, fused=cuda
    )


def set_rate(optimizer: torch.optim.Optimizer, rate: float) -> None:
    for group in optimizer.param_groups:
        group["lr"] = rate

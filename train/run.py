"""What changes while training: model, moving average, optimiser, position. Saved as one file."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch.optim.swa_utils import AveragedModel

from lmeran.config import ConfigError
from lmeran.model import LMeRAN
from train.config import TrainConfig


@dataclass(eq=False)
class Run:
    """All that changes while training: saved as one file, restored as one."""

    model: LMeRAN
    average: AveragedModel
    optimizer: torch.optim.Optimizer
    step: int = 0
    best: float = -1.0
    epoch_loss: float = 0.0

    @property
    def evaluated(self) -> LMeRAN:
        """The weights that are evaluated and shipped: the moving average."""
        return self.average.module

    def save(self, path: Path) -> None:
        """Atomically: a kill leaves the old file or the new one."""
        partial = path.with_suffix(".partial")
        state = {
            "model": self.model.state_dict(),
            "average": self.average.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "step": self.step,
            "best": self.best,
            "epoch_loss": self.epoch_loss,
        }
        torch.save(state, partial)
        partial.replace(path)

    def restore(self, path: Path, device: torch.device) -> None:
        state = torch.load(path, map_location=device, weights_only=True)
        self.model.load_state_dict(state["model"])
        self.average.load_state_dict(state["average"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.step, self.best = state["step"], state["best"]
        self.epoch_loss = state["epoch_loss"]


def new_run(
    config: TrainConfig, labels: np.ndarray, device: torch.device, initial: LMeRAN | None = None
) -> Run:
    """A run at step 0, from random weights or from those of `initial`."""
    torch.manual_seed(config.seed)
    model = LMeRAN(config.model)
    with torch.no_grad():  # start at the prevalence, not at one half
        model.class_bias.copy_(torch.from_numpy(labels.mean(0)).clamp(1e-4, 1 - 1e-4).logit())
    if initial is not None:
        _check_init(initial, model)
        model.load_state_dict(initial.state_dict())
    model = model.to(device, memory_format=torch.channels_last)
    optimizer = torch.optim.AdamW(_parameter_groups(model, config))
    return Run(
        model, AveragedModel(model, avg_fn=_averager(config.ema), use_buffers=True), optimizer
    )


def _parameter_groups(model: LMeRAN, config: TrainConfig) -> list[dict[str, Any]]:
    """Backbone and the rest at their own rates; weight decay on matrices and kernels only."""
    groups = []
    for inside, share in ((True, 1.0), (False, config.branch_rate)):
        named = [
            p for name, p in model.named_parameters() if name.startswith("backbone.") == inside
        ]
        for decayed in (True, False):
            groups.append(
                {
                    "params": [p for p in named if (p.ndim >= 2) == decayed],
                    "weight_decay": config.weight_decay if decayed else 0.0,
                    "share": share,
                }
            )
    return groups


def _averager(decay: float) -> Any:
    """Moving average whose decay rises from 0.1, so that the random start is soon forgotten."""

    def average(old: torch.Tensor, new: torch.Tensor, count: torch.Tensor | int) -> torch.Tensor:
        if not new.is_floating_point():
            return new
        now = min(decay, (1 + int(count)) / (10 + int(count)))
        return old.lerp(new, 1 - now)

    return average


def _check_init(initial: LMeRAN, model: LMeRAN) -> None:
    shapes = {name: t.shape for name, t in initial.state_dict().items()}
    wanted = {name: t.shape for name, t in model.state_dict().items()}
    differing = sorted(k for k in shapes.keys() | wanted.keys() if shapes.get(k) != wanted.get(k))
    if differing:
        raise ConfigError(f"init does not fit the model: {differing[0]} differs")

"""What changes while training: learner, moving average, optimiser, position. Saved as one file."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch.optim.swa_utils import AveragedModel

from lmeran.config import ConfigError
from lmeran.model.lmeran import LMeRAN
from train.config import TrainConfig
from train.learner import Learner
from train.states import StateError, load_state, save_state


@dataclass(eq=False)
class Run:
    """All that changes while training: saved as one file, restored as one.

    There is no random state in it: order, masks, augmentation and dropout are functions of the
    seed and the step (`train.batches`).
    """

    learner: Learner
    average: AveragedModel
    optimizer: torch.optim.Optimizer
    scaler: torch.amp.GradScaler
    step: int = 0
    best: float = -1.0
    epoch_loss: float = 0.0

    @property
    def evaluated(self) -> LMeRAN:
        """The weights that are evaluated and shipped: the moving average."""
        return self.average.module

    def save(self, path: Path) -> None:
        """Raises `StateError` where the state cannot be kept; the one before it is then good."""
        state = {
            "learner": self.learner.state_dict(),
            "average": self.average.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "scaler": self.scaler.state_dict(),
            "step": self.step,
            "best": self.best,
            "epoch_loss": self.epoch_loss,
        }
        save_state(state, path)

    def restore(self, path: Path, device: torch.device) -> str:
        """Go on from the newest sound state, if any was saved; returns what is to be told.

        Raises `StateError` for a file that is not a state of this run.
        """
        state, told = load_state(path, device)
        if state is None:
            return ""
        try:
            self.learner.load_state_dict(state["learner"])
            self.average.load_state_dict(state["average"])
            self.optimizer.load_state_dict(state["optimizer"])
            self.scaler.load_state_dict(state["scaler"])
        except Exception as error:  # whatever a state of other shapes raises
            raise StateError(
                f"{path.name} is not a state of this run ({type(error).__name__}); start again in "
                "a new folder."
            ) from error
        self.step, self.best = state["step"], state["best"]
        self.epoch_loss = state["epoch_loss"]
        return f"{told} Resumed at step {self.step}.".strip()


def new_run(learner: Learner, device: torch.device) -> Run:
    """A run at step 0 of a learner whose weights are set."""
    learner.to(device, memory_format=torch.channels_last)
    config = learner.config
    average = AveragedModel(learner.model, multi_avg_fn=_averager(config.ema), use_buffers=True)
    optimizer = torch.optim.AdamW(_parameter_groups(learner, config))
    scaler = torch.amp.GradScaler(device.type, enabled=config.precision == "fp16")
    return Run(learner, average, optimizer, scaler)


def check_fits(initial: LMeRAN, model: LMeRAN) -> None:
    """Raises `ConfigError` where the weights of one are not those of the other."""
    shapes = {name: t.shape for name, t in initial.state_dict().items()}
    wanted = {name: t.shape for name, t in model.state_dict().items()}
    differing = sorted(k for k in shapes.keys() | wanted.keys() if shapes.get(k) != wanted.get(k))
    if differing:
        raise ConfigError(f"init does not fit the model: {differing[0]} differs")


def _parameter_groups(learner: Learner, config: TrainConfig) -> list[dict[str, Any]]:
    """Backbone and the rest at their own rates; weight decay on matrices and kernels only."""
    groups = []
    for inside, share in ((True, 1.0), (False, config.branch_rate)):
        named = [
            p for n, p in learner.named_parameters() if n.startswith("model.backbone.") == inside
        ]
        for decayed in (True, False):
            groups.append(
                {
                    "params": [p for p in named if (p.ndim >= 2) == decayed],
                    "weight_decay": config.weight_decay if decayed else 0.0,
                    "share": share,
                    "backbone": inside,
                }
            )
    return groups


def _averager(decay: float) -> Any:
    """Moving average whose decay rises from 0.1, so that the random start is soon forgotten."""

    def average(
        old: list[torch.Tensor], new: list[torch.Tensor], count: torch.Tensor | int
    ) -> None:
        if not old[0].is_floating_point():  # counts of batches: the latest
            torch._foreach_copy_(old, new)
            return
        now = min(decay, (1 + int(count)) / (10 + int(count)))
        torch._foreach_lerp_(old, new, 1 - now)

    return average

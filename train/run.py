"""What changes while training: learner, moving average, optimiser, position. Saved as one file."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch.optim.swa_utils import AveragedModel

from lmeran.model.lmeran import LMeRAN
from train.config import TrainConfig
from train.learner import Learner
from train.states import StateError, load_state, save_state

_PARTS = ("learner", "average", "optimizer", "scaler")
_POSITION = ("step", "best", "epoch_loss")


@dataclass(eq=False)
class Run:
    """All that changes while training: saved as one file, restored as one.

    It holds no random state: order, masks, augmentation and dropout are functions of the seed and
    the step (`train.batches`).
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
        """Raises `StateError` where the state cannot be saved; the one before it is then good."""
        state = {name: getattr(self, name).state_dict() for name in _PARTS}
        save_state(state | {name: getattr(self, name) for name in _POSITION}, path)

    def restore(self, path: Path, device: torch.device) -> str:
        """Continue from the newest sound state, if any was saved; returns a message for the user.

        Raises `StateError` for a file that is not a state of this run.
        """
        state, message = load_state(path, device)
        if state is None:
            return ""
        try:
            for name in _PARTS:
                getattr(self, name).load_state_dict(state[name])
        except Exception as error:  # whatever a state of other shapes raises
            raise StateError(
                f"{path.name} is not a state of this run ({type(error).__name__}); start again in "
                "a new folder."
            ) from error
        for name in _POSITION:
            setattr(self, name, state[name])
        return f"{message} Resumed at step {self.step}.".strip()


def new_run(learner: Learner, device: torch.device) -> Run:
    """A run at step 0 of a learner whose weights are set."""
    learner.to(device, memory_format=torch.channels_last)
    config = learner.config
    average = AveragedModel(learner.model, multi_avg_fn=_averager(config.ema), use_buffers=True)
    optimizer = torch.optim.AdamW(_parameter_groups(learner, config))
    scaler = torch.amp.GradScaler(device.type, enabled=config.precision == "fp16")
    return Run(learner, average, optimizer, scaler)


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

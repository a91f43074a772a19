"""What changes while training: learner, moving average, optimiser, position. Saved as one file."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import torch
from torch import nn
from torch.optim.swa_utils import AveragedModel

from lmeran.model.lmeran import LMeRAN
from lmeran.model.masking import masked_loss
from train.augment import augment, network_input, resized
from train.batches import Batch
from train.config import TrainConfig
from train.optimiser import adamw, decay_groups, moving_average
from train.states import StateError, load_state, save_state

_PARTS = ("learner", "average", "optimizer")
_POSITION = ("step", "best", "epoch_loss")


class Learner(nn.Module):
    """A model with its objective, so that one forward pass is one loss."""

    def __init__(self, model: LMeRAN, config: TrainConfig) -> None:
        super().__init__()
        self.model = model
        self.config = config

    def forward(self, batch: Batch, size: int) -> torch.Tensor:
        """Loss of a batch read at `size` pixels a side; all chance comes from its seed."""
        config, preprocessing = self.config, self.config.model.preprocessing
        generator = torch.Generator().manual_seed(batch.seed)
        gray = augment(batch.gray.float() / 255.0, config.augmentation, generator)
        torch.manual_seed(batch.seed)  # dropout
        images = network_input(resized(gray, size), preprocessing)
        with torch.autocast(gray.device.type, torch.bfloat16, config.precision == "bf16"):
            encoding = self.model.encode(images)
            logits = self.model.condition(encoding, batch.states).logits.float()
        adjusted = logits if batch.offsets is None else logits + batch.offsets
        return masked_loss(adjusted, batch.labels, batch.mask, config.loss)


@dataclass(eq=False)
class Run:
    """All that changes while training: saved as one file, restored as one.

    It holds no random state: order, masks, augmentation and dropout are functions of the seed and
    the step (`train.batches`).
    """

    learner: Learner
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
    inside = [p for n, p in learner.named_parameters() if n.startswith("model.backbone.")]
    rest = [p for n, p in learner.named_parameters() if not n.startswith("model.backbone.")]
    groups = decay_groups(inside, config.weight_decay)
    groups += decay_groups(rest, config.weight_decay, share=config.branch_rate)
    return Run(
        learner,
        moving_average(learner.model, config.ema),
        adamw(groups, device),
    )

"""One training run as a frozen dataclass: YAML, command line and checkpoint share its fields."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, field
from typing import Any, Literal

from lmeran.config import ConfigError, LMeRANConfig


@dataclass(frozen=True)
class TrainConfig:
    """A run of `python -m train fit`.

    Args:
        model: architecture and preprocessing
        label_masking: false for the paper's "w/o LMT": every state unknown, loss on all findings
        mask_lower: lower bound of the share of masked findings (paper: 0.25)
        source_adjust: in training, add to each logit what the image's source alone says of the
            finding, so that the network need not learn the source
        loss: reduction of the masked loss, per masked finding ("mean") or per image ("sum")
        epochs: passes over the training split
        batch_size: images a step
        learning_rate: peak of the schedule, for the backbone
        branch_rate: learning rate of all else (label branch, classifiers) as a share of it
        warmup: share of the steps that ramp the learning rate up; then it falls along a cosine
        weight_decay: of AdamW, on matrices only
        ema: decay of the moving average of the weights that is evaluated and shipped; 0: none
        validation_share: share of train_val patients kept for validation
        min_size: leave out images smaller than this many pixels a side
        flip: random horizontal flips
        crop: smallest share of a side that a random crop keeps
        rotate: largest random rotation in degrees
        contrast: largest random change of contrast and brightness
        precision: "bf16" uses autocast, "fp32" does not
        seed: of weights, order, masks, augmentation and split
        workers: threads that read images into the pixel cache
        init: checkpoint to take the weights from before the first step
        max_steps: stop after this many steps in all (0: no limit)
    """

    model: LMeRANConfig = field(default_factory=LMeRANConfig)
    label_masking: bool = True
    mask_lower: float = 0.25
    source_adjust: bool = False
    loss: Literal["mean", "sum"] = "mean"
    epochs: int = 50
    batch_size: int = 64
    learning_rate: float = 1e-4
    branch_rate: float = 1.0
    warmup: float = 0.05
    weight_decay: float = 0.01
    ema: float = 0.999
    validation_share: float = 0.13
    min_size: int = 0
    flip: bool = True
    crop: float = 0.8
    rotate: float = 5.0
    contrast: float = 0.2
    precision: Literal["fp32", "bf16"] = "fp32"
    seed: int = 0
    workers: int = 2
    init: str | None = None
    max_steps: int = 0

    def __post_init__(self) -> None:
        if self.epochs < 1 or self.batch_size < 1:
            raise ConfigError("epochs and batch_size must be at least 1")
        if not 0 < self.validation_share < 1:
            raise ConfigError(f"validation_share must be in (0, 1): {self.validation_share}")
        if not 0 <= self.ema < 1:
            raise ConfigError(f"ema must be in [0, 1): {self.ema}")
        if not 0 < self.crop <= 1:
            raise ConfigError(f"crop must be in (0, 1]: {self.crop}")

    def to_dict(self) -> dict[str, Any]:
        """Plain values for YAML and the checkpoint's JSON."""
        return dataclasses.asdict(self)

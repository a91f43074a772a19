"""One training run as a frozen dataclass: YAML, command line and checkpoint share its fields."""

from __future__ import annotations

import dataclasses
import json
from dataclasses import dataclass, field
from typing import Any, Literal

from lmeran.config import (
    CELL_STRIDE,
    ConfigError,
    LMeRANConfig,
    check_least,
)
from train.augment import Augmentation


@dataclass(frozen=True)
class TrainConfig:
    """A run of `python -m train fit`.

    Args:
        model: architecture and preprocessing
        augmentation: random changes of the films
        label_masking: false for the paper's "w/o LMT": every state unknown, loss on all findings
        mask_lower: lower bound of the share of masked findings (paper: 0.25)
        free_share: share of the images of a step that are read with every finding masked, whatever
            the drawn mask says (the paper has no such share)
        loss: reduction of the masked loss, per masked finding ("mean") or per image ("sum")
        source_adjust: in training, add to each logit what the image's source alone says of the
            finding, so that the network need not learn the source
        epochs: passes over the training split
        batch_size: images a step, over all processes and micro-batches
        micro_batch: images a forward pass; 0: batch_size over the number of processes. Batch
            statistics are taken over it, gradients are accumulated to a batch
        learning_rate: peak of the schedule, for the backbone
        branch_rate: learning rate of all else (label branch, classifiers) as a share of it
        schedule: after the warm-up fall along a "cosine" to zero, or stay "constant"
        warmup: share of the steps that ramp the learning rate up
        weight_decay: of AdamW, on matrices only
        ema: decay of the moving average of the weights that is evaluated and shipped; 0: none
        frozen: share of the steps, from the first, in which the backbone keeps its weights
        progressive: input sizes in pixels, each for an equal part of the run; the model's own size
            must come last. Empty: the model's size throughout
        validation_share: share of train_val patients kept for validation; the default leaves, with
            seed 0, the paper's 75,312 training and 11,212 validation films of the whole release
        min_size: leave out images smaller than this many pixels a side
        precision: "bf16" uses autocast, "fp32" does not
        compile: compile the step with torch.compile
        seed: of weights, order, masks, augmentation and split
        workers: threads that read images into the pixel cache
        save_every: steps between saves of the run's state, besides the end of each epoch
        backbone_weights: "imagenet" or "lmeran:FOLDER" (a checkpoint of any label branch); none:
            random weights
        init: checkpoint to take all weights from before the first step
        max_steps: stop after this many steps in all (0: no limit)
    """

    model: LMeRANConfig = field(default_factory=LMeRANConfig)
    augmentation: Augmentation = field(default_factory=Augmentation)
    label_masking: bool = True
    mask_lower: float = 0.25
    free_share: float = 0.0
    loss: Literal["mean", "sum"] = "mean"
    source_adjust: bool = False
    epochs: int = 50
    batch_size: int = 64
    micro_batch: int = 0
    learning_rate: float = 1e-4
    branch_rate: float = 1.0
    schedule: Literal["cosine", "constant"] = "cosine"
    warmup: float = 0.05
    weight_decay: float = 0.01
    ema: float = 0.999
    frozen: float = 0.0
    progressive: tuple[int, ...] = ()
    validation_share: float = 0.1264
    min_size: int = 0
    precision: Literal["fp32", "bf16"] = "fp32"
    compile: bool = False
    seed: int = 0
    workers: int = 2
    save_every: int = 100
    backbone_weights: str | None = None
    init: str | None = None
    max_steps: int = 0

    def __post_init__(self) -> None:
        check_least(self, 1, "epochs", "batch_size", "save_every", "workers")
        check_least(self, 0, "micro_batch", "min_size", "max_steps", "seed")
        check_least(self, 0, "learning_rate", "branch_rate", "weight_decay")
        for name in ("mask_lower", "free_share", "warmup", "frozen"):
            if not 0 <= getattr(self, name) <= 1:
                raise ConfigError(f"{name} must be in [0, 1]: {getattr(self, name)}")
        if not 0 < self.validation_share < 1:
            raise ConfigError(f"validation_share must be in (0, 1): {self.validation_share}")
        if not 0 <= self.ema < 1:
            raise ConfigError(f"ema must be in [0, 1): {self.ema}")
        if self.micro_batch and self.batch_size % self.micro_batch:
            raise ConfigError(
                f"batch_size {self.batch_size} is no multiple of micro_batch {self.micro_batch}"
            )
        if self.init and self.backbone_weights:
            raise ConfigError("Give init or backbone_weights, not both.")
        self._check_progressive()

    def passes(self, processes: int) -> int:
        """Forward passes a step, over all processes."""
        return self.batch_size // self.micro_batch if self.micro_batch else processes

    def input_size(self, step: int, total: int) -> int:
        """Side of the input in pixels at a step."""
        if not self.progressive:
            return self.model.preprocessing.image_size
        part = min(len(self.progressive) - 1, step * len(self.progressive) // max(1, total))
        return self.progressive[part]

    def to_dict(self) -> dict[str, Any]:
        """Plain values for YAML and the checkpoint's JSON."""
        return json.loads(json.dumps(dataclasses.asdict(self)))

    def _check_progressive(self) -> None:
        if not self.progressive:
            return
        last = self.model.preprocessing.image_size
        wrong = [s for s in self.progressive if s % CELL_STRIDE or not 64 <= s <= last]
        if wrong or self.progressive[-1] != last:
            raise ConfigError(
                f"progressive must be multiples of 32 from 64 and end at image_size {last}: "
                f"{list(self.progressive)}"
            )
        if self.model.positional != "none":
            raise ConfigError("progressive sizes need positional 'none'.")

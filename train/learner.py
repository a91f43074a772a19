"""The loss of one forward pass: labels under masks and, where given, a teacher."""

from __future__ import annotations

import torch
from torch import nn
from torch.nn import functional

from lmeran.config import Preprocessing
from lmeran.imaging.preprocess import normalise
from lmeran.model.lmeran import LMeRAN
from lmeran.model.masking import masked_loss
from train.augment import augment
from train.batches import Batch
from train.config import TrainConfig
from train.distill.teacher import Teacher


class Learner(nn.Module):
    """A model with its objective, so that one forward pass is one loss.

    teacher: frozen, no part of the state; hint_map: from the model's cells to the teacher's.
    positive_weight: (14,) of `class_weight`, or None.
    """

    def __init__(
        self,
        model: LMeRAN,
        config: TrainConfig,
        teacher: Teacher | None = None,
        positive_weight: torch.Tensor | None = None,
    ) -> None:
        super().__init__()
        self.model = model
        self.config = config
        self.hint_map = nn.Linear(config.model.backbone.width, teacher.width) if teacher else None
        self.register_buffer("positive_weight", positive_weight, persistent=False)
        # not as a submodule: it is neither trained nor saved
        object.__setattr__(self, "teacher", teacher)

    def forward(self, batch: Batch, size: int) -> torch.Tensor:
        """Loss of a batch read at `size` pixels a side; all chance comes from its seed."""
        config, preprocessing = self.config, self.config.model.preprocessing
        generator = torch.Generator().manual_seed(batch.seed)
        gray = augment(batch.gray.float() / 255.0, config.augmentation, generator)
        torch.manual_seed(batch.seed)  # dropout
        images = _input(gray, size, preprocessing)
        kind = torch.float16 if config.precision == "fp16" else torch.bfloat16
        with torch.autocast(gray.device.type, kind, config.precision != "fp32"):
            encoding = self.model.encode(images)
            logits = self.model.condition(encoding, batch.states).logits.float()
        adjusted = logits if batch.offsets is None else logits + batch.offsets
        loss = masked_loss(adjusted, batch.labels, batch.mask, config.loss, self.positive_weight)
        if not config.distills:
            return loss
        free = batch.free.nonzero()[:, 0]
        if not len(free):
            return loss
        target, hint = self._taught(gray[free], batch.soft[free], encoding.cells[free])
        given = ~target.isnan()
        soft = masked_loss(logits[free], target.nan_to_num(), given, config.loss)
        return loss + config.distill * soft + config.hint * hint

    def _taught(
        self, gray: torch.Tensor, soft: torch.Tensor, cells: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Probabilities to learn (NaN: none) and the loss of the hint, zero without a teacher."""
        if self.teacher is None or self.hint_map is None:
            return soft, cells.new_zeros(())
        preprocessing = self.teacher.preprocessing
        with torch.no_grad(), torch.autocast(gray.device.type, torch.bfloat16):
            logits, wanted = self.teacher(_input(gray, preprocessing.image_size, preprocessing))
        taught = logits.float().sigmoid()
        target = torch.where(soft.isnan(), taught, (taught + soft) / 2)
        side = round(cells.shape[1] ** 0.5)
        wanted = functional.adaptive_avg_pool2d(wanted.float(), side).flatten(2).transpose(1, 2)
        return target, hint_loss(self.hint_map(cells.float()), wanted)


def hint_loss(found: torch.Tensor, wanted: torch.Tensor) -> torch.Tensor:
    """1 - cosine between cells (B, cells, width), each channel less its mean over the batch.

    Without the mean, what all cells of all films share would make up most of the likeness.
    """
    found = found - found.mean((0, 1), keepdim=True)
    wanted = wanted - wanted.mean((0, 1), keepdim=True)
    return 1 - functional.cosine_similarity(found, wanted, dim=-1).mean()


def _input(gray: torch.Tensor, size: int, preprocessing: Preprocessing) -> torch.Tensor:
    """Gray (B, S, S) as the network's input at `size`, reduced without aliasing."""
    if gray.shape[-1] != size:
        shrink = gray.shape[-1] > size
        gray = functional.interpolate(
            gray[:, None], (size, size), mode="bilinear", antialias=shrink
        )[:, 0]
    return normalise(gray, preprocessing).contiguous(memory_format=torch.channels_last)

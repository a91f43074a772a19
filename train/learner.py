"""The loss of one forward pass: labels under masks."""

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
        images = _input(gray, size, preprocessing)
        kind = torch.float16 if config.precision == "fp16" else torch.bfloat16
        with torch.autocast(gray.device.type, kind, config.precision != "fp32"):
            encoding = self.model.encode(images)
            logits = self.model.condition(encoding, batch.states).logits.float()
        adjusted = logits if batch.offsets is None else logits + batch.offsets
        return masked_loss(adjusted, batch.labels, batch.mask, config.loss)


def _input(gray: torch.Tensor, size: int, preprocessing: Preprocessing) -> torch.Tensor:
    """Gray (B, S, S) as the network's input at `size`, reduced without aliasing."""
    if gray.shape[-1] != size:
        shrink = gray.shape[-1] > size
        gray = functional.interpolate(
            gray[:, None], (size, size), mode="bilinear", antialias=shrink
        )[:, 0]
    return normalise(gray, preprocessing).contiguous(memory_format=torch.channels_last)

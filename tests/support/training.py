"""A training small enough for a test."""

from __future__ import annotations

import torch

from tests.conftest import small_config
from train.config import TrainConfig

CPU = torch.device("cpu")


def config(**changes: object) -> TrainConfig:
    """Two epochs of three steps on the `data` fixture."""
    values = {
        "model": small_config(64, layers=2),
        "epochs": 2,
        "batch_size": 8,
        "validation_share": 0.3,
        "learning_rate": 1e-3,
        **changes,
    }
    return TrainConfig(**values)

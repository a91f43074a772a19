"""A training and an ablation small enough for a test."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
import yaml

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


TINY: dict[str, Any] = yaml.safe_load("""
seeds: [0, 1]
base:
  model:
    layers: 1
    backbone: {growth_rate: 8, layers_per_block: [1, 1, 1, 1], initial_features: 16}
    preprocessing: {image_size: 64}
  epochs: 1
  batch_size: 8
  validation_share: 0.3
tables:
  - name: Table 4
    title: parts
    source: a paper
    variants:
      - {name: all, paper: 0.8}
      - {name: w/o, paper: 0.7, change: {label_masking: false}}
  - name: Heads
    title: heads
    source: a paper
    variants:
      - {name: "4", paper: 0.8}
      - {name: "2", change: {model: {heads: 2}}}
""")


def written(folder: Path, content: Any = TINY) -> Path:
    path = folder / "variants.yaml"
    path.write_text(yaml.safe_dump(content))
    return path

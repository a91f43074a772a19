"""The figures of the paper's own model, table 3."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import yaml

PAPER = Path(__file__).with_name("paper.yaml")


@dataclass(frozen=True)
class Paper:
    """auc: by finding, of all official-test images; mean: over the findings, as printed."""

    source: str
    images: int
    training_images: int
    image_size: int
    own: str
    auc: dict[str, float]
    mean: float


def read_paper() -> Paper:
    return Paper(**yaml.safe_load(PAPER.read_text(encoding="utf-8")))

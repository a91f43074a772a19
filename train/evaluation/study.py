"""What every section of the evaluation is given: one checkpoint, one index, its predictions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from lmeran.checkpoint import Checkpoint, load_checkpoint
from train.data.index import Index
from train.data.pixels import cached_pixels
from train.evaluation.bootstrap import Resamples, draw
from train.evaluation.evaluate import EvaluateConfig
from train.evaluation.predictions import (
    FREE,
    SCENARIOS,
    Predictions,
    Scenario,
    predict,
    sample_rows,
)


@dataclass(frozen=True, eq=False)
class Study:
    """The measured checkpoint and what it is measured on.

    config: options of the command. cache: folder of the pixel cache, for `cached_pixels`.
    resamples: draws of the patients of `index`, the same for all sections. compared: another
    checkpoint to test against.
    """

    config: EvaluateConfig
    index: Index
    cache: Path
    device: torch.device
    predictions: Predictions
    resamples: Resamples
    compared: Predictions | None = None

    @property
    def labels(self) -> np.ndarray:
        """float32 (N, 14)."""
        return self.index.labels


def make_study(
    config: EvaluateConfig, checkpoint: Checkpoint, index: Index, cache: Path, device: torch.device
) -> Study:
    """Every prediction the sections need, each checkpoint and image read once."""
    scenarios = dict.fromkeys([*SCENARIOS, *(Scenario(k) for k in config.known)])
    compared = None
    if config.compare is not None:
        other = load_checkpoint(config.compare)
        compared = _predict(other, index, cache, (FREE,), device)
    rows = sample_rows(index, config.pin_films)
    predictions = _predict(checkpoint, index, cache, list(scenarios), device, rows)
    resamples = draw(index.patients, config.resamples)
    return Study(config, index, cache, device, predictions, resamples, compared)


def _predict(
    checkpoint: Checkpoint,
    index: Index,
    cache: Path,
    scenarios: Sequence[Scenario],
    device: torch.device,
    single_rows: Sequence[int] = (),
) -> Predictions:
    pixels = cached_pixels(index, checkpoint.config.preprocessing, cache)
    label = f"checkpoint {checkpoint.identity}"
    return predict(checkpoint, pixels, index, scenarios, single_rows, device, label=label)

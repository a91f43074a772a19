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
    MIXED,
    SCENARIOS,
    Predictions,
    Scenario,
    predict,
    sample_rows,
)


@dataclass(frozen=True, eq=False)
class Study:
    """The measured checkpoint and what it is measured on.

    split: "test", "validation" or "train_val". cache: folder of the pixel cache, for
    `cached_pixels`. resamples: draws of the patients of `index`, the same for all sections.
    without_masking: a checkpoint trained without label masking; compared: another checkpoint to
    test against. map_films: images for the costly tests of the maps' faithfulness; gate_films:
    images for the input gate; 0: none. dicom: folder of DICOM files of any kind, for the gate.
    alike, unlike: folders of pictures that it should accept, and should warn of.
    """

    index: Index
    split: str
    cache: Path
    device: torch.device
    predictions: Predictions
    resamples: Resamples
    without_masking: Predictions | None = None
    compared: Predictions | None = None
    map_films: int = 24
    gate_films: int = 300
    dicom: Path | None = None
    alike: Sequence[Path] = ()
    unlike: Sequence[Path] = ()

    @property
    def labels(self) -> np.ndarray:
        """float32 (N, 14)."""
        return self.index.labels


def make_study(
    config: EvaluateConfig, checkpoint: Checkpoint, index: Index, cache: Path, device: torch.device
) -> Study:
    """Every prediction the sections need, each checkpoint and image read once."""
    scenarios = dict.fromkeys([*SCENARIOS, *(Scenario(k) for k in config.known)])
    others: dict[Path, Predictions] = {}
    for path, wanted in ((config.without_masking, MIXED), (config.compare, (FREE,))):
        if path is not None and path not in others:
            others[path] = _predict(load_checkpoint(path), index, cache, wanted, device)
    rows = sample_rows(index, config.pin_films)
    return Study(
        index=index,
        split=config.split,
        cache=cache,
        device=device,
        predictions=_predict(checkpoint, index, cache, list(scenarios), device, rows),
        resamples=draw(index.patients, config.resamples),
        without_masking=others.get(config.without_masking),
        compared=others.get(config.compare),
        map_films=config.map_films,
        gate_films=config.gate_films,
        dicom=config.dicom,
        alike=config.alike,
        unlike=config.unlike,
    )


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

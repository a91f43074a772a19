"""What every section of the evaluation is given: one checkpoint, one index, its predictions."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from train.data.index import Index
from train.evaluation.bootstrap import Resamples
from train.evaluation.predictions import Predictions
from train.evaluation.section import Section


@dataclass(frozen=True, eq=False)
class Study:
    """The measured checkpoint and what it is measured on.

    split: "test", "validation" or "train_val". data: folder with index.csv. cache: folder of the
    pixel cache, for `cached_pixels`. resamples: draws of the patients of `index`,
    the same for all sections. without_masking: a checkpoint trained without label masking;
    compared: another checkpoint to test against. map_films: images on which maps are put to the
    costly tests of their faithfulness; gate_films: images on which the input gate is measured; of
    both 0 is none and None as many as these parts take by themselves. dicom: folder of DICOM files
    of any kind, which the gate is shown too.
    """

    index: Index
    split: str
    data: Path
    cache: Path
    device: torch.device
    predictions: Predictions
    resamples: Resamples
    without_masking: Predictions | None = None
    compared: Predictions | None = None
    map_films: int | None = None
    gate_films: int | None = None
    dicom: Path | None = None

    @property
    def labels(self) -> np.ndarray:
        """float32 (N, 14)."""
        return self.index.labels


Part = Callable[[Study], Section | None]
"""Makes one section of the report; None where the study has nothing for it."""

"""How well a model's maps find the lesions of a synthetic world, beside maps made without it.

Measured on films that have the finding and show it: IoU of the region above 0.4 of the map's own
maximum with the lesion mask, and the pointing game. The controls say what a figure is worth:
chance, the middle of the film, and the truth itself drawn on the map's coarse grid.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import cv2
import numpy as np
import pandas as pd

from lmeran.findings import FINDINGS
from lmeran.imaging.geometry import Geometry
from lmeran.model.maps import attention_maps
from lmeran.predictor import EncodedRadiograph, Predictor
from train.evaluation.localisation.controls import gaussian_map, random_maps
from train.evaluation.localisation.measures import detected_region, iou

MEASURES = ["IoU", "pointing"]


def lesion_scores(
    predictor: Predictor, film: EncodedRadiograph, name: str, labels: np.ndarray, masks: np.ndarray
) -> Iterator[dict[str, Any]]:
    """`MEASURES` of all kinds of maps of one film, free, on each lesion that is there and drawn.

    labels: (14,); masks: bool (14, H, W) of the original film. A model without attention has no
    attention map.
    """
    activation = predictor.cell_logits(film)
    grid = activation.shape[1]
    attention = film.free_attention
    attended = attention_maps(attention) if len(attention) else None
    for i in np.flatnonzero((labels > 0.5) & masks.any(axis=(1, 2))):
        maps = {
            "attention": [] if attended is None else [attended[i].values],
            "class activation": [activation[i]],
            "random": random_maps(name, i, grid),
            "centre": [gaussian_map()],
            "truth on the grid": [on_grid(masks[i], grid)],
        }
        for kind, values in maps.items():
            if len(values):
                found = np.mean([match(m, film.geometry, masks[i]) for m in values], axis=0)
                scores = dict(zip(MEASURES, found.tolist(), strict=True))
                yield {"map": kind, "finding": FINDINGS[i], **scores}


def match(values: np.ndarray, geometry: Geometry, mask: np.ndarray) -> np.ndarray:
    """`MEASURES` of a map over cells (h, w) and a lesion mask, bool (H, W) of the film; (2,).

    Where several pixels share the maximum, pointing is the share of them that lies in the mask.
    """
    field = geometry.map_to_original(values)
    overlap = iou(detected_region(field), mask.astype(np.float32))
    return np.array([overlap, mask[field == field.max()].mean()])


def on_grid(mask: np.ndarray, grid: int) -> np.ndarray:
    """Share of each cell that a mask covers, float32 (grid, grid): a map that knows the truth."""
    return cv2.resize(mask.astype(np.float32), (grid, grid), interpolation=cv2.INTER_AREA)


def mean_scores(scores: pd.DataFrame) -> pd.DataFrame:
    """Number of lesions and means of `MEASURES` over the findings, a row for each map."""
    of_finding = scores.groupby(["map", "finding"], sort=False)[MEASURES].mean()
    means = of_finding.groupby("map", sort=False).mean()
    means.insert(0, "lesions", scores.groupby("map").size())
    return means.reset_index()

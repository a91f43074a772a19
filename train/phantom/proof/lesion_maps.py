"""How well a model's maps find the lesions of a synthetic world, beside maps made without it.

Measured on films that have the finding and show it: IoU of the region above 0.4 of the map's own
maximum with the lesion mask, and the pointing game. The controls say what a figure is worth:
chance, the middle of the film, and the truth itself drawn on the map's coarse grid.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import cv2
import numpy as np

from lmeran.findings import FINDINGS
from lmeran.imaging.geometry import Geometry
from lmeran.model.maps import attention_maps
from lmeran.predictor import EncodedRadiograph, Predictor
from train.evaluation.localisation.controls import gaussian_map, random_maps
from train.evaluation.localisation.measures import detected_region, iou

MEASURES = ("IoU", "pointing")
KINDS = ("attention", "class activation", "random", "centre", "truth on the grid")
"""Maps that are scored; a model without attention has no map of the first kind."""


@dataclass(frozen=True)
class MapScores:
    """One kind of map on all lesions.

    Args:
        cases: lesions scored
        mean: of `MEASURES`, over the findings that have a case
        per_finding: of `MEASURES`, finding by finding
    """

    cases: int
    mean: dict[str, float]
    per_finding: dict[str, dict[str, float]]


@dataclass(frozen=True, eq=False)
class Case:
    """Scores (2,) of `MEASURES` of one kind of map on one lesion."""

    kind: str
    finding: int
    scores: np.ndarray


def lesion_cases(
    predictor: Predictor, film: EncodedRadiograph, name: str, labels: np.ndarray, masks: np.ndarray
) -> list[Case]:
    """All kinds of maps of one film, free, on each lesion that is there and drawn.

    labels: (14,); masks: bool (14, H, W) of the original film.
    """
    present = [i for i in range(len(FINDINGS)) if labels[i] > 0.5 and masks[i].any()]
    if not present:
        return []
    activation = predictor.cell_logits(film)
    grid = activation.shape[1]
    attention = film.free_attention
    attended = attention_maps(attention) if len(attention) else None
    cases = []
    for i in present:
        maps: dict[str, list[np.ndarray]] = {
            "class activation": [activation[i]],
            "random": list(random_maps(name, i, grid)),
            "centre": [gaussian_map()],
            "truth on the grid": [on_grid(masks[i], grid)],
        }
        if attended is not None:
            maps["attention"] = [attended[i].values]
        cases += [
            Case(kind, i, np.mean([match(m, film.geometry, masks[i]) for m in values], axis=0))
            for kind, values in maps.items()
        ]
    return cases


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


def summary(cases: list[Case]) -> Mapping[str, MapScores]:
    """Means of the cases, kind by kind; kinds without a case are left out."""
    scores = {}
    for kind in KINDS:
        own = [case for case in cases if case.kind == kind]
        if not own:
            continue
        per_finding = {
            FINDINGS[i]: np.mean([c.scores for c in own if c.finding == i], axis=0)
            for i in sorted({case.finding for case in own})
        }
        overall = np.mean(list(per_finding.values()), axis=0)
        scores[kind] = MapScores(
            cases=len(own),
            mean=_named(overall),
            per_finding={finding: _named(values) for finding, values in per_finding.items()},
        )
    return scores


def _named(values: np.ndarray) -> dict[str, float]:
    return {name: float(value) for name, value in zip(MEASURES, values, strict=True)}

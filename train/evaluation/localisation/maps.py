"""The maps that are compared with the boxes: what the network gives for a finding under pins."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from lmeran.explain.cam import image_maps
from lmeran.findings import FINDINGS, Pins, State
from lmeran.predictor import EncodedRadiograph, Predictor
from train.evaluation.localisation.gradcam import grad_cam

MODEL_MAPS = {
    "attention": "Attention, last layer",
    "rollout": "Attention rollout",
    "cam": "Exact CAM",
    "sum": "Attention + exact CAM",
    "gradcam": "Grad-CAM",
}
"""Maps made by the model, and their names in the report. Attention: mean of the heads. Exact CAM:
of the image part alone."""

CONTROLS = {
    "random": "Control: random map",
    "centre": "Control: centre prior",
    "ceiling": "Control: grid ceiling",
}
"""Maps made without the model; see `train.evaluation.localisation.controls`."""

PINNABLE = ("attention", "rollout", "sum", "gradcam")
"""Maps that pins can move. The image part does not depend on the states."""


def model_maps(
    predictor: Predictor,
    film: EncodedRadiograph,
    findings: Sequence[int],
    scenarios: Sequence[Pins],
) -> dict[str, np.ndarray]:
    """Maps of `findings[k]` under `scenarios[k]`: kind -> float64 (len(findings), h, w).

    All from the film's one backbone pass. A model without attention has no attention, rollout
    and sum.
    """
    cam = image_maps(predictor, film)[list(findings)]
    gradient = grad_cam(predictor.checkpoint.model, film.encoding, findings, scenarios)
    maps = {"cam": cam, "gradcam": gradient}
    readings = predictor.read_many(film, scenarios)
    if not len(film.free_attention):
        return maps
    rollouts = predictor.rollouts(film, scenarios)
    pairs = list(zip(findings, readings, rollouts, strict=True))
    maps["attention"] = np.stack([reading.maps()[f].values for f, reading, _ in pairs])
    maps["rollout"] = np.stack([rolled[f].values for f, _, rolled in pairs])
    maps["sum"] = np.stack([sum_map(a, c) for a, c in zip(maps["attention"], cam, strict=True)])
    return {kind: maps[kind].astype(np.float64) for kind in MODEL_MAPS}


def sum_map(attention: np.ndarray, cam: np.ndarray) -> np.ndarray:
    """Attention plus the exact CAM, each as a share of its own maximum: 0 .. 2.

    Of the signed CAM the positive part is taken; a map without a positive value adds nothing.
    Unlike `lmeran.explain.cam.sum_maps` it is no account of the logit, but gives both maps an
    equal say in where a lesion is.
    """
    return _share_of_maximum(attention) + _share_of_maximum(cam)


def other_findings(labels: np.ndarray, finding: int) -> dict[str, State]:
    """The film's other true findings as positive pins; labels (14,) of 0 and 1."""
    return {
        FINDINGS[i]: State.POSITIVE for i in np.flatnonzero(labels > 0.5).tolist() if i != finding
    }


def _share_of_maximum(values: np.ndarray) -> np.ndarray:
    positive = np.maximum(values, 0).astype(np.float64)
    top = positive.max()
    return positive / top if top > 0 else positive

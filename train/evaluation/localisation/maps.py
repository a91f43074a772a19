"""The maps that are compared with the boxes: what the network gives for a finding, free."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch

from lmeran.explain.cam import image_maps
from lmeran.findings import FINDINGS, State
from lmeran.model.lmeran import Encoding, LMeRAN
from lmeran.predictor import EncodedRadiograph, Predictor

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
    "truth": "Control: the box itself on the grid",
}
"""Maps made without the model; see `train.evaluation.localisation.controls`."""


def model_maps(
    predictor: Predictor, film: EncodedRadiograph, findings: Sequence[int]
) -> dict[str, np.ndarray]:
    """Maps of some findings with nothing pinned: kind -> float64 (len(findings), h, w).

    All from the film's one backbone pass. A model without attention has no attention, rollout
    and sum.
    """
    maps = {"cam": image_maps(predictor, film)[list(findings)]}
    if len(film.free_attention):
        attended, rolled = predictor.read(film, {}).maps(), predictor.rollouts(film, [{}])[0]
        maps["attention"] = np.stack([attended[f].values for f in findings])
        maps["rollout"] = np.stack([rolled[f].values for f in findings])
    maps["gradcam"] = grad_cam(predictor.checkpoint.model, film.encoding, findings)
    if "attention" in maps:
        maps["sum"] = sum_map(maps["attention"], maps["cam"])
    return {kind: maps[kind].astype(np.float64) for kind in MODEL_MAPS if kind in maps}


def grad_cam(model: LMeRAN, encoding: Encoding, findings: Sequence[int]) -> np.ndarray:
    """Grad-CAM of some findings, nothing pinned: float64 (len(findings), h, w), never negative.

    Selvaraju et al., ICCV 2017: the gradient of a finding's logit by each channel, averaged over
    the cells, weighs the channels; the positive part of the weighted sum is the map. It is taken at
    the backbone's cells: of the last attention layer only the label tokens are read, so its image
    outputs have no gradient. encoding: of one image; the whole logit is followed.
    """
    count, grid = len(findings), round(encoding.cells.shape[1] ** 0.5)
    device = encoding.cells.device
    states = torch.full((count, len(FINDINGS)), int(State.UNKNOWN), device=device)
    # A copy, because what inference made cannot take part in a gradient.
    cells = encoding.cells.repeat(count, 1, 1).requires_grad_()
    with torch.enable_grad():
        logits = model.condition(Encoding(cells, cells.mean(dim=1)), states).logits
        chosen = logits[torch.arange(count), torch.tensor(list(findings))]
        (gradient,) = torch.autograd.grad(chosen.sum(), cells)
    maps = (cells.detach() * gradient.mean(dim=1, keepdim=True)).sum(dim=2).relu()
    return maps.unflatten(1, (grid, grid)).double().cpu().numpy()


def sum_map(attention: np.ndarray, cam: np.ndarray) -> np.ndarray:
    """Attention plus the exact CAM (N, h, w), each as a share of its own maximum: 0 .. 2.

    Of the signed CAM the positive part is taken; a map without a positive value adds nothing.
    Unlike `lmeran.explain.cam.sum_maps` it is no account of the logit, but gives both maps an
    equal say in where a lesion is.
    """
    return _share_of_maximum(attention) + _share_of_maximum(cam)


def _share_of_maximum(values: np.ndarray) -> np.ndarray:
    positive = np.maximum(values, 0).astype(np.float64)
    top = positive.max(axis=(1, 2), keepdims=True)
    return np.divide(positive, top, out=positive, where=top > 0)

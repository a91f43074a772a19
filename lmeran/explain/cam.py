"""Maps in logit units: the exact class activation map of the image part, and its sum with the rest.

w_i . g is the mean over the h w cells of w_i . f_p, so (w_i . f_p) / (h w) on cell p is an exact
and signed map of the image part: it sums to it. The label branch has no such map.
"""

from __future__ import annotations

import numpy as np

from lmeran.explain.decomposition import LogitDecomposition
from lmeran.findings import State
from lmeran.predictor import EncodedRadiograph, Predictor, Reading


def image_maps(predictor: Predictor, film: EncodedRadiograph) -> np.ndarray:
    """The exact class activation maps, float64 (14, h, w), in logits; each sums to w_i . g."""
    cells = predictor.cell_logits(film)
    return cells / (cells.shape[1] * cells.shape[2])


def sum_maps(
    cams: np.ndarray, decomposition: LogitDecomposition, reading: Reading
) -> list[np.ndarray | None]:
    """Image part plus label branch, (h, w) a finding, not exact: each sums to logit - bias.

    cams: from `image_maps`; decomposition, reading: of the same film and pins. The label-branch
    logit (free + shift) is a single number that several layers of attention made and that no cell
    owns; it is spread over the cells in proportion to the last layer's attention (mean of the
    heads) on them. That shows where the token looked last, not which cell gave how much. None
    where pinned; empty without attention.
    """
    label_branch = decomposition.label_free + decomposition.shift
    sums: list[np.ndarray | None] = []
    for i, attention in enumerate(reading.maps()):
        values = attention.values.astype(np.float64)
        total = values.sum()
        # even where a token saw no cell at all
        share = values / total if total > 0 else np.full(values.shape, 1 / values.size)
        pinned = reading.states[i] != State.UNKNOWN
        sums.append(None if pinned else cams[i] + label_branch[i] * share)
    return sums

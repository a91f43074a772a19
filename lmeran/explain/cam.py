"""Maps in logit units: the exact class activation map of the image part, and its sum with the rest.

w_i . g is the mean over the h w cells of w_i . f_p, so (w_i . f_p) / (h w) on cell p is an exact
and signed map of the image part: it sums to it. The label branch has no such map.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from lmeran.explain.decomposition import LogitDecomposition
from lmeran.findings import FINDINGS, State
from lmeran.predictor import EncodedRadiograph, Predictor, Reading

IMAGE_PART = "image part, exact class activation map"
SUM = "image part (exact) plus label branch (attention-weighted, not exact)"


@dataclass(frozen=True, eq=False)
class LogitMap:
    """One finding's logits spread over the image cells.

    values: float64 (h, w), signed, in logits; their sum is the part of the logit the map is of.
    kind: `IMAGE_PART` or `SUM`.
    """

    finding: str
    kind: str
    values: np.ndarray

    @property
    def name(self) -> str:
        """What the map is, in words that stand beside it."""
        return f"{self.finding}: {self.kind}"


def image_maps(predictor: Predictor, film: EncodedRadiograph) -> list[LogitMap]:
    """The exact class activation maps of the 14 findings; each sums to w_i . g."""
    cells = predictor.cell_logits(film)
    share = cells / (cells.shape[1] * cells.shape[2])
    return [LogitMap(FINDINGS[i], IMAGE_PART, share[i]) for i in range(len(FINDINGS))]


def sum_maps(
    cams: list[LogitMap], decomposition: LogitDecomposition, reading: Reading
) -> list[LogitMap | None]:
    """Image part plus label branch, attention-weighted, not exact: each sums to logit - bias.

    cams: from `image_maps`; decomposition, reading: of the same film and pins. The class activation
    map is exact. The label-branch logit (free + shift) is a single number that several layers of
    attention made and that no cell owns; it is spread over the cells in proportion to the last
    layer's attention (mean of the heads) on them. That shows where the token looked last, not
    which cell gave how much. None where pinned; empty without attention.
    """
    label_branch = decomposition.label_free + decomposition.shift
    sums: list[LogitMap | None] = []
    for i, attention in enumerate(reading.maps()):
        if reading.states[i] != State.UNKNOWN:
            sums.append(None)
            continue
        spread = label_branch[i] * _shares(attention.values)
        sums.append(LogitMap(FINDINGS[i], SUM, cams[i].values + spread))
    return sums


def _shares(attention: np.ndarray) -> np.ndarray:
    """Attention on the cells, float64, summing to 1; even where a token saw no cell at all."""
    values = attention.astype(np.float64)
    total = values.sum()
    return values / total if total > 0 else np.full(values.shape, 1 / values.size)

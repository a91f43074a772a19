"""Heat maps: how a label token's attention lies on the image, and what its colours mean.

A map of the label branch is attention, not evidence for the finding: it says where the label token
looked, and sums to at most 1 over the cells (the rest went to the label tokens).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from lmeran.findings import FINDINGS

ROLLOUT = 0
"""In place of a layer: attention rolled out over all layers, heads averaged."""

CONTOUR_LEVEL = 0.4
"""Share of a map's own maximum at which its contour is drawn (the paper's threshold)."""

FULL_SCALE = 2.0
"""Absolute colour scale: probability x attention over its even share, and the value that gets full
colour (p = 0.5 and 4 times the even share, say). It falls with both, so that an improbable
finding stays pale wherever its token looked."""


@dataclass(frozen=True, eq=False)
class AttentionMap:
    """Attention of one finding's label token on the image cells.

    values: float32 (h, w), alpha of the head named, or averaged over all heads.
    layer: 1 .. layers, `ROLLOUT` for all of them; head: 1 .. heads, None for the mean of all.
    tokens: M, so that alpha M is 1 where the token looks nowhere in particular.
    """

    finding: str
    layer: int
    head: int | None
    values: np.ndarray
    tokens: int

    @property
    def name(self) -> str:
        """What the map is, in words that stand beside it."""
        if self.layer == ROLLOUT:
            return f"{self.finding}: attention rollout over all layers, mean of heads"
        head = "mean of heads" if self.head is None else f"head {self.head}"
        return f"{self.finding}: attention, layer {self.layer}, {head}"

    def absolute(self, probability: float) -> np.ndarray:
        """0 .. 1 on the absolute scale: probability x alpha M / `FULL_SCALE`."""
        return np.clip(probability * self.values * self.tokens / FULL_SCALE, 0, 1)

    def relative(self) -> np.ndarray:
        """0 .. 1 of the map's own maximum; a zero map stays zero."""
        top = float(self.values.max())
        return self.values / top if top > 0 else np.zeros_like(self.values)


def attention_maps(
    attention: np.ndarray, layer: int | None = None, head: int | None = None
) -> list[AttentionMap]:
    """The maps of all findings from alpha (layers, heads, n, h w + n) of one reading.

    layer counts from 1, None is the last; head counts from 1, None is the mean of the heads.
    Raises `ValueError` for a layer or head the model does not have.
    """
    layers, heads = attention.shape[:2]
    layer = layers if layer is None else layer
    if not 1 <= layer <= layers:
        raise ValueError(f"The model has layers 1 to {layers}; {layer} is not one of them.")
    if head is not None and not 1 <= head <= heads:
        raise ValueError(f"The model has heads 1 to {heads}; {head} is not one of them.")
    chosen = attention[layer - 1]
    mixed = chosen.mean(axis=0) if head is None else chosen[head - 1]
    return maps_of_rows(mixed, layer, head)


def maps_of_rows(rows: np.ndarray, layer: int, head: int | None = None) -> list[AttentionMap]:
    """The maps of all findings from the label tokens' rows, (n, h w + n)."""
    n, tokens = rows.shape
    grid = round((tokens - n) ** 0.5)
    cells = rows[:, : tokens - n].reshape(n, grid, grid)
    return [AttentionMap(FINDINGS[i], layer, head, cells[i], tokens) for i in range(n)]

"""Where a label token's attention goes: image, own label, other labels.

Of the label tokens' rows of alpha alone, `Reading.attention`.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from lmeran.model.maps import attention_maps

MOVED_FULL_SCALE = 1.0
"""Scale of a difference map, the same for every finding and film: the attention a cell gained or
lost, in even shares (1 / M), that gets full colour."""


@dataclass(frozen=True, eq=False)
class AttentionSplit:
    """How the label tokens divide their attention in one layer.

    layer: 1 .. layers; head: 1 .. heads, None for the mean of all.
    image: float64 (14,), the share on the image cells together.
    labels: float64 (14, 14), row i: the share of label token i on each label token, its own on the
        diagonal. image[i] + labels[i].sum() = 1.
    """

    layer: int
    head: int | None
    image: np.ndarray
    labels: np.ndarray


def attention_split(
    attention: np.ndarray, layer: int | None = None, head: int | None = None
) -> AttentionSplit | None:
    """The split from alpha (layers, heads, 14, h w + 14) of one reading; None without attention.

    layer counts from 1, None is the last; head counts from 1, None is the mean of the heads.
    Raises `ValueError` for a layer or head the model does not have. The row of a finding pinned in
    that reading is meaningless in the last layer: nothing its token reads there was ever trained.
    """
    if not len(attention):
        return None
    maps = attention_maps(attention, layer, head)
    layer, n = maps[0].layer, len(maps)
    chosen = attention[layer - 1].astype(np.float64)
    mixed = chosen.mean(axis=0) if head is None else chosen[head - 1]
    return AttentionSplit(layer, head, mixed[:, :-n].sum(axis=1), mixed[:, -n:])

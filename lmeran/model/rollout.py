"""Attention rollout: attention followed through all layers instead of read off one.

Abnar and Zuidema, "Quantifying attention flow in transformers", ACL 2020. It treats each layer as a
mixing of its inputs by the mean attention of its heads, and multiplies the mixings. It leaves out
what values, W_O and feed-forward parts do, so it is an indication, not an exact account.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch


def rollout(attention: Sequence[torch.Tensor], residual: bool) -> torch.Tensor:
    """How the last layer's tokens are mixed from the input tokens, (B, M, M); rows sum to 1.

    attention: alpha of every layer, first to last, each (B, heads, M, M).
    residual: whether a layer adds its input to its output; its mixing is then half attention, half
        the token itself.
    """
    mixed: torch.Tensor | None = None
    for alpha in attention:
        step = alpha.mean(dim=1)
        if residual:
            step = 0.5 * (step + torch.eye(step.shape[-1], dtype=step.dtype, device=step.device))
        mixed = step if mixed is None else step @ mixed
    if mixed is None:
        raise ValueError("Rollout needs the attention of at least one layer.")
    return mixed

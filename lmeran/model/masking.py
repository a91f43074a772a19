"""Label mask training (section 3.3 of the paper): which labels to hide, and the loss on them.

Pure functions. A mask is a bool tensor (B, n), True where the finding is *masked*: its state is
given to the model as unknown and its output is scored.
"""

from __future__ import annotations

import math

import torch
from torch.nn import functional

from lmeran.findings import State


def sample_label_mask(
    batch: int,
    findings: int,
    lower_fraction: float = 0.25,
    generator: torch.Generator | None = None,
) -> torch.Tensor:
    """Draw a mask for each image: u uniform on ceil(lower n) .. n, then u findings at random.

    Returns a bool tensor (batch, findings), True = masked. At least one finding is masked.
    """
    lowest = max(1, math.ceil(lower_fraction * findings))
    masked = torch.randint(lowest, findings + 1, (batch, 1), generator=generator)
    order = torch.rand(batch, findings, generator=generator).argsort(dim=1)
    rank = order.argsort(dim=1)
    return rank < masked


def states_under_mask(labels: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
    """States given to the model: unknown where masked, else the true state.

    labels: (B, n) in {0, 1}; mask: bool (B, n). Returns int64 (B, n) of `State` values.
    """
    known = torch.where(labels > 0.5, int(State.POSITIVE), int(State.NEGATIVE))
    return torch.where(mask, int(State.UNKNOWN), known)


def masked_loss(
    logits: torch.Tensor,
    labels: torch.Tensor,
    mask: torch.Tensor,
    reduction: str = "mean",
) -> torch.Tensor:
    """Binary cross-entropy on the masked findings only.

    logits, labels in 0 .. 1: (B, n); mask: bool (B, n). "mean": over the masked findings of the
    batch; "sum": over the masked findings of an image, then the mean over images.
    """
    each = functional.binary_cross_entropy_with_logits(logits, labels, reduction="none")
    weight = mask.to(each.dtype)
    total = (each * weight).sum()
    if reduction not in ("mean", "sum"):
        raise ValueError(f"reduction must be 'mean' or 'sum': {reduction!r}")
    return total / (weight.sum().clamp(min=1) if reduction == "mean" else logits.shape[0])

"""AdamW and the moving average of the weights, as every training here uses them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import torch
from torch import nn
from torch.optim.swa_utils import AveragedModel


def adamw(groups: list[dict[str, Any]], device: torch.device) -> torch.optim.AdamW:
    """groups: of `decay_groups`. The rate is zero until `set_rate`."""
    return torch.optim.AdamW(groups, lr=0.0, fused=device.type == "cuda")


def decay_groups(
    parameters: Iterable[nn.Parameter],
    decay: float,
    undecayed: tuple[nn.Parameter, ...] = (),
    share: float = 1.0,
) -> list[dict[str, Any]]:
    """Parameters for `adamw`: weight decay on kernels and projections, not on norms, biases and
    `undecayed`. share: of the learning rate."""
    spared = {id(p) for p in undecayed}
    parts: dict[float, list[nn.Parameter]] = {decay: [], 0.0: []}
    for parameter in parameters:
        decays = parameter.ndim >= 2 and id(parameter) not in spared
        parts[decay if decays else 0.0].append(parameter)
    return [{"params": p, "weight_decay": d, "share": share} for d, p in parts.items() if p]


def set_rate(optimizer: torch.optim.Optimizer, rate: float) -> None:
    for group in optimizer.param_groups:
        group["lr"] = rate * group["share"]


def moving_average(module: nn.Module, decay: float) -> AveragedModel:
    """Of weights and running statistics. Its decay rises from 0.1 to `decay`, so that the start is
    soon forgotten; `update_parameters` after each step, `module` is the average."""

    def average(
        old: list[torch.Tensor], new: list[torch.Tensor], count: torch.Tensor | int
    ) -> None:
        if not old[0].is_floating_point():  # counts of batches: the latest
            torch._foreach_copy_(old, new)
            return
        now = min(decay, (1 + int(count)) / (10 + int(count)))
        torch._foreach_lerp_(old, new, 1 - now)

    return AveragedModel(module, multi_avg_fn=average, use_buffers=True)

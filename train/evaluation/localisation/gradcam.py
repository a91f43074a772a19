"""Grad-CAM at the backbone's cells, by captum.

Selvaraju et al., ICCV 2017: the gradient of a finding's logit by each channel, averaged over the
cells, weighs the channels; the positive part of the weighted sum is the map. It is taken at the
cells: of the last attention layer only the label tokens are read, so its image outputs have no
gradient.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from captum.attr import LayerGradCam
from torch import nn

from lmeran.findings import Pins, states_of
from lmeran.model.lmeran import Encoding, LMeRAN


def grad_cam(
    model: LMeRAN, encoding: Encoding, findings: Sequence[int], scenarios: Sequence[Pins]
) -> np.ndarray:
    """Maps of `findings[k]` under `scenarios[k]`, float64 (len(findings), h, w), never negative.

    encoding: of one image; no backbone pass is made. The whole logit is followed: image part and
    label branch.
    """
    device = encoding.cells.device
    states = torch.from_numpy(np.stack([states_of(pins) for pins in scenarios])).to(device)
    targets = torch.tensor(list(findings), device=device)
    grid = round(encoding.cells.shape[1] ** 0.5)
    # A copy, because what inference made cannot take part in a gradient.
    cells = encoding.cells.clone().transpose(1, 2).unflatten(2, (grid, grid))
    cells = cells.expand(len(states), -1, -1, -1).clone().requires_grad_()
    head = _FromCells(model)
    with torch.enable_grad():
        maps = LayerGradCam(head, head.cells).attribute(
            cells, target=targets, additional_forward_args=states, relu_attributions=True
        )
    return maps[:, 0].detach().double().cpu().numpy()


class _FromCells(nn.Module):
    """The network from its feature cells (B, d, h, w) on; `cells` is the layer to look at."""

    def __init__(self, model: LMeRAN) -> None:
        super().__init__()
        self.cells = nn.Identity()
        self.model = model

    def forward(self, features: torch.Tensor, states: torch.Tensor) -> torch.Tensor:
        cells = self.cells(features).flatten(2).transpose(1, 2)
        return self.model.condition(Encoding(cells, cells.mean(dim=1)), states).logits

"""Weights of other networks for `LMeRAN.backbone`: ImageNet's, or those of another LMeRAN.

Each of these networks expects gray values in its own range. The difference from ours is folded into
the first convolution and its norm, so that the same film gives the same features (see `fold`).
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save
from torchvision.models import DenseNet121_Weights, densenet121

from lmeran.checkpoint import Checkpoint, CheckpointError, load_checkpoint
from lmeran.config import Backbone, ConfigError, Preprocessing
from lmeran.model.lmeran import LMeRAN


@dataclass(frozen=True)
class InputRange:
    """What a network was fed: channel c holds scale[c] * gray + offset[c], gray in 0 .. 1."""

    scale: tuple[float, ...]
    offset: tuple[float, ...]


_PRESET = DenseNet121_Weights.IMAGENET1K_V1.transforms()
IMAGENET_RANGE = InputRange(
    tuple(1 / std for std in _PRESET.std),
    tuple(-mean / std for mean, std in zip(_PRESET.mean, _PRESET.std, strict=True)),
)

_OLD_LAYER = re.compile(r"(denselayer\d+\.(?:norm|conv))\.([12]\.)")
"""torchvision's file still calls layers "norm.1" that are "norm1" now."""


def load_backbone(spec: str, model: LMeRAN) -> dict[str, Any]:
    """Put the weights that `spec` names into `model.backbone`: all of them, or none.

    spec: "imagenet" (torchvision's, from its cache or downloaded) or "lmeran:FOLDER" (a checkpoint
    of any label branch, which need not be a DenseNet-121). The source's classifier is left out.

    Returns facts for the checkpoint: "source", "name" (of a checkpoint its identity), "sha256" of
    the weights as loaded, and "note", a sentence on what is not exact, or None. Raises
    `ConfigError` in one sentence; the model is then as it was.
    """
    source, _, place = spec.partition(":")
    if source == "lmeran" and place:
        checkpoint = _read_lmeran(place, model.config.backbone)
        name, given = checkpoint.identity, checkpoint.model.backbone.state_dict()
        own = checkpoint.config.preprocessing
        fed = InputRange((1 / own.std,) * 3, (-own.mean / own.std,) * 3)
    elif spec != "imagenet":
        raise ConfigError(f"backbone_weights must be imagenet or lmeran:FOLDER: {spec!r}")
    elif model.config.backbone != Backbone():
        raise ConfigError(
            "backbone_weights imagenet fit a DenseNet-121 only; leave model.backbone as it is, or "
            "train from random weights."
        )
    else:
        name, given, fed = DenseNet121_Weights.IMAGENET1K_V1.name, _read_imagenet(), IMAGENET_RANGE
    weights = {**given, **fold(given, fed, model.config.preprocessing)}
    model.backbone.load_state_dict(weights)
    return {
        "source": source,
        "name": name,
        "sha256": hashlib.sha256(save({k: t.contiguous() for k, t in weights.items()})).hexdigest(),
        "note": _note(fed, model.config.preprocessing),
    }


def fold(
    weights: dict[str, torch.Tensor],
    fed: InputRange,
    preprocessing: Preprocessing,
    eps: float = 1e-5,
) -> dict[str, torch.Tensor]:
    """First convolution and norm of a network fed as `fed`, for our input x in three channels.

    With gray = std x + mean, the source's channel is (scale std) x + (scale mean + offset).

    - The factor goes into conv0.weight. What is common to all channels moves on into norm0, so that
      conv0 keeps the size it was trained at (and an optimiser moves it as before); norm0.weight
      makes up for its `eps`.
    - The shift passes conv0 as one constant an output channel, which leaves norm0.running_mean.

    Exact where no shift is left. Else a film looks to the source as if it were framed, by the zero
    padding of conv0, with gray `mean` and not with the gray the source calls zero: features near
    the border differ.

    weights: conv0.weight (C, 3, 7, 7), norm0.weight, norm0.running_mean and norm0.running_var (C,);
    others are ignored. Returns new ones of the same names.
    """
    kernel = weights["conv0.weight"].double()
    scale, offset = (torch.tensor(v, dtype=torch.float64) for v in (fed.scale, fed.offset))
    factor = scale * preprocessing.std
    shift = scale * preprocessing.mean + offset
    unit = factor.mean()
    constant = (kernel.sum(dim=(2, 3)) * shift).sum(dim=1)

    folded = kernel * (factor / unit)[:, None, None]
    variance = weights["norm0.running_var"].double()
    smaller = variance / unit**2
    new = {
        "conv0.weight": folded,
        "norm0.running_mean": (weights["norm0.running_mean"].double() - constant) / unit,
        "norm0.running_var": smaller,
        "norm0.weight": weights["norm0.weight"].double()
        * (unit * ((smaller + eps) / (variance + eps)).sqrt()),
    }
    return {name: t.to(weights[name].dtype) for name, t in new.items()}


def _read_imagenet() -> dict[str, torch.Tensor]:
    cache = Path(torch.hub.get_dir()) / "checkpoints"
    name = Path(DenseNet121_Weights.IMAGENET1K_V1.url).name
    network = densenet121()
    try:
        tensors = DenseNet121_Weights.IMAGENET1K_V1.get_state_dict(
            check_hash=True, map_location="cpu", weights_only=True
        )
        network.load_state_dict({_OLD_LAYER.sub(r"\1\2", k): v for k, v in tensors.items()})
    except OSError as error:
        raise ConfigError(
            f"The ImageNet weights are not in {cache} and cannot be downloaded ({error}); put "
            f"{name} there."
        ) from None
    except Exception:  # a damaged file fails in as many ways as there are bytes
        raise ConfigError(f"{cache / name} is damaged; delete it and start again.") from None
    return network.features.state_dict()


def _read_lmeran(folder: str, wanted: Backbone) -> Checkpoint:
    try:
        checkpoint = load_checkpoint(folder)
    except CheckpointError as error:
        raise ConfigError(f"lmeran:{folder} cannot be used: {error}") from None
    if checkpoint.model.config.backbone != wanted:
        raise ConfigError(
            f"lmeran:{folder} has another backbone than this model; give model.backbone as there."
        )
    return checkpoint


def _note(fed: InputRange, preprocessing: Preprocessing) -> str | None:
    zeros = [-o / s for s, o in zip(fed.scale, fed.offset, strict=True)]
    if all(abs(zero - preprocessing.mean) < 1e-9 for zero in zeros):
        return None
    return (
        f"The pretrained network framed a film with gray {', '.join(f'{z:.3g}' for z in zeros)}, "
        f"this one frames it with {preprocessing.mean:g}: features near the border differ."
    )

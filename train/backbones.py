"""Weights of other networks for `LMeRAN.backbone`: ImageNet, torchxrayvision, CheXNet, an LMeRAN.

Each of these networks expects gray values in its own range. The difference from ours is folded into
the first convolution and its norm, so that the same film gives the same features (see `fold`).
"""

from __future__ import annotations

import hashlib
import re
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save
from torchvision.models import DenseNet121_Weights

from lmeran.checkpoint import Checkpoint, CheckpointError, load_checkpoint
from lmeran.config import Backbone, ConfigError, Preprocessing
from lmeran.model.lmeran import LMeRAN
from train.weight_files import PickledObjectError, read_pickled_network, read_tensors

SOURCES = "imagenet, xrv:NAME_OR_FILE, chexnet:FILE or lmeran:FOLDER"
_FILE_ENDINGS = (".pt", ".pth", ".tar", ".bin")
_OLD_LAYER = re.compile(r"(denselayer\d+\.(?:norm|conv))\.([12]\.)")
"""Before torch 0.4, layers were called "norm.1" where they are "norm1" now."""


@dataclass(frozen=True)
class InputRange:
    """What a network was fed: channel c holds scale[c] * gray + offset[c], gray in 0 .. 1."""

    scale: tuple[float, ...]
    offset: tuple[float, ...]


XRV_RANGE = InputRange((2048.0,), (-1024.0,))
"""torchxrayvision: one channel, -1024 (black) to 1024 (white)."""


def load_backbone(spec: str, model: LMeRAN) -> dict[str, Any]:
    """Put the weights that `spec` names into `model.backbone`: all of them, or none.

    spec: "imagenet" (torchvision's, from its cache or downloaded), "xrv:NAME" (of the
    torchxrayvision package, the same way), "xrv:FILE", "chexnet:FILE" (an old CheXNet `.pth.tar`),
    or "lmeran:FOLDER" (a checkpoint of any label branch, the one source that need not be a
    DenseNet-121). The classifier of the source is left out.

    Returns facts for the checkpoint: "source", "name" (of a checkpoint its identity; None for a
    file, whose path is not recorded), "sha256" of the weights as loaded, and "note", a sentence on
    what is not exact, or None. Raises `ConfigError` in one sentence; the model is then as it was.
    """
    source, _, place = spec.partition(":")
    name = None if _is_file(place) else place or DenseNet121_Weights.IMAGENET1K_V1.name
    if source == "lmeran" and place:
        checkpoint = _read_lmeran(place, model.config.backbone)
        tensors, fed = checkpoint.model.backbone.state_dict(), _lmeran_range(checkpoint)
        name = checkpoint.identity
    elif model.config.backbone != Backbone():
        raise ConfigError(
            "backbone_weights fit a DenseNet-121 only; leave model.backbone as it is, or train "
            "this one from random weights."
        )
    elif spec == "imagenet":
        tensors, fed = _read_imagenet(), _imagenet_range()
    elif source == "xrv" and place:
        tensors, fed = _read_xrv(place), XRV_RANGE
    elif source == "chexnet" and place:
        tensors, fed = read_tensors(Path(place)), _imagenet_range()
    else:
        raise ConfigError(f"backbone_weights must be {SOURCES}: {spec!r}")

    wanted = model.backbone.state_dict()
    given = _features(tensors)
    _check(given, wanted, channels=len(fed.scale), spec=spec)
    weights = {
        name: given[name].to(kept.dtype) if name in given else torch.zeros_like(kept)
        for name, kept in wanted.items()
    }
    weights.update(fold(weights, fed, model.config.preprocessing))
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

    - The factor goes into conv0.weight, a single channel being split into three equal ones. A
      factor common to all channels moves on into norm0, so that conv0 keeps the size it was trained
      at (and an optimiser moves it as before); norm0.weight makes up for its `eps`.
    - The shift passes conv0 as one constant an output channel, which leaves norm0.running_mean.

    Exact where no shift is left (torchxrayvision and mean 0.5). Else a film looks to the source
    as if it were framed, by the zero padding of conv0, with gray `mean` and not with the gray the
    source calls zero: features near the border differ.

    weights: conv0.weight (64, C, 7, 7), norm0.weight, norm0.running_mean and norm0.running_var
    (64,); others are ignored. Returns new ones of the same names, conv0.weight (64, 3, 7, 7).
    """
    kernel = weights["conv0.weight"].double()
    scale, offset = (torch.tensor(v, dtype=torch.float64) for v in (fed.scale, fed.offset))
    factor = scale * preprocessing.std
    shift = scale * preprocessing.mean + offset
    unit = factor.mean()
    constant = (kernel.sum(dim=(2, 3)) * shift).sum(dim=1)

    folded = kernel * (factor / unit)[:, None, None]
    if len(scale) == 1:
        folded = folded.expand(-1, 3, -1, -1) / 3
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
    try:
        return DenseNet121_Weights.IMAGENET1K_V1.get_state_dict(
            check_hash=True, map_location="cpu", weights_only=True
        )
    except OSError as error:
        raise ConfigError(
            f"The ImageNet weights are not in {cache} and cannot be downloaded ({error}); put "
            f"{name} there."
        ) from None
    except Exception:  # a damaged file fails in as many ways as there are bytes
        raise ConfigError(f"{cache / name} is damaged; delete it and start again.") from None


def _imagenet_range() -> InputRange:
    preset = DenseNet121_Weights.IMAGENET1K_V1.transforms()
    pairs = list(zip(preset.mean, preset.std, strict=True))
    return InputRange(tuple(1 / s for _, s in pairs), tuple(-m / s for m, s in pairs))


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


def _lmeran_range(checkpoint: Checkpoint) -> InputRange:
    fed = checkpoint.model.config.preprocessing
    return InputRange((1 / fed.std,) * 3, (-fed.mean / fed.std,) * 3)


def _read_xrv(place: str) -> dict[str, torch.Tensor]:
    path = Path(place) if _is_file(place) else _xrv_file(place)
    try:
        return read_tensors(path)
    except PickledObjectError:  # what torchxrayvision publishes are whole networks
        return read_pickled_network(path, "torchxrayvision.models")


def _is_file(place: str) -> bool:
    return place.endswith(_FILE_ENDINGS) or Path(place).is_file()


def _xrv_file(name: str) -> Path:
    """The package's file of these weights, downloaded by the package if it is not in its cache."""
    try:
        with warnings.catch_warnings():  # importing it silences all warnings
            from torchxrayvision.models import get_weights, model_urls
    except ImportError:
        raise ConfigError(
            "The weights of torchxrayvision are found by its package: pip install "
            "torchxrayvision, or give a file as xrv:FILE."
        ) from None
    names = [n for n in model_urls if n.startswith("densenet121")]
    if name not in names:
        raise ConfigError(f"xrv: {name} is neither a file nor one of {', '.join(names)}.")
    try:
        return Path(get_weights(name))
    except OSError as error:
        raise ConfigError(
            f"{name} is not in the cache of torchxrayvision and cannot be downloaded ({error}); "
            "give a file as xrv:FILE."
        ) from None


def _features(tensors: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """Names as in `LMeRAN.backbone`; without the classifier and torchxrayvision's thresholds."""
    features = {}
    for name, tensor in tensors.items():
        plain = name.removeprefix("module.").removeprefix("densenet121.")
        if not plain.startswith(("classifier.", "op_threshs")):
            features[_OLD_LAYER.sub(r"\1\2", plain.removeprefix("features."))] = tensor
    return features


def _check(
    given: dict[str, torch.Tensor], wanted: dict[str, torch.Tensor], channels: int, spec: str
) -> None:
    """Every tensor there, of its shape and finite, and no other; else the first one is named.

    channels: of the source's input. Networks from before torch 0.4 count no batches in their norms.
    """
    refused = f"{spec} holds no DenseNet-121 of this kind: "
    for name, kept in wanted.items():
        if name not in given:
            if name.endswith("num_batches_tracked"):
                continue
            raise ConfigError(f"{refused}features.{name} is missing.")
        shape = list(kept.shape)
        if name == "conv0.weight":
            shape[1] = channels
        if list(given[name].shape) != shape:
            raise ConfigError(
                f"{refused}features.{name} has shape {list(given[name].shape)} and should have "
                f"{shape}."
            )
        if not torch.isfinite(given[name]).all():
            raise ConfigError(f"{spec} is damaged: features.{name} holds non-numbers.")
    if surplus := [name for name in given if name not in wanted]:
        raise ConfigError(f"{refused}{surplus[0]} is unexpected.")


def _note(fed: InputRange, preprocessing: Preprocessing) -> str | None:
    zeros = [-o / s for s, o in zip(fed.scale, fed.offset, strict=True)]
    if all(abs(zero - preprocessing.mean) < 1e-9 for zero in zeros):
        return None
    return (
        f"The pretrained network framed a film with gray {', '.join(f'{z:.3g}' for z in zeros)}, "
        f"this one frames it with {preprocessing.mean:g}: features near the border differ."
    )

"""Weights of other networks in our backbone give the same features, or are refused."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional
from torchvision.models import DenseNet121_Weights, densenet121

from lmeran.checkpoint import load_checkpoint, save_checkpoint
from lmeran.config import ConfigError, LMeRANConfig, Preprocessing
from lmeran.imaging.preprocess import to_input
from lmeran.model.lmeran import LMeRAN
from tests.conftest import film_pixels, lively_model, small_config
from train.backbones import load_backbone

FILMS = np.stack([film_pixels(64, 64, seed) for seed in (1, 2)])
IMAGENET_FILE = Path(DenseNet121_Weights.IMAGENET1K_V1.url).name


def lively(network: nn.Module, seed: int) -> nn.Module:
    """Norms that do something, statistics included, as in a trained network."""
    torch.manual_seed(seed)
    with torch.no_grad():
        for module in network.modules():
            if isinstance(module, nn.BatchNorm2d):
                module.weight.uniform_(0.5, 1.5)
                module.bias.normal_(std=0.2)
                module.running_mean.normal_(std=0.3)
                module.running_var.uniform_(0.5, 2.0)
    return network.eval()


def full_size() -> LMeRAN:
    return LMeRAN(
        LMeRANConfig(label_branch="none", preprocessing=Preprocessing(image_size=64))
    ).eval()


def refuse(spec: str, match: str, model: LMeRAN) -> None:
    """One sentence, and a model that stays as it was."""
    before = {name: t.clone() for name, t in model.state_dict().items()}
    with pytest.raises(ConfigError, match=match) as caught:
        load_backbone(spec, model)
    assert "\n" not in str(caught.value)
    assert all(torch.equal(t, before[name]) for name, t in model.state_dict().items())


@torch.inference_mode()
def our_features(model: LMeRAN) -> torch.Tensor:
    return model.backbone(to_input(FILMS, model.config.preprocessing)).relu()


@torch.inference_mode()
def framed_features(network: nn.Module) -> torch.Tensor:
    """Features of an ImageNet network whose conv0 pads with our gray of 0.5 instead of its zero."""
    preset = DenseNet121_Weights.IMAGENET1K_V1.transforms()
    mean, std = (torch.tensor(v)[:, None, None] for v in (preset.mean, preset.std))
    channels = (torch.from_numpy(FILMS)[:, None] / 255 - mean) / std
    frame = ((0.5 - mean) / std).flatten().tolist()
    framed = torch.stack(
        [functional.pad(channels[:, c], (3, 3, 3, 3), value=v) for c, v in enumerate(frame)], dim=1
    )
    first = network.features.conv0
    cells = functional.conv2d(framed, first.weight, stride=first.stride)
    return network.features[1:](cells).relu()


def test_imagenet_weights_come_from_the_cache_of_torchvision(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    monkeypatch.setenv("https_proxy", "http://127.0.0.1:9")
    model, imagenet = full_size(), lively(densenet121(), 0)
    refuse("imagenet", f"put {IMAGENET_FILE} there", model)
    cache = tmp_path / "hub" / "checkpoints"
    cache.mkdir(parents=True, exist_ok=True)
    old = {}  # as torchvision's file has them: "norm.1" for "norm1", norms that count no batches
    for name, tensor in imagenet.state_dict().items():
        if not name.endswith("num_batches_tracked"):
            for layer in ("norm1", "norm2", "conv1", "conv2"):
                name = name.replace(f".{layer}.", f".{layer[:-1]}.{layer[-1]}.")
            old[name] = tensor
    assert "features.denseblock1.denselayer1.norm.1.weight" in old
    torch.save(old, cache / IMAGENET_FILE)
    facts = load_backbone("imagenet", model)
    torch.testing.assert_close(our_features(model), framed_features(imagenet), rtol=1e-4, atol=1e-4)
    assert facts["name"] == "IMAGENET1K_V1"
    assert "0.485, 0.456, 0.406" in facts["note"]
    del old["features.norm0.bias"]
    torch.save(old, cache / IMAGENET_FILE)
    refuse("imagenet", "delete it and start again", model)


def test_what_is_unknown_or_does_not_fit_is_refused(tmp_path: Path) -> None:
    model = LMeRAN(small_config())
    refuse("resnet50", "must be imagenet or lmeran:FOLDER: 'resnet50'", model)
    refuse("lmeran:", "must be imagenet", model)
    refuse("imagenet", "DenseNet-121 only", model)
    refuse(f"lmeran:{tmp_path / 'none'}", "cannot be used: There is no config.json", model)
    save_checkpoint(tmp_path, model, {}, {})
    refuse(f"lmeran:{tmp_path}", "has another backbone than this model", full_size())


@pytest.mark.parametrize("change", [{"block": "paper"}, {"label_branch": "none"}])
def test_a_checkpoint_gives_its_backbone_to_any_label_branch(
    tmp_path: Path, change: dict[str, str]
) -> None:
    save_checkpoint(tmp_path, lively(lively_model(small_config()), seed=3), {}, {})
    given = load_checkpoint(tmp_path)
    model = lively_model(small_config(**change), seed=1)
    rest = {n: t.clone() for n, t in model.state_dict().items() if not n.startswith("backbone.")}

    facts = load_backbone(f"lmeran:{tmp_path}", model)

    assert facts["name"] == given.identity and facts["note"] is None
    for name, tensor in given.model.backbone.state_dict().items():
        assert torch.equal(model.backbone.state_dict()[name], tensor), name
    assert all(torch.equal(model.state_dict()[name], tensor) for name, tensor in rest.items())


def test_a_checkpoint_of_another_input_range_gives_the_same_features_here(tmp_path: Path) -> None:
    wide = LMeRANConfig(
        backbone=small_config().backbone, preprocessing=Preprocessing(image_size=96, std=0.5)
    )
    source = lively(lively_model(wide), seed=3)
    save_checkpoint(tmp_path, source, {}, {}, half=False)
    model = lively_model(small_config())
    before = our_features(model)
    load_backbone(f"lmeran:{tmp_path}", model)
    torch.testing.assert_close(our_features(model), our_features(source), rtol=1e-4, atol=1e-4)
    assert not torch.allclose(our_features(model), before, atol=1e-2)

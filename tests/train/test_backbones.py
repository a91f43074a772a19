"""Weights of other networks in our backbone give the same features."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional
from torch.nn.backends.thnn import _get_thnn_function_backend
from torchvision.models import DenseNet121_Weights

from lmeran.checkpoint import load_checkpoint, save_checkpoint
from lmeran.config import LMeRANConfig, Preprocessing
from lmeran.imaging.preprocess import to_input
from lmeran.model.lmeran import LMeRAN
from tests.conftest import film_pixels, lively_model, small_config
from tests.support.networks import IMAGENET_FILE, full_size, imagenet_stand_in, lively, refuse
from train.backbones import load_backbone

FILMS = np.stack([film_pixels(64, 64, seed) for seed in (1, 2)])


def old_spelling(weights: dict[str, torch.Tensor], prefix: str = "") -> dict[str, torch.Tensor]:
    """As networks of 2017 were saved: "norm.1" for "norm1", norms that count no batches."""
    renamed = {}
    for name, tensor in weights.items():
        if not name.endswith("num_batches_tracked"):
            for kind in ("norm", "conv"):
                for k in "12":
                    name = name.replace(f".{kind}{k}.", f".{kind}.{k}.")
            renamed[prefix + name] = tensor
    assert f"{prefix}features.denseblock1.denselayer1.norm.1.weight" in renamed
    return renamed


@torch.inference_mode()
def framed_features(network: nn.Module, channels: torch.Tensor, frame: list[float]) -> torch.Tensor:
    """Features of (B, C, H, W) when conv0 pads channel c with frame[c] instead of zero."""
    framed = torch.stack(
        [functional.pad(channels[:, c], (3, 3, 3, 3), value=v) for c, v in enumerate(frame)], dim=1
    )
    first = network.features.conv0
    cells = functional.conv2d(framed, first.weight, stride=first.stride)
    return network.features[1:](cells).relu()


@torch.inference_mode()
def our_features(model: LMeRAN) -> torch.Tensor:
    return model.backbone(to_input(FILMS, model.config.preprocessing)).relu()


@pytest.fixture(scope="module")
def imagenet() -> nn.Module:
    return imagenet_stand_in()


@pytest.fixture(scope="module")
def xrv_network() -> nn.Module:
    models = pytest.importorskip("torchxrayvision").models
    network = lively(models.DenseNet(), 1)
    with torch.no_grad():  # as trained on inputs of this size
        network.features.norm0.running_mean.mul_(300)
        network.features.norm0.running_var.mul_(90000)
    return network


@torch.inference_mode()
def xrv_features(network: nn.Module) -> torch.Tensor:
    from torchxrayvision.utils import normalize

    return network.features(torch.from_numpy(normalize(FILMS, 255))[:, None]).relu()


class OldBackend:
    """What each module carried before torch 1.3."""

    def __reduce__(self) -> tuple[Any, tuple[()]]:
        return _get_thnn_function_backend, ()


def save_published(network: nn.Module, path: Path) -> None:
    """The whole network in the format before torch 1.6, as torchxrayvision publishes its own."""
    for module in network.modules():
        module._backend = OldBackend()
    torch.save(network, path, _use_new_zipfile_serialization=False)
    for module in network.modules():
        del module._backend


@pytest.mark.parametrize("form", ["published", "whole", "state"])
def test_torchxrayvision_gives_the_same_features_here(
    xrv_network: nn.Module, tmp_path: Path, form: str
) -> None:
    path = tmp_path / "weights.pt"
    if form == "published":
        save_published(xrv_network, path)
    else:
        torch.save(xrv_network if form == "whole" else xrv_network.state_dict(), path)
    model = full_size()
    facts = load_backbone(f"xrv:{path}", model)
    expected = xrv_features(xrv_network)
    torch.testing.assert_close(our_features(model), expected, rtol=1e-4, atol=1e-4)
    assert expected.std() > 0.1
    assert (facts["source"], facts["name"], facts["note"]) == ("xrv", None, None)
    assert str(tmp_path) not in str(facts)
    kernel = model.backbone.conv0.weight
    torch.testing.assert_close(kernel[:, :1] * 3, xrv_network.features.conv0.weight)


def test_torchxrayvision_under_another_mean_differs_by_the_frame_alone(
    xrv_network: nn.Module, tmp_path: Path
) -> None:
    torch.save(xrv_network.state_dict(), tmp_path / "weights.pt")
    model = full_size(mean=0.4, std=0.3)
    note = load_backbone(f"xrv:{tmp_path / 'weights.pt'}", model)["note"]
    assert "0.5" in note
    assert "0.4" in note
    fed = 2048 * (torch.from_numpy(FILMS)[:, None] / 255) - 1024
    framed = framed_features(xrv_network, fed, [2048 * 0.4 - 1024])
    torch.testing.assert_close(our_features(model), framed, rtol=1e-4, atol=1e-4)
    assert (framed - xrv_features(xrv_network)).abs().max() > 1e-3


def test_torchxrayvision_by_name_uses_the_cache_of_its_package(
    xrv_network: nn.Module, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from torchxrayvision.models import model_urls

    monkeypatch.setenv("HOME", str(tmp_path))
    cache = tmp_path / ".torchxrayvision" / "models_data"
    cache.mkdir(parents=True)
    save_published(xrv_network, cache / Path(model_urls["nih"]["weights_url"]).name)
    model = full_size()
    assert load_backbone("xrv:densenet121-res224-nih", model)["name"] == "densenet121-res224-nih"
    torch.testing.assert_close(our_features(model), xrv_features(xrv_network), rtol=1e-4, atol=1e-4)
    monkeypatch.setenv("https_proxy", "http://127.0.0.1:9")
    refuse("xrv:densenet121-res224-pc", "cannot be downloaded")
    refuse("xrv:resnet50-res512-all", "neither a file nor one of densenet121")


def imagenet_framed(network: nn.Module) -> torch.Tensor:
    preset = DenseNet121_Weights.IMAGENET1K_V1.transforms()
    mean, std = (torch.tensor(v)[:, None, None] for v in (preset.mean, preset.std))
    gray = torch.from_numpy(FILMS)[:, None] / 255
    frame = ((0.5 - mean) / std).flatten().tolist()
    return framed_features(network, (gray - mean) / std, frame)


def test_imagenet_weights_come_from_the_cache_of_torchvision(
    imagenet: nn.Module, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    cache = tmp_path / "hub" / "checkpoints"
    cache.mkdir(parents=True)
    torch.save(old_spelling(imagenet.state_dict()), cache / IMAGENET_FILE)
    model = full_size()
    facts = load_backbone("imagenet", model)
    torch.testing.assert_close(our_features(model), imagenet_framed(imagenet), rtol=1e-4, atol=1e-4)
    assert facts["name"] == "IMAGENET1K_V1"
    assert "0.485, 0.456, 0.406" in facts["note"]
    (cache / IMAGENET_FILE).write_bytes(b"no weights")
    refuse("imagenet", "delete it and start again")


def test_an_old_chexnet_file_fits(imagenet: nn.Module, tmp_path: Path) -> None:
    weights = old_spelling(imagenet.features.state_dict(prefix="features."), "module.densenet121.")
    weights["module.densenet121.classifier.0.weight"] = torch.zeros(14, 1024)
    weights["module.densenet121.classifier.0.bias"] = torch.zeros(14)
    path = tmp_path / "model.pth.tar"
    content = {"epoch": 3, "best_loss": np.float64(0.15), "state_dict": weights}
    torch.save(content, path, _use_new_zipfile_serialization=False)
    model = full_size()
    facts = load_backbone(f"chexnet:{path}", model)
    torch.testing.assert_close(our_features(model), imagenet_framed(imagenet), rtol=1e-4, atol=1e-4)
    assert facts["name"] is None


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

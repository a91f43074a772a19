"""What gives no weights for our backbone is refused in one clear sentence, and never run."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from lmeran.checkpoint import save_checkpoint
from lmeran.model.lmeran import LMeRAN
from tests.conftest import lively_model, small_config
from tests.support.networks import IMAGENET_FILE, imagenet_stand_in, refuse

Change = Callable[[dict[str, torch.Tensor]], Any]


def without(weights: dict[str, torch.Tensor]) -> Any:
    del weights["features.denseblock2.denselayer3.conv1.weight"]
    return weights


def put(name: str, tensor: torch.Tensor) -> Change:
    return lambda weights: {**weights, f"features.{name}": tensor}


def with_object(weights: dict[str, torch.Tensor]) -> Any:
    return {"state_dict": weights, "options": argparse.Namespace(rate=1)}


def a_list(weights: dict[str, torch.Tensor]) -> Any:
    return list(weights.values())


@pytest.mark.parametrize(
    ("change", "match"),
    [
        (without, "features.denseblock2.denselayer3.conv1.weight is missing"),
        (put("norm0.bias", torch.zeros(65)), r"norm0.bias has shape \[65\] and should have \[64\]"),
        (
            put("conv0.weight", torch.zeros(64, 1, 7, 7)),
            r"conv0.weight has shape \[64, 1, 7, 7\] and should have \[64, 3, 7, 7\]",
        ),
        (put("norm6.bias", torch.zeros(3)), "norm6.bias is unexpected"),
        (put("norm0.bias", torch.full((64,), torch.nan)), "features.norm0.bias holds non-numbers"),
        (with_object, "argparse.Namespace"),
        (a_list, "no file of weights"),
    ],
)
def test_a_file_that_does_not_fit_is_refused_by_name(
    tmp_path: Path, change: Change, match: str
) -> None:
    torch.save(change(dict(imagenet_stand_in().state_dict())), tmp_path / "weights.pth.tar")
    refuse(f"chexnet:{tmp_path / 'weights.pth.tar'}", match)


def test_what_is_not_there_or_unknown_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sources = "imagenet, xrv:NAME_OR_FILE, chexnet:FILE or lmeran:FOLDER"
    refuse("resnet50", f"must be {sources}: 'resnet50'")
    refuse("chexnet:", "must be imagenet")
    refuse(f"chexnet:{tmp_path / 'none.pth.tar'}", "There is no file")
    refuse(f"xrv:{tmp_path / 'none.pt'}", "There is no file")
    for content in (b"", b"no weights at all", b"PK\x03\x04 no zip"):
        (tmp_path / "text.pt").write_bytes(content)
        refuse(f"chexnet:{tmp_path / 'text.pt'}", "damaged or no file of weights")
        refuse(f"xrv:{tmp_path / 'text.pt'}", "damaged or no file of weights")
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    monkeypatch.setenv("https_proxy", "http://127.0.0.1:9")
    refuse("imagenet", f"put {IMAGENET_FILE} there")
    monkeypatch.setitem(sys.modules, "torchxrayvision", None)
    monkeypatch.setitem(sys.modules, "torchxrayvision.models", None)
    refuse("xrv:densenet121-res224-nih", "pip install torchxrayvision")
    refuse("imagenet", "DenseNet-121 only", LMeRAN(small_config()))


class Harm:
    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, tuple[str]]:
        return os.mkdir, (str(self.path),)


@pytest.mark.parametrize("kind", ["xrv", "chexnet"])
@pytest.mark.parametrize("zipped", [True, False])
def test_nothing_in_a_file_is_run(tmp_path: Path, kind: str, zipped: bool) -> None:
    content = {"state_dict": {}, "more": Harm(tmp_path / "harm")}
    torch.save(content, tmp_path / "weights.pt", _use_new_zipfile_serialization=zipped)
    refuse(f"{kind}:{tmp_path / 'weights.pt'}", "mkdir")
    assert not (tmp_path / "harm").exists()
    torch.load(tmp_path / "weights.pt", weights_only=False)
    assert (tmp_path / "harm").exists(), "the file is harmless, so the test shows nothing"


def test_a_checkpoint_that_cannot_be_used_is_refused(tmp_path: Path) -> None:
    refuse(f"lmeran:{tmp_path / 'none'}", "cannot be used: There is no config.json")
    refuse("lmeran:", "must be imagenet")
    save_checkpoint(tmp_path, lively_model(small_config()), {}, {})
    refuse(f"lmeran:{tmp_path}", "has another backbone than this model")

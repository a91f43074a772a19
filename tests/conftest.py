"""Shared fixtures: small models and films made here. No test needs data from outside."""

from __future__ import annotations

import os
from pathlib import Path

# One thread for each worker of pytest-xdist and for every process that a test starts: read when
# torch is imported.
os.environ.setdefault("OMP_NUM_THREADS", "1")

import cv2
import numpy as np
import pandas as pd
import pytest
import torch

from lmeran.checkpoint import load_checkpoint, save_checkpoint
from lmeran.config import Backbone, LMeRANConfig, Preprocessing
from lmeran.findings import FINDINGS
from lmeran.model.lmeran import LMeRAN
from lmeran.predictor import Predictor

ROOT = Path(__file__).resolve().parents[1]
SMALL = Backbone(growth_rate=8, layers_per_block=(2, 2, 2, 2), initial_features=16)


def pytest_xdist_auto_num_workers(config: pytest.Config) -> int:
    """Two processes for folders; a few files take less time than importing PyTorch twice more."""
    files = [argument for argument in config.args if ".py" in argument]
    return 0 if len(files) == len(config.args) < 4 else 2


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The slow files first, so that both processes end at about the same time."""
    items.sort(key=lambda item: not {"browser", "train"} & set(item.path.parts))


def small_config(size: int = 96, **changes: object) -> LMeRANConfig:
    """A config whose network runs in milliseconds."""
    return LMeRANConfig(
        backbone=SMALL, preprocessing=Preprocessing(image_size=size), **{"layers": 3, **changes}
    )


def lively_model(config: LMeRANConfig, seed: int = 0) -> LMeRAN:
    """Random weights large enough that attention and states matter to the output."""
    torch.manual_seed(seed)
    model = LMeRAN(config).eval()
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if "embedding" in name:
                parameter.normal_(std=1.0)
            elif name.startswith("blocks") and parameter.ndim == 2:
                parameter.mul_(3)
            elif name.startswith("class_"):
                parameter.normal_(std=0.3)
    return model


def film_pixels(height: int = 120, width: int = 100, seed: int = 0) -> np.ndarray:
    """A smooth gray picture, uint8 (height, width)."""
    noise = np.random.default_rng(seed).random((height // 8 + 1, width // 8 + 1), np.float32)
    smooth = cv2.resize(noise, (width, height), interpolation=cv2.INTER_CUBIC)
    return np.clip(smooth * 255, 0, 255).astype(np.uint8)


@pytest.fixture(scope="session")
def checkpoint_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small checkpoint on disk, with facts as a trained one has."""
    folder = tmp_path_factory.mktemp("checkpoint")
    training = {
        "train_images": 100,
        "train_positives": dict.fromkeys(FINDINGS, 7),
        "label_sets": {"No Finding": 70, "Effusion": 12, "Effusion|Edema": 8, "Mass": 10},
    }
    scores = [
        {"known": k, "mean_auc": 0.6 + k / 100, "auc": dict.fromkeys(FINDINGS, 0.6)} for k in (0, 7)
    ]
    metrics = {"test": {"images": 50, "scores": scores}}
    save_checkpoint(folder, lively_model(small_config()), training, metrics)
    return folder


@pytest.fixture(scope="session")
def predictor(checkpoint_folder: Path) -> Predictor:
    return Predictor(load_checkpoint(checkpoint_folder))


@pytest.fixture()
def film_file(tmp_path: Path) -> Path:
    """A readable film on disk."""
    path = tmp_path / "film.png"
    cv2.imwrite(str(path), film_pixels())
    return path


@pytest.fixture(scope="session")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("data")
    make_data(root)
    return root


def make_data(root: Path) -> None:
    """40 small films of 20 patients; a bright corner means Effusion, which comes with Edema."""
    (root / "images").mkdir(parents=True)
    rows = []
    rng = np.random.default_rng(0)
    for k in range(40):
        pixels = film_pixels(64, 64, k) // 2
        names = []
        if k % 3 == 0:
            pixels[40:, :24] += 100
            names = ["Effusion", "Edema"] if k % 2 else ["Effusion"]
        if rng.random() < 0.3:
            names.append("Mass")
        cv2.imwrite(str(root / "images" / f"{k}.png"), pixels)
        rows.append(
            {
                "file": f"images/{k}.png",
                "image_index": f"{k}.png",
                "official_split": "test" if k >= 32 else "train_val",
                "patient_id": k // 2,
                "finding_labels": "|".join(names) or "No Finding",
                "height": 64,
                "width": 64,
            }
        )
    pd.DataFrame(rows).to_csv(root / "index.csv", index=False)

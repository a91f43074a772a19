"""A small study whose truth is known: labels that go together, probabilities that know them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch

from lmeran.checkpoint import Checkpoint
from lmeran.findings import FINDINGS
from tests.conftest import lively_model, small_config
from train.data.index import Index, label_sets
from train.evaluation.bootstrap import draw
from train.evaluation.evaluate import EvaluateConfig
from train.evaluation.predictions import SCENARIOS, Predictions, Scenario, SinglePins
from train.evaluation.study import Study

N = len(FINDINGS)


def made_index(images: int = 240, seed: int = 0) -> Index:
    """Two images a patient. Hernia never occurs; the first two findings go together."""
    rng = np.random.default_rng(seed)
    labels = (rng.random((images, N)) < 0.3).astype(np.float32)
    labels[:, 1] = np.where(rng.random(images) < 0.8, labels[:, 0], labels[:, 1])
    labels[:, -1] = 0
    return Index(
        root=Path("no-such-folder"),
        files=tuple(f"{k}.png" for k in range(images)),
        names=tuple(f"{k:08d}_000.png" for k in range(images)),
        patients=np.array([f"p{k // 2}" for k in range(images)]),
        labels=labels,
        groups=np.arange(images) % 2,
        views=np.array(["PA", "AP"])[np.arange(images) % 2],
        sexes=np.array(["M", "F", "F"])[np.arange(images) % 3],
        ages=np.where(np.arange(images) % 20 == 0, np.nan, 20.0 + np.arange(images) % 60),
        sources=np.where(np.arange(images) < 10, "few", np.where(np.arange(images) % 2, "a", "b")),
    )


def made_probabilities(index: Index, seed: int = 1) -> dict[Scenario, np.ndarray]:
    """Better with more known; pins of any kind help alike, wrong ones do not."""
    rng = np.random.default_rng(seed)
    noise = rng.normal(size=index.labels.shape)
    found = {}
    for scenario in SCENARIOS:
        strength = 1 + (0 if scenario.wrong else 0.08 * scenario.known)
        found[scenario] = 1 / (1 + np.exp(-(noise + strength * (index.labels - 0.5))))
    return found


def made_single(index: Index, free: np.ndarray, rows: int = 60, seed: int = 2) -> SinglePins:
    """Changes that are the same on every image, apart from some noise."""
    rng = np.random.default_rng(seed)
    base = rng.normal(scale=0.05, size=(2, N, N))
    changes = base[:, None] + rng.normal(scale=0.01, size=(2, rows, N, N))
    changes[:, :, range(N), range(N)] = np.nan
    chosen = np.arange(rows)
    return SinglePins(chosen, free[chosen], *changes)


def made_study(
    probabilities: Mapping[Scenario, np.ndarray] | None = None, resamples: int = 60
) -> Study:
    index = made_index()
    found = made_probabilities(index) if probabilities is None else dict(probabilities)
    training = {"train_images": 100, "label_sets": label_sets(made_index(300, 5).labels)}
    model = lively_model(small_config(label_branch="none"))
    free = found[SCENARIOS[0]]
    single = made_single(index, free)
    other = Checkpoint(model, "b" * 12, "", {}, {})
    weaker = {s: p * 0.5 + 0.5 * np.roll(p, 1, axis=0) for s, p in found.items()}
    return Study(
        config=EvaluateConfig(Path(), Path(), map_films=0),
        index=index,
        cache=Path(),
        device=torch.device("cpu"),
        predictions=Predictions(Checkpoint(model, "a" * 12, "", training, {}), found, single),
        resamples=draw(index.patients, resamples),
        compared=Predictions(other, weaker),
    )


def bare_study(checkpoint: Checkpoint, index: Index, cache: Path, **options: Any) -> Study:
    """A study of a real checkpoint and index for the parts that read films by themselves."""
    return Study(
        config=EvaluateConfig(Path(), Path(), **options),
        index=index,
        cache=cache,
        device=torch.device("cpu"),
        predictions=Predictions(checkpoint, {}),
        resamples=draw(index.patients, 20),
    )

"""The sanity check of maps: do they change when the network's weights are thrown away?

Adebayo et al., "Sanity checks for saliency maps", NeurIPS 2018: weights are replaced by fresh
random ones from the output downwards, each step keeping the ones before (cascading). A map that
stays as it was shows the film or the architecture, not what the network learned.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator

import numpy as np
import torch
from scipy.stats import spearmanr

from lmeran.model.lmeran import LMeRAN

SEED = 7_046_029_254
"""No seed that a training run is likely to have: a run starts from the weights of its seed, and
with the same ones they would be half the trained weights again, not random ones."""


def cascade(model: LMeRAN) -> Iterator[tuple[str, LMeRAN]]:
    """Names of the steps, and the model with all weights down to there random: a new one each.

    From the classifiers over the attention layers, last first, and the embeddings to the backbone.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(SEED)
        fresh = LMeRAN(model.config).state_dict()
    mixed = copy.deepcopy(model)
    for name, prefixes in _steps(model):
        keys = [key for key in fresh if key.startswith(prefixes)]
        if keys:
            mixed.load_state_dict({**mixed.state_dict(), **{key: fresh[key] for key in keys}})
            yield name, copy.deepcopy(mixed)


def rank_correlation(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Spearman's correlation of maps (N, h, w) with maps (N, h, w), cell by cell: float64 (N,).

    NaN where one of the two is the same everywhere and has no ranks.
    """
    found = np.full(len(first), np.nan)
    for k, (a, b) in enumerate(zip(first, second, strict=True)):
        if np.ptp(a) > 0 and np.ptp(b) > 0:
            found[k] = spearmanr(a.ravel(), b.ravel()).statistic
    return found


def _steps(model: LMeRAN) -> list[tuple[str, tuple[str, ...]]]:
    """Name of each step and what the names of its weights begin with."""
    layers = model.config.layers
    return [
        ("classifiers", ("class_",)),
        *((f"attention layer {k}", (f"blocks.{k - 1}.",)) for k in range(layers, 0, -1)),
        ("embeddings", ("label_embedding", "state_embedding", "position_embedding")),
        ("backbone", ("backbone.",)),
    ]

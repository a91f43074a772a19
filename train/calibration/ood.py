"""Fitting the input gate: how cells of chest films lie in the backbone's features."""

from __future__ import annotations

import dataclasses

import numpy as np
from sklearn.covariance import LedoitWolf
from sklearn.decomposition import PCA

from lmeran.ood import OODDetector, ood_scores
from train.calibration.left_out import LeftOut

COMPONENTS = 16
"""More made the gate worse: what identifies a chest film lies in the leading ones, and the small
ones are noise that is multiplied."""

ACCEPTANCE = 0.95
SMALLEST_SCALE = 0.01
"""Channels vary at least by this share of the mean over channels: one that is almost still in
chest films must not outweigh all others."""


def fit_gate(cells: np.ndarray, left_out: LeftOut, components: int = COMPONENTS) -> OODDetector:
    """The gate of validation films from their cells (N, h w, d).

    The threshold accepts 95 % of the films of every source, scored by a gate fitted without that
    source: so films from elsewhere pass, at the price of detecting less. Where only patients can be
    left out, it accepts 95 % of all films, each scored without its patient. One more film is
    allowed for, as in conformal prediction, so that it holds for films not seen.
    """
    scores = np.zeros(len(cells))
    for fitted_on, held in left_out.rounds:
        scores[held] = ood_scores(_distribution(cells[fitted_on], components), cells[held])
    sets = [scores[held] for _, held in left_out.rounds]
    threshold = max(map(_accepting, sets if left_out.what == "sources" else [scores]))
    return dataclasses.replace(_distribution(cells, components), threshold=threshold)


def _accepting(scores: np.ndarray) -> float:
    """The score that `ACCEPTANCE` of such films and one more do not exceed."""
    share = min(1.0, ACCEPTANCE * (1 + 1 / len(scores)))
    return float(np.quantile(scores, share, method="higher"))


def _distribution(cells: np.ndarray, components: int) -> OODDetector:
    """The gate without its threshold."""
    films, places, width = cells.shape
    flat = cells.reshape(-1, width).astype(np.float32)
    mean, scale = flat.mean(axis=0), flat.std(axis=0)
    scale = np.maximum(scale, max(SMALLEST_SCALE * float(scale.mean()), 1e-6))
    # in place: 14 x 14 cells of 1,000 films are 0.8 GB
    flat -= mean
    flat /= scale
    kept = min(components, width, len(flat) - 1)
    axes = PCA(kept, svd_solver="covariance_eigh").fit(flat).components_.astype(np.float32)
    inside = (flat @ axes.T).reshape(films, places, kept)
    centres = inside.mean(axis=0)
    around = LedoitWolf(assume_centered=True).fit((inside - centres).reshape(-1, kept))
    return OODDetector(
        mean=mean,
        scale=scale,
        components=axes,
        places=centres,
        precision=around.precision_.astype(np.float32),
        threshold=np.inf,
        films=films,
        acceptance=ACCEPTANCE,
    )

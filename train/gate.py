"""Fitting the input gate: how cells of chest films lie in the backbone's features."""

from __future__ import annotations

import dataclasses

import numpy as np
from sklearn.covariance import LedoitWolf
from sklearn.decomposition import PCA

from lmeran.gate import Gate, gate_scores

COMPONENTS = 16
"""More made the gate worse: what tells a chest film lies in the leading ones, and the small ones
are noise that is multiplied."""

ACCEPTANCE = 0.95
FOLDS = 5
SMALLEST_SCALE = 0.01
"""Channels vary at least by this share of the mean over channels: one that is almost still in
chest films must not outweigh all others."""


def fit_gate(cells: np.ndarray, patients: np.ndarray, components: int = COMPONENTS) -> Gate:
    """The gate of validation films from their cells (N, h w, d); patients (N,) are their ids.

    The threshold is the score that 95 % of the films do not exceed, each scored by a gate fitted
    without its patient (in five parts) and one more film allowed for (as in conformal prediction),
    so that it holds for films not seen. Raises `ValueError` for fewer than five patients.
    """
    parts = _folds(patients)
    scores = np.zeros(len(cells))
    for part in range(FOLDS):
        left_out = parts == part
        gate = _distribution(cells[~left_out], components)
        scores[left_out] = gate_scores(gate, cells[left_out])
    share = min(1.0, ACCEPTANCE * (1 + 1 / len(scores)))
    threshold = float(np.quantile(scores, share, method="higher"))
    return dataclasses.replace(_distribution(cells, components), threshold=threshold)


def _distribution(cells: np.ndarray, components: int) -> Gate:
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
    return Gate(
        mean=mean,
        scale=scale,
        components=axes,
        places=centres,
        precision=around.precision_.astype(np.float32),
        threshold=np.inf,
        films=films,
        acceptance=ACCEPTANCE,
    )


def _folds(patients: np.ndarray) -> np.ndarray:
    """Part of each film, 0 .. 4; no patient in two parts."""
    known, number = np.unique(patients, return_inverse=True)
    if len(known) < FOLDS:
        raise ValueError(f"a gate needs films of at least {FOLDS} patients: {len(known)}")
    return np.random.default_rng(0).permutation(len(known))[number] % FOLDS

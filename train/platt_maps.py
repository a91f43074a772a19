"""Platt maps of all findings together: how far each may differ from the rest, and whether they must
differ with the number of known findings, is chosen by cross-validation over patients."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from train.platt import Platt, fit_platt, nll

SPREADS = (0.05, 0.1, 0.2, 0.4, 0.8, 1.6)
"""Standard deviations of the prior that draws a finding's map towards that of all findings: with
few positives each map alone would follow chance."""

FOLDS = 5


@dataclass(frozen=True)
class Choice:
    """What was chosen, and the cross-validated NLL of a label, in nats, that it was chosen by.

    spread: of the prior. by_number: whether each number of known findings has maps of its own.
    raw, free, own: NLL per number of known findings of the raw probabilities, of the maps fitted
    with nothing known, and of maps of its own; the last two at their best spread.
    """

    spread: float
    by_number: bool
    raw: tuple[float, ...]
    free: tuple[float, ...]
    own: tuple[float, ...]


def fit_maps(logits: np.ndarray, labels: np.ndarray, spread: float) -> list[Platt]:
    """A map for each finding, drawn towards the one that fits all findings together.

    logits, labels: (N, n), with both classes somewhere among them.
    """
    middles = logits.mean(axis=0)
    everywhere = np.broadcast_to(middles, logits.shape).ravel()
    centre = fit_platt(logits.ravel(), labels.ravel(), everywhere)
    columns = range(logits.shape[1])
    return [fit_platt(logits[:, j], labels[:, j], middles[j], centre, spread) for j in columns]


def mapped(logits: np.ndarray, maps: list[Platt], middles: np.ndarray) -> np.ndarray:
    """Logits (N, n) under their maps; middles (n,) as in the fit."""
    slopes = np.array([m.slope for m in maps])
    offsets = np.array([m.offset(middle) for m, middle in zip(maps, middles, strict=True)])
    return slopes * logits + offsets


def choose(logits: np.ndarray, labels: np.ndarray, patients: np.ndarray) -> Choice:
    """The spread with the smallest cross-validated NLL; maps by number of known findings only where
    they gain more than one standard error over patients.

    logits: (K, N, n), the first with nothing known; labels: (N, n); patients: ids (N,).
    """
    number, parts = _parts(patients)
    free = [_held_out(logits, labels, parts, spread, by_number=False) for spread in SPREADS]
    own = [_held_out(logits, labels, parts, spread, by_number=True) for spread in SPREADS]
    best_free, best_own = (
        int(np.argmin([loss.sum() for loss in losses])) for losses in (free, own)
    )
    gain = np.bincount(number, (free[best_free] - own[best_own]).sum(axis=0))
    by_number = bool(gain.sum() > gain.std() * np.sqrt(len(gain)))

    def per_label(losses: np.ndarray) -> tuple[float, ...]:
        return tuple((losses.sum(axis=1) / labels.size).tolist())

    return Choice(
        spread=SPREADS[best_own if by_number else best_free],
        by_number=by_number,
        raw=per_label(np.stack([nll(z, labels).sum(axis=1) for z in logits])),
        free=per_label(free[best_free]),
        own=per_label(own[best_own]),
    )


def _held_out(
    logits: np.ndarray, labels: np.ndarray, parts: np.ndarray, spread: float, by_number: bool
) -> np.ndarray:
    """NLL of each film, summed over findings, under maps fitted without its part, (K, N)."""
    losses = np.zeros(logits.shape[:2])
    for part in np.unique(parts):
        held = parts == part
        for k, z in enumerate(logits):
            if by_number or k == 0:
                fitted = z[~held]
                maps, middles = fit_maps(fitted, labels[~held], spread), fitted.mean(axis=0)
            losses[k, held] = nll(mapped(z[held], maps, middles), labels[held]).sum(axis=1)
    return losses


def _parts(patients: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Number of each film's patient, and its part of the cross-validation."""
    known, number = np.unique(patients, return_inverse=True)
    return number, np.random.default_rng(0).permutation(len(known))[number] % FOLDS

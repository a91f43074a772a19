"""How far pins move a model's findings, beside how far they must: the world's posterior shift.

A shift is the logit with pins less the logit without; a film's posterior is exact
(`train.phantom.world`). NaN stands where a finding is pinned and has no shift.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from lmeran.findings import FINDINGS, State
from lmeran.predictor import EncodedRadiograph, Predictor
from train.evaluation.bootstrap import draw
from train.evaluation.metrics import known_masks
from train.phantom.dataset import WorldData
from train.phantom.world import World, posteriors

KNOWN = (3, 7, 10)
"""Counts of findings given with their true states, besides single pins."""
GROUPS: dict[str, slice] = {
    "one positive": slice(0, 14),
    "one negative": slice(14, 28),
    **{f"{count} known": slice(28 + k, 29 + k) for k, count in enumerate(KNOWN)},
    "all": slice(0, 28 + len(KNOWN)),
}
"""Kinds of pins, as rows of `pins_of_film`."""
RESAMPLES = 1000


@dataclass(frozen=True, eq=False)
class Shifts:
    """Logits of N films under S sets of pins.

    free: (N, 14), nothing pinned; pinned: (N, S, 14), NaN where the finding itself is pinned.
    """

    free: np.ndarray
    pinned: np.ndarray

    @property
    def logit(self) -> np.ndarray:
        """Shift of the logit, (N, S, 14)."""
        return self.pinned - self.free[:, None]

    @property
    def probability(self) -> np.ndarray:
        """Shift of the probability, (N, S, 14)."""
        return expit(self.pinned) - expit(self.free)[:, None]


@dataclass(frozen=True)
class Agreement:
    """How one set of shifts follows the true ones.

    Args:
        pairs: shifts compared
        correlation: Pearson's r
        correlation_interval: 95 %, by resampling patients
        slope: of the least-squares line through (true, measured); 1 is right
        slope_interval: 95 %, by resampling patients
        spread: standard deviation of the true shifts
    """

    pairs: int
    correlation: float
    correlation_interval: tuple[float, float]
    slope: float
    slope_interval: tuple[float, float]
    spread: float


def pins_of_film(name: str, labels: np.ndarray) -> np.ndarray:
    """All sets of pins a film is read under, int64 (S, 14) of `State`; `GROUPS` names the rows.

    Each finding alone, positive and negative, whatever is true; then some findings with their true
    states, chosen by the film's name as in `train.evaluation.metrics.known_masks`.
    """
    findings = len(FINDINGS)
    alone = np.eye(findings, dtype=np.int64)
    truth = np.where(labels > 0.5, State.POSITIVE, State.NEGATIVE)
    given = [
        np.where(known_masks(name, findings, count)[0], State.UNKNOWN, truth) for count in KNOWN
    ]
    return np.concatenate([alone * State.POSITIVE, alone * State.NEGATIVE, np.stack(given)])


def true_logits(world: World, levels: np.ndarray | None, pins: np.ndarray) -> np.ndarray:
    """Exact logits under pins (S, 14), NaN where pinned; levels (14,), None for the pins alone."""
    probability = posteriors(world, levels, pins)
    return logit(np.where(pins == State.UNKNOWN, probability, np.nan))


def model_logits(predictor: Predictor, film: EncodedRadiograph, pins: np.ndarray) -> np.ndarray:
    """The model's logits under pins (S, 14), NaN where pinned."""
    scenarios = [
        {FINDINGS[i]: State(int(row[i])) for i in np.flatnonzero(row != State.UNKNOWN)}
        for row in pins
    ]
    return logit(np.stack([r.conditioned for r in predictor.read_many(film, scenarios)]))


def true_shifts(
    data: WorldData, names: tuple[str, ...], labels: np.ndarray, with_film: bool = True
) -> Shifts:
    """What Bayes' rule says of these films; without the film, what it says of the pins alone."""
    free, pinned = [], []
    for name, row in zip(names, labels, strict=True):
        levels = data.levels[name] if with_film else None
        pins = np.concatenate([np.zeros((1, len(FINDINGS)), np.int64), pins_of_film(name, row)])
        logits = true_logits(data.world, levels, pins)
        free.append(logits[0])
        pinned.append(logits[1:])
    return Shifts(np.stack(free), np.stack(pinned))


def agreement(
    true: np.ndarray, measured: np.ndarray, patients: np.ndarray, seed: int = 0
) -> Agreement:
    """Shifts (N, ..., 14) against the true ones, NaN left out; patients (N,) for the intervals.

    Raises `ValueError` where the true shifts are all the same.
    """
    usable = np.isfinite(true) & np.isfinite(measured)
    x, y = np.where(usable, true, 0.0), np.where(usable, measured, 0.0)
    parts = (usable, x, y, x * x, x * y, y * y)
    sums = np.stack([part.reshape(len(true), -1).sum(axis=1) for part in parts], axis=1)
    correlation, slope = _line(sums.sum(axis=0))
    resampled = draw(patients, RESAMPLES, seed).sums(sums)
    low_high = [
        tuple(np.quantile(values, (0.025, 0.975)).tolist()) for values in _line(resampled.T)
    ]
    return Agreement(
        pairs=int(usable.sum()),
        correlation=float(correlation),
        correlation_interval=low_high[0],
        slope=float(slope),
        slope_interval=low_high[1],
        spread=float(true[usable].std()),
    )


def agreements(true: Shifts, measured: Shifts, patients: np.ndarray) -> dict[str, Any]:
    """`agreement` for each of `GROUPS`, on the logit and on the probability scale."""
    return {
        scale: {
            name: agreement(
                getattr(true, scale)[:, rows], getattr(measured, scale)[:, rows], patients
            )
            for name, rows in GROUPS.items()
        }
        for scale in ("logit", "probability")
    }


def logit(probability: np.ndarray) -> np.ndarray:
    return np.log(probability) - np.log1p(-probability)


def expit(logits: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-logits))


def _line(sums: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Correlation and slope from the six sums of `agreement`, each a number or an array."""
    count, x, y, xx, xy, yy = sums
    within_x, within_y = xx - x * x / count, yy - y * y / count
    together = xy - x * y / count
    if np.any(within_x <= 0):
        raise ValueError("the true shifts are all the same: there is nothing to follow")
    # A model that no pin moves follows nothing.
    both = np.sqrt(within_x * np.maximum(within_y, 0))
    correlation = np.divide(together, both, out=np.zeros_like(together), where=both > 0)
    return correlation, together / within_x

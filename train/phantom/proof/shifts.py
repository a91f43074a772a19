"""How far pins move a model's findings, beside how far they must: the world's posterior shift.

A shift is the logit with pins less the logit without; a film's posterior is exact
(`train.phantom.world`). Logits are (N, 1 + S, 14): with nothing pinned, then under each of the S
sets of pins of `pins_of_film`; NaN where the finding itself is pinned.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from scipy.special import logit

from lmeran.findings import FINDINGS, State
from lmeran.predictor import EncodedRadiograph, Predictor
from train.evaluation.bootstrap import Estimate, draw, interval
from train.evaluation.metrics import known_masks
from train.evaluation.section import row
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
"""Kinds of pins, as positions of the S sets."""
RESAMPLES = 1000


def pins_of_film(name: str, labels: np.ndarray) -> np.ndarray:
    """All sets of pins a film is read under, int64 (1 + S, 14) of `State`; the first pins nothing.

    Each finding alone, positive and negative, whatever is true; then some findings with their true
    states, chosen by the film's name as in `train.evaluation.metrics.known_masks`.
    """
    findings = len(FINDINGS)
    alone = np.eye(findings, dtype=np.int64)
    truth = np.where(labels > 0.5, State.POSITIVE, State.NEGATIVE)
    given = [
        np.where(known_masks(name, findings, count)[0], State.UNKNOWN, truth) for count in KNOWN
    ]
    return np.concatenate(
        [0 * alone[:1], alone * State.POSITIVE, alone * State.NEGATIVE, np.stack(given)]
    )


def true_logits(world: World, levels: np.ndarray | None, pins: np.ndarray) -> np.ndarray:
    """Exact logits (1 + S, 14) of a film's levels (14,), or for None of the pins alone."""
    probability = posteriors(world, levels, pins)
    return logit(np.where(pins == State.UNKNOWN, probability, np.nan))


def model_logits(predictor: Predictor, film: EncodedRadiograph, pins: np.ndarray) -> np.ndarray:
    """The model's logits (1 + S, 14)."""
    scenarios = [
        {FINDINGS[i]: State(int(states[i])) for i in np.flatnonzero(states)} for states in pins
    ]
    return logit(np.stack([r.conditioned for r in predictor.read_many(film, scenarios)]))


def all_true_logits(
    data: WorldData, names: tuple[str, ...], labels: np.ndarray, with_film: bool = True
) -> np.ndarray:
    """What Bayes' rule says of these films; without the film, what it says of the pins alone."""
    return np.stack(
        [
            true_logits(data.world, data.levels[name] if with_film else None, pins_of_film(name, y))
            for name, y in zip(names, labels, strict=True)
        ]
    )


def shifts(logits: np.ndarray) -> np.ndarray:
    """Shifts (N, S, 14)."""
    return logits[:, 1:] - logits[:, :1]


def agreements(
    true: np.ndarray, measured: np.ndarray, patients: np.ndarray
) -> Iterator[dict[str, Any]]:
    """Rows of `agreement` between two sets of logits, by kind of pins."""
    for pins, sets in GROUPS.items():
        pair = (shifts(logits)[:, sets] for logits in (true, measured))
        for measure, value in agreement(*pair, patients).items():
            yield row(value, pins=pins, measure=measure)


def agreement(
    true: np.ndarray, measured: np.ndarray, patients: np.ndarray, seed: int = 0
) -> dict[str, Estimate | int]:
    """Shifts (N, ..., 14) against the true ones, NaN left out: "pairs" compared, Pearson's "r",
    and the "slope" of the least-squares line through (true, measured), 1 where it is right.

    Intervals resample patients (N,). Raises `ValueError` where the true shifts are all the same.
    """
    usable = np.isfinite(true) & np.isfinite(measured)
    x, y = np.where(usable, true, 0.0), np.where(usable, measured, 0.0)
    parts = (usable, x, y, x * x, x * y, y * y)
    sums = np.stack([part.reshape(len(true), -1).sum(axis=1) for part in parts], axis=1)
    correlation, slope = _line(sums.sum(axis=0))
    resampled = _line(draw(patients, RESAMPLES, seed).sums(sums).T)
    return {
        "pairs": int(usable.sum()),
        "r": interval(float(correlation), resampled[0]),
        "slope": interval(float(slope), resampled[1]),
    }


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

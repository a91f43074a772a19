"""Is a number usual? How probabilities and shifts by single pins are spread over validation films.

Quantiles alone are stored, in a small file beside the checkpoint; they add words to a number and
change none. The films are those the calibration was fitted on.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from lmeran.findings import FINDINGS, State
from lmeran.stored import DamagedError, StoredPart

LEVELS = (0, 0.5, 1, 2, 3, 4, *range(5, 100, 5), 96, 97, 98, 99, 99.5, 100)
"""Percent at which quantiles are stored: closer at both ends, where a number is unusual."""

FEWEST_FILMS = 10
"""Fewer films than this have no quantiles."""


@dataclass(frozen=True, eq=False)
class ReferenceDistribution(StoredPart):
    """Quantiles at `LEVELS` (Q of them) over validation films, float32, in the order of `FINDINGS`.

    films: how many there are; pinned_films: of these that were read under every single pin.
    absent, present: (14, Q), free probability on films without and with the finding; NaN where
    there are fewer than `FEWEST_FILMS`. negative, positive: (14, 14, Q), change of p_j (column)
    when i (row) is the only pin and so pinned; NaN on the diagonal.
    """

    films: int
    pinned_films: int
    absent: np.ndarray
    present: np.ndarray
    negative: np.ndarray
    positive: np.ndarray

    @classmethod
    def of(
        cls, free: np.ndarray, labels: np.ndarray, negative: np.ndarray, positive: np.ndarray
    ) -> ReferenceDistribution:
        """From free probabilities (N, 14), labels (N, 14) of 0 and 1, and the shifts (M, 14, 14) of
        single pins as `lmeran.explain.influence.Influence` has them, on M of the films."""
        has = labels > 0.5
        columns = range(len(FINDINGS))
        return cls(
            films=len(free),
            pinned_films=len(positive),
            absent=np.stack([_quantiles(free[~has[:, i], i]) for i in columns]),
            present=np.stack([_quantiles(free[has[:, i], i]) for i in columns]),
            negative=_quantiles(negative),
            positive=_quantiles(positive),
        )

    def check(self) -> None:
        n, levels = len(FINDINGS), len(LEVELS)
        shapes = dict.fromkeys(("absent", "present"), (n, levels))
        shapes |= dict.fromkeys(("negative", "positive"), (n, n, levels))
        for name, shape in shapes.items():
            found = getattr(self, name)
            if found.shape != shape or (np.diff(found, axis=-1) < 0).any():
                raise DamagedError(f"{name} is not {levels} rising quantiles a number")


def percent_below(quantiles: np.ndarray, values: np.ndarray) -> np.ndarray:
    """Percent of the films with a lower value, float64 (14,): quantiles (14, Q), values (14,).

    NaN where either is.
    """
    rows = zip(values, quantiles, strict=True)
    return np.array([_below(value, of_finding) for value, of_finding in rows])


def shift_percentiles(
    reference: ReferenceDistribution, states: np.ndarray, shift: np.ndarray
) -> np.ndarray | None:
    """Percent of the films that the same pin moves less far upward, float64 (14,), NaN at the pin.

    states, shift: (14,) of a reading. None unless exactly one finding is pinned: only single pins
    were made on the validation films.
    """
    pinned = np.flatnonzero(states != State.UNKNOWN)
    if len(pinned) != 1:
        return None
    row = pinned[0]
    by_state = {State.NEGATIVE: reference.negative, State.POSITIVE: reference.positive}
    return percent_below(by_state[State(int(states[row]))][row], shift)


def _below(value: float, quantiles: np.ndarray) -> float:
    if np.isnan(value) or np.isnan(quantiles).any():
        return float("nan")
    return float(np.interp(value, quantiles, LEVELS))


def _quantiles(values: np.ndarray) -> np.ndarray:
    """Over the first axis, which becomes the last one."""
    if len(values) < FEWEST_FILMS:
        return np.full((*values.shape[1:], len(LEVELS)), np.nan, np.float32)
    found = np.quantile(values, np.array(LEVELS) / 100, axis=0)
    return np.moveaxis(found, 0, -1).astype(np.float32)

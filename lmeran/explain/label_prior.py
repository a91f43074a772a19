"""What the pins alone say, without the image: counts of the label sets of the training films."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from lmeran.checkpoint import Checkpoint, CheckpointError
from lmeran.findings import FINDINGS, Pins, State, states_of

KAPPA = 10
"""Pseudo-films with the average shares that are added to those compatible with the pins."""

COUNTING_WEIGHT = 0.5
"""Of `counted`, where none was fitted."""

NO_FINDING = "No Finding"


@dataclass(frozen=True, eq=False)
class LabelPrior:
    """The label sets of the training films: labels, bool (S, 14), the distinct ones; counts, int64
    (S,), films with each; weight, of `counted`, fitted on validation films, None where it was not.
    """

    labels: np.ndarray
    counts: np.ndarray
    weight: float | None = None

    @classmethod
    def of(cls, checkpoint: Checkpoint) -> LabelPrior | None:
        """From the checkpoint's `training["label_sets"]`; None where it has none. The weight is
        that of its `metrics["counting"]`.

        Raises `CheckpointError` for label sets that are not counts of sets of the 14 findings.
        """
        sets = checkpoint.training.get("label_sets")
        weight = checkpoint.metrics.get("counting", {}).get("weight")
        return None if sets is None else cls.from_sets(sets, weight)

    @classmethod
    def from_sets(cls, sets: Mapping[str, int], weight: float | None = None) -> LabelPrior:
        """From {"No Finding": 60361, "Effusion|Mass": 12, ...}; see `of`."""
        try:
            labels = np.array([_label_row(name) for name in sets], dtype=bool)
            counts = np.array([int(count) for count in sets.values()], dtype=np.int64)
        except (AttributeError, TypeError, ValueError) as error:
            raise CheckpointError(f"The checkpoint's label sets are damaged: {error}.") from None
        if not len(counts) or counts.min() < 0 or counts.sum() == 0:
            raise CheckpointError("The checkpoint's label sets count no films.")
        return cls(labels, counts, weight)

    @property
    def films(self) -> int:
        """Number of training films."""
        return int(self.counts.sum())

    @property
    def marginal(self) -> np.ndarray:
        """Share of all training films with each finding, float64 (14,)."""
        return self.counts @ self.labels / self.films

    @property
    def used_weight(self) -> float:
        return COUNTING_WEIGHT if self.weight is None else self.weight

    @property
    def description(self) -> str:
        """What `probabilities` are, as a sentence for the screen."""
        return (
            f"From labels alone, without this image: the share of the {self.films:,} training "
            f"films compatible with the pins that have the finding, drawn towards its share of "
            f"all training films by {KAPPA} pseudo-films."
        )

    def seen(self, pins: Pins) -> int:
        """Number of training films compatible with all pins."""
        return int(self.counts[self._compatible(pins)].sum())

    def probabilities(self, pins: Pins) -> np.ndarray:
        """P(finding | pins) from labels alone, float64 (14,); NaN where pinned: the share among the
        films compatible with all pins, and `KAPPA` pseudo-films with the marginal shares."""
        compatible = self._compatible(pins)
        counts = self.counts[compatible]
        having = counts @ self.labels[compatible]
        share = (having + KAPPA * self.marginal) / (counts.sum() + KAPPA)
        return np.where(states_of(pins) == State.UNKNOWN, share, np.nan)

    def shift(self, alone: np.ndarray) -> np.ndarray:
        """logit P(finding | pins) - logit P(finding), (..., 14), of `probabilities`; 0 for a
        finding that no training film has."""
        seen = (self.marginal > 0) & (self.marginal < 1)
        moved = np.zeros(alone.shape)
        moved[..., seen] = _logit(alone[..., seen]) - _logit(self.marginal[seen])
        return np.where(np.isnan(alone), np.nan, moved)

    def counted(self, free: np.ndarray, alone: np.ndarray) -> np.ndarray:
        """A free reading moved by what the pins alone say (`probabilities`), float64 (..., 14).

        logit(free) + w (logit P(finding | pins) - logit P(finding)), as Bayes' rule would have it
        for w = 1 and findings that look the same whatever stands beside them.
        """
        return 1 / (1 + np.exp(-_logit(free) - self.used_weight * self.shift(alone)))

    def lift(self) -> np.ndarray:
        """P(i and j) / (P(i) P(j)), float64 (14, 14): 1 where two findings ignore each other.

        NaN on the diagonal and where a finding has no film, so that none can be expected.
        """
        labels = self.labels.astype(np.int64)
        together = labels.T @ (self.counts[:, None] * labels)
        alone = np.diag(together)
        expected = np.outer(alone, alone) / self.films
        lift = np.full(expected.shape, np.nan)
        np.divide(together, expected, out=lift, where=expected > 0)
        np.fill_diagonal(lift, np.nan)
        return lift

    def _compatible(self, pins: Pins) -> np.ndarray:
        """bool (S,): label sets in which every pinned finding is as pinned."""
        states = states_of(pins)
        pinned = states != State.UNKNOWN
        return (self.labels[:, pinned] == (states[pinned] == State.POSITIVE)).all(axis=1)


def _logit(probability: np.ndarray) -> np.ndarray:
    with np.errstate(divide="ignore"):
        return np.log(probability) - np.log1p(-probability)


def _label_row(name: str) -> list[bool]:
    """'Effusion|Mass' to 14 booleans; raises `ValueError` for a name that is no finding."""
    present = [] if name == NO_FINDING else name.split("|")
    unknown = set(present) - set(FINDINGS)
    if unknown:
        raise ValueError(f"'{min(unknown)}' is not one of the 14 findings")
    return [finding in present for finding in FINDINGS]

"""The decomposition of a logit: what a finding's logit is made of, and which pin moved it how far.

    logit_i = b_i + w_i . g + lambda w_i . r_i(free) + lambda w_i . (r_i(pinned) - r_i(free))
            = bias + image part + label branch with nothing pinned + shift by the pins

g does not depend on the states, so the shift acts through the label branch alone, exactly. The
shift is split over the pins by Shapley values (`lmeran.explain.shapley`): players are the pins,
the value of a coalition is the logit with those pins alone.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from lmeran.explain.shapley import Method, shapley
from lmeran.findings import FINDINGS, Pins, State, finding_index, states_of
from lmeran.predictor import EncodedRadiograph, Predictor


@dataclass(frozen=True)
class DecompositionEntry:
    """One line of a finding's decomposition, in logits.

    kind: which part it is; finding, state: the pin, for kind "pin" alone. error: standard error of
    a sampled share, None where the value is exact.
    """

    kind: Literal["bias", "image", "label branch", "pin"]
    value: float
    finding: str | None = None
    state: State | None = None
    error: float | None = None


@dataclass(frozen=True, eq=False)
class LogitDecomposition:
    """The logits of all 14 findings of one film under one set of pins, by part, in logits, float64.

    states: int64 (14,). pins: the pinned findings, in the order of `FINDINGS`.
    bias, image, label_free: (14,), the parts without pins, of every finding.
    shift: (14,), what the pins add; NaN where pinned, for that was never trained.
    per_pin: (pins, 14), the share of each pin in the shift; NaN where pinned.
    per_pin_error: (pins, 14), its standard error where sampled; None where exact.
    """

    states: np.ndarray
    pins: tuple[str, ...]
    bias: np.ndarray
    image: np.ndarray
    label_free: np.ndarray
    shift: np.ndarray
    per_pin: np.ndarray
    per_pin_error: np.ndarray | None
    method: Method

    @property
    def free_logit(self) -> np.ndarray:
        """(14,), the logit with nothing pinned: bias + image + label_free."""
        return self.bias + self.image + self.label_free

    @property
    def logit(self) -> np.ndarray:
        """(14,), the logit with the pins, the network's own but for rounding; NaN where pinned."""
        return self.free_logit + self.shift

    def entries(self, finding: str) -> list[DecompositionEntry]:
        """The lines of one finding, summing to its logit; to its free logit where it is pinned."""
        i = finding_index(finding)
        entries = [
            DecompositionEntry("bias", float(self.bias[i])),
            DecompositionEntry("image", float(self.image[i])),
            DecompositionEntry("label branch", float(self.label_free[i])),
        ]
        if self.states[i] != State.UNKNOWN:
            return entries
        for k, pin in enumerate(self.pins):
            state = State(int(self.states[finding_index(pin)]))
            error = None if self.per_pin_error is None else float(self.per_pin_error[k, i])
            value = float(self.per_pin[k, i])
            entries.append(DecompositionEntry("pin", value, pin, state, error))
        return entries


def decompose_logits(
    predictor: Predictor, film: EncodedRadiograph, pins: Pins
) -> LogitDecomposition:
    """The parts of a film's logits: every coalition of pins is read once, for all findings.

    Up to 6 pins that is 2^k rows of the label branch; beyond, a fixed sample of them.
    """
    states = states_of(pins)
    players = np.flatnonzero(states != State.UNKNOWN)

    def value(coalitions: np.ndarray) -> np.ndarray:
        rows = np.zeros((len(coalitions), len(FINDINGS)), dtype=np.int64)
        rows[:, players] = np.where(coalitions, states[players], int(State.UNKNOWN))
        return predictor.label_logits(film.encoding, rows)

    shares = shapley(len(players), value)
    bias, image = predictor.fixed_logits(film.encoding)
    return LogitDecomposition(
        states=states,
        pins=tuple(FINDINGS[i] for i in players),
        bias=bias,
        image=image,
        label_free=shares.empty,
        shift=_blank(shares.total, players),
        per_pin=_blank(shares.values, players),
        per_pin_error=None if shares.errors is None else _blank(shares.errors, players),
        method=shares.method,
    )


def _blank(values: np.ndarray, pinned: np.ndarray) -> np.ndarray:
    """A copy with NaN in the columns of the pinned findings."""
    blanked = values.copy()
    blanked[..., pinned] = np.nan
    return blanked

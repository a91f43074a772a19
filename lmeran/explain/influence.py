"""What pinning one more finding would do to the others, and which one is worth knowing next."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from lmeran.findings import FINDINGS, Pins, State, states_of
from lmeran.model.lmeran import Encoding
from lmeran.predictor import Predictor

Criterion = Literal["expected change", "expected entropy reduction"]


@dataclass(frozen=True, eq=False)
class Influence:
    """How each finding j moves when finding i is pinned as well, on one film, given its pins.

    states: int64 (14,), the pins there are. probability, logit: float64 (14,), the reading under
        them; NaN where pinned.
    positive, negative: float64 (14, 14), row i, column j: change of probability p_j when i is
        additionally pinned positive or negative. positive_logit, negative_logit: of its logit.
        NaN on the diagonal and in rows and columns already pinned.
    """

    states: np.ndarray
    probability: np.ndarray
    logit: np.ndarray
    positive: np.ndarray
    negative: np.ndarray
    positive_logit: np.ndarray
    negative_logit: np.ndarray


@dataclass(frozen=True)
class NextFinding:
    """How much knowing one unknown finding is expected to tell about the other unknown ones.

    probability: of the finding now. value: p if_positive + (1 - p) if_negative, where if_positive
    and if_negative are the same measure once the finding is known to be so. Units: by the
    criterion, probability summed over findings ("expected change") or bits ("expected entropy
    reduction").
    """

    finding: str
    criterion: Criterion
    value: float
    probability: float
    if_positive: float
    if_negative: float


def influence(predictor: Predictor, encoding: Encoding, pins: Pins) -> Influence:
    """The matrices of one encoded film from one batched pass: the pins there are, and two rows for
    each unknown finding."""
    states = states_of(pins)
    unknown = np.flatnonzero(states == State.UNKNOWN)
    rows = np.repeat(states[None], 1 + 2 * len(unknown), axis=0)
    positive_rows = 1 + np.arange(len(unknown))
    negative_rows = positive_rows + len(unknown)
    rows[positive_rows, unknown] = int(State.POSITIVE)
    rows[negative_rows, unknown] = int(State.NEGATIVE)

    bias, image = predictor.fixed_logits(encoding)
    logits = bias + image + predictor.label_logits(encoding, rows)
    # a finding pinned in a row was never trained there: pinned ones in all rows, i in its own
    logits[rows != State.UNKNOWN] = np.nan
    probabilities = 1 / (1 + np.exp(-logits))

    def change(values: np.ndarray, chosen: np.ndarray) -> np.ndarray:
        matrix = np.full((len(FINDINGS), len(FINDINGS)), np.nan)
        matrix[unknown] = values[chosen] - values[0]
        return matrix

    return Influence(
        states=states,
        probability=probabilities[0],
        logit=logits[0],
        positive=change(probabilities, positive_rows),
        negative=change(probabilities, negative_rows),
        positive_logit=change(logits, positive_rows),
        negative_logit=change(logits, negative_rows),
    )


def next_findings(given: Influence, criterion: Criterion = "expected change") -> list[NextFinding]:
    """The unknown findings, most informative first; equal ones in the order of `FINDINGS`.

    With p_i the probability under the pins there are, and sums over the other unknown findings j:

    expected change:             p_i sum_j |change_j if i positive|
                                 + (1 - p_i) sum_j |change_j if i negative|
    expected entropy reduction:  the same average of sum_j H(p_j now) - H(p_j then), with
                                 H(p) = -p log2 p - (1 - p) log2 (1 - p)

    The second may be negative: the network's probabilities need not average to what they were.
    """
    p = given.probability

    def measure(change: np.ndarray) -> np.ndarray:
        """(14,); NaN, the diagonal and pinned findings, counts nothing."""
        if criterion == "expected change":
            return np.nansum(np.abs(change), axis=1)
        return np.nansum(_entropy(p) - _entropy(p + change), axis=1)

    if_positive, if_negative = measure(given.positive), measure(given.negative)
    value = p * if_positive + (1 - p) * if_negative
    unknown = np.flatnonzero(given.states == State.UNKNOWN)
    columns = (value, p, if_positive, if_negative)
    return [
        NextFinding(FINDINGS[i], criterion, *(float(column[i]) for column in columns))
        for i in sorted(unknown, key=lambda i: -value[i])
    ]


def _entropy(p: np.ndarray) -> np.ndarray:
    """Binary entropy in bits, elementwise; NaN stays NaN."""
    # now + change may leave 0 .. 1 by a rounding error, and 0 log 0 is 0
    p = np.clip(p, 1e-12, 1 - 1e-12)
    return -p * np.log2(p) - (1 - p) * np.log2(1 - p)

"""What counting labels makes of known findings: the control that a model of pins must beat."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from scipy.optimize import minimize_scalar

from lmeran.explain.label_prior import LabelPrior
from lmeran.findings import FINDINGS, State
from train.data.index import Index
from train.evaluation.predictions import Scenario, trials_of

HEAVIEST = 2.0
"""Weights of counting are sought from 0 to this; 1 is Bayes' rule."""


def label_only(
    prior: LabelPrior, names: Sequence[str], labels: np.ndarray, scenario: Scenario
) -> np.ndarray:
    """Probabilities (N, 14) from the known labels and the training films' label sets alone, each
    while that finding is unknown. labels: (N, 14)."""
    said: dict[bytes, np.ndarray] = {}
    found = np.zeros(labels.shape)
    for k, name in enumerate(names):
        for mask, states in trials_of(name, labels[k], scenario):
            key = states.tobytes()
            if key not in said:
                pins = {FINDINGS[i]: State(int(states[i])) for i in np.flatnonzero(states)}
                said[key] = prior.probabilities(pins)
            found[k, mask] = said[key][mask]
    return found


def fit_weight(prior: LabelPrior, index: Index, found: Mapping[int, np.ndarray]) -> float | None:
    """The weight of `LabelPrior.counted` under which the labels (N, 14) are most likely.

    found: by number of known findings probabilities (N, 14); of the model only those with nothing
    known are used. None where nothing is known in any.
    """
    known = [count for count in found if count]
    if not known:
        return None
    free = np.log(found[0]) - np.log1p(-found[0])
    shift = np.stack(
        [
            prior.shift(label_only(prior, index.names, index.labels, Scenario(count)))
            for count in known
        ]
    )
    sign = 1 - 2 * index.labels.astype(np.float64)

    def surprise(weight: float) -> float:
        return float(np.logaddexp(0, sign * (free + weight * shift)).mean())

    best = minimize_scalar(surprise, bounds=(0, HEAVIEST), method="bounded")
    return round(float(best.x), 3)

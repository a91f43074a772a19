"""Platt scaling and operating points: pure functions of scores and labels.

J. Platt, "Probabilistic outputs for support vector machines", 1999: a logistic regression of the
label on the score, here the logit, so that slope 1 and offset 0 leave a probability as it is.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.optimize import minimize
from scipy.special import expit, log_expit

from lmeran.calibration import SMALLEST, OperatingPoint

SENSITIVE = 0.9
LARGEST_SLOPE = 20.0
"""Slopes lie between this and its inverse: positive, so that the order of films is kept."""


@dataclass(frozen=True)
class Platt:
    """mapped = slope * (logit - middle) + middle + shift, where `middle` is the finding's mean
    logit: slope 1 and shift 0 change nothing, and neither says anything of the other."""

    slope: float = 1.0
    shift: float = 0.0

    def offset(self, middle: float) -> float:
        """b in mapped = slope * logit + b."""
        return (1 - self.slope) * middle + self.shift


UNCHANGED = Platt()


def logits_of(probabilities: np.ndarray) -> np.ndarray:
    """Log-odds, float64, of probabilities kept `SMALLEST` away from 0 and 1."""
    p = np.clip(np.asarray(probabilities, dtype=np.float64), SMALLEST, 1 - SMALLEST)
    return np.log(p) - np.log1p(-p)


def nll(logits: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Negative log-likelihood of each label, 0 or 1, in nats."""
    return -log_expit(np.where(labels > 0.5, logits, -logits))


def fit_platt(
    logits: np.ndarray,
    labels: np.ndarray,
    middle: np.ndarray | float,
    centre: Platt = UNCHANGED,
    spread: float = np.inf,
) -> Platt:
    """The map with the largest likelihood times a Gaussian prior on (log slope, shift).

    logits, labels: (N,). middle: of each logit, (N,), or of all. centre, spread: mean and standard
    deviation of the prior; an infinite spread is plain Platt scaling. Raises `ValueError` where
    that has no maximum, with labels of a single class.
    """
    positive = labels > 0.5
    if np.isinf(spread) and (positive.all() or not positive.any()):
        raise ValueError("Platt scaling needs both classes, or a prior")
    away = logits - middle
    prior = np.array([np.log(centre.slope), centre.shift])

    def loss(theta: np.ndarray) -> tuple[float, np.ndarray]:
        slope, pull = np.exp(theta[0]), (theta - prior) / spread**2
        mapped = slope * away + middle + theta[1]
        residual = expit(mapped) - positive
        gradient = np.array([slope * (residual * away).sum(), residual.sum()])
        value = nll(mapped, labels).sum() + 0.5 * pull @ (theta - prior)
        return value, gradient + pull

    widest = np.log(LARGEST_SLOPE)
    bounds = [(-widest, widest), (None, None)]
    found = minimize(loss, prior, jac=True, method="L-BFGS-B", bounds=bounds).x
    return Platt(float(np.exp(found[0])), float(found[1]))


def operating_points(
    probabilities: np.ndarray, labels: np.ndarray
) -> tuple[OperatingPoint, OperatingPoint]:
    """The Youden point and the point of 90 % sensitivity.

    Youden: the largest sensitivity + specificity - 1, the lower threshold among equals. The other:
    the highest threshold at which at least 90 % of the positives are found. Thresholds lie half-way
    between neighbouring probabilities, so that rounding does not turn a film over. Raises
    `ValueError` for a single class.
    """
    positive = labels > 0.5
    if positive.all() or not positive.any():
        raise ValueError("operating points need both classes")
    values = np.unique(probabilities)
    below = np.concatenate([[values[0] / 2], (values[:-1] + values[1:]) / 2])
    sensitivity = _share_reaching(probabilities[positive], below)
    specificity = 1 - _share_reaching(probabilities[~positive], below)
    youden = int(np.argmax(np.round(sensitivity + specificity, 12)))
    sensitive = int(np.flatnonzero(sensitivity >= SENSITIVE - 1e-12)[-1])
    return tuple(
        OperatingPoint(float(below[k]), float(sensitivity[k]), float(specificity[k]))
        for k in (youden, sensitive)
    )


def _share_reaching(values: np.ndarray, thresholds: np.ndarray) -> np.ndarray:
    """Share of the values that are at or above each threshold."""
    return 1 - np.searchsorted(np.sort(values), thresholds, side="left") / len(values)

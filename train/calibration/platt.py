"""Platt scaling and operating points: pure functions of scores and labels.

J. Platt, "Probabilistic outputs for support vector machines", 1999: a logistic regression of the
label on the score, here the logit, so that slope 1 and offset 0 leave a probability as it is.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.special import log_expit
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedGroupKFold

from lmeran.calibration import SMALLEST, OperatingPoint

SENSITIVE = 0.9
FOLDS = 5


@dataclass(frozen=True)
class PlattMap:
    """mapped logit = slope * logit + offset."""

    slope: float = 1.0
    offset: float = 0.0

    def __call__(self, logits: np.ndarray) -> np.ndarray:
        return self.slope * logits + self.offset


UNCHANGED = PlattMap()


@dataclass(frozen=True)
class PlattFit:
    """What Platt scaling does for one finding.

    applied: the map of all films where it gains, else `UNCHANGED`. fitted: that map in any case.
    gains: nats by which the log-likelihood of a left-out label rises, for each number of known
    findings; none where too few films have the finding to leave any out. error: standard error of
    their mean over the folds.
    """

    applied: PlattMap
    fitted: PlattMap
    gains: tuple[float, ...]
    error: float


def logits_of(probabilities: np.ndarray) -> np.ndarray:
    """Log-odds, float64, of probabilities kept `SMALLEST` away from 0 and 1."""
    p = np.clip(np.asarray(probabilities, dtype=np.float64), SMALLEST, 1 - SMALLEST)
    return np.log(p) - np.log1p(-p)


def nll(logits: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Negative log-likelihood of each label, 0 or 1, in nats."""
    return -log_expit(np.where(labels > 0.5, logits, -logits))


def fit_platt(logits: np.ndarray, labels: np.ndarray) -> PlattMap:
    """The map with the largest likelihood of labels (N,) given logits (N,); its slope may be
    negative. Raises `ValueError` for labels of a single class."""
    positive = labels > 0.5
    if positive.all() or not positive.any():
        raise ValueError("Platt scaling needs both classes")
    found = LogisticRegression(C=np.inf, tol=1e-8, max_iter=1000).fit(logits[:, None], positive)
    return PlattMap(float(found.coef_[0, 0]), float(found.intercept_[0]))


def choose_platt(logits: np.ndarray, labels: np.ndarray, patients: np.ndarray) -> PlattFit:
    """Platt scaling of one finding, applied only where it helps patients it was not fitted on.

    Maps are fitted with nothing known and scored with every number of known findings, on a fifth
    of the patients at a time. One is applied where it rises, so that the order of films is kept,
    the mean gain is beyond its standard error and no number of known findings loses.

    logits: (K, N), the first row with nothing known. labels: (N,), of both classes. patients: (N,).
    """
    positive = labels > 0.5
    parts = min(FOLDS, int(positive.sum()), int((~positive).sum()))
    folds = StratifiedGroupKFold(max(2, parts), shuffle=True, random_state=0)
    gains = []
    for inside, held in folds.split(logits[0], positive, patients):
        if len(np.unique(positive[inside])) == 2:
            mapped = fit_platt(logits[0, inside], labels[inside])(logits[:, held])
            gain = nll(logits[:, held], labels[held]) - nll(mapped, labels[held])
            gains.append(gain.mean(axis=1))
    fitted = fit_platt(logits[0], labels)
    if len(gains) < 2:
        return PlattFit(UNCHANGED, fitted, (), np.inf)
    by_known = np.mean(gains, axis=0)
    error = float(np.mean(gains, axis=1).std(ddof=1) / np.sqrt(len(gains)))
    helps = fitted.slope > 0 and by_known.mean() > error and bool((by_known >= 0).all())
    return PlattFit(fitted if helps else UNCHANGED, fitted, tuple(by_known.tolist()), error)


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

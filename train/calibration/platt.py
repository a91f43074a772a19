"""Platt scaling and operating points: pure functions of scores and labels.

J. Platt, "Probabilistic outputs for support vector machines", 1999: a logistic regression of the
label on the score, here the logit, so that slope 1 and offset 0 leave a probability as it is.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from scipy.special import log_expit
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedGroupKFold

from lmeran.calibration import SMALLEST, OperatingPoint
from train.calibration.left_out import LeftOut

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
class Gain:
    """What a map does to labels it was not fitted on.

    left_out: "patients" or "sources". by_known: nats by which the log-likelihood of a label rises,
    for each number of known findings. error: standard error of their mean over what was left out.
    """

    left_out: str
    by_known: tuple[float, ...]
    error: float

    @property
    def holds(self) -> bool:
        """Whether the mean is beyond its error and no number of known findings loses."""
        return float(np.mean(self.by_known)) > self.error and min(self.by_known) >= 0


@dataclass(frozen=True)
class PlattFit:
    """What Platt scaling does for one finding.

    applied: the map of all films where every gain holds, else `UNCHANGED`. fitted: that map in any
    case. gains: none where too few films have the finding to leave any out.
    """

    applied: PlattMap
    fitted: PlattMap
    gains: tuple[Gain, ...]


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


def choose_platt(
    logits: np.ndarray, labels: np.ndarray, patients: np.ndarray, left_out: LeftOut
) -> PlattFit:
    """Platt scaling of one finding, applied only where it helps films it was not fitted on.

    Maps are fitted with nothing known and scored with every number of known findings, on a fifth
    of the patients at a time and, where there are sources to leave out, on a source at a time: how
    often a finding occurs differs between sources, and a map learns that too. One is applied where
    it rises, so that the order of films is kept, and where each of these gains holds.

    logits: (K, N), the first row with nothing known. labels: (N,), of both classes. patients: (N,).
    left_out: of the same films.
    """
    positive = labels > 0.5
    parts = min(FOLDS, int(positive.sum()), int((~positive).sum()))
    folds = StratifiedGroupKFold(max(2, parts), shuffle=True, random_state=0)
    rounds = {"patients": folds.split(logits[0], positive, patients)}
    if left_out.what == "sources":
        rounds["sources"] = left_out.rounds
    found = [_gain(name, logits, labels, some) for name, some in rounds.items()]
    gains = tuple(gain for gain in found if gain is not None)
    fitted = fit_platt(logits[0], labels)
    helps = bool(gains) and all(gain.holds for gain in gains) and fitted.slope > 0
    return PlattFit(fitted if helps else UNCHANGED, fitted, gains)


def _gain(
    name: str,
    logits: np.ndarray,
    labels: np.ndarray,
    rounds: Iterable[tuple[np.ndarray, np.ndarray]],
) -> Gain | None:
    """rounds: rows fitted on and rows left out; None with fewer than two that can be fitted."""
    gains = []
    for inside, held in rounds:
        if len(np.unique(labels[inside] > 0.5)) == 2:
            mapped = fit_platt(logits[0, inside], labels[inside])(logits[:, held])
            gain = nll(logits[:, held], labels[held]) - nll(mapped, labels[held])
            gains.append(gain.mean(axis=1))
    if len(gains) < 2:
        return None
    error = float(np.mean(gains, axis=1).std(ddof=1) / np.sqrt(len(gains)))
    return Gain(name, tuple(np.mean(gains, axis=0).tolist()), error)


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

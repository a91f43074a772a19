"""How well probabilities agree with what is observed. Pure functions of (N,) arrays."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.optimize import brentq
from scipy.special import expit
from scipy.stats import binomtest

from train.calibration.platt import fit_platt, logits_of, nll
from train.evaluation.statistics import LEVEL, Estimate

BINS = 10


@dataclass(frozen=True)
class Bin:
    """One bin of probabilities: their mean, their number, and the share observed (Wilson)."""

    mean: float
    count: int
    observed: Estimate


@dataclass(frozen=True)
class Agreement:
    """nll in nats, brier: means over the labels. ece_mass: expected calibration error with bins of
    equal count. expected, observed: mean probability and share of positives. slope: of a logistic
    regression of the labels on the logits, 1 where probabilities are as far apart as they should
    be. shift: what would have to be added to all logits to meet the share observed (calibration in
    the large). Both None with a single class."""

    labels: int
    nll: float
    brier: float
    ece_mass: float
    expected: float
    observed: float
    slope: float | None
    shift: float | None


def agreement(labels: np.ndarray, probabilities: np.ndarray) -> Agreement | None:
    """All measures for labels (N,) of 0 and 1 and probabilities (N,); None where there are none."""
    if not len(labels):
        return None
    return Agreement(
        labels=len(labels),
        nll=float(log_loss(labels, probabilities).mean()),
        brier=float(squared_error(labels, probabilities).mean()),
        ece_mass=calibration_error(labels, probabilities, equal_mass(probabilities)),
        expected=float(probabilities.mean()),
        observed=float((labels > 0.5).mean()),
        **_recalibration(labels, logits_of(probabilities)),
    )


def _recalibration(labels: np.ndarray, logits: np.ndarray) -> dict[str, float | None]:
    """`slope` and `shift` of `Agreement`."""
    share = (labels > 0.5).mean()
    if share in (0, 1):
        return {"slope": None, "shift": None}
    # between a shift that makes all logits negative enough and one that makes them positive enough
    far = np.abs(logits).max() + abs(logits_of(share)) + 1
    shift = brentq(lambda added: expit(logits + added).mean() - share, -far, far)
    return {"slope": fit_platt(logits, labels).slope, "shift": float(shift)}


def log_loss(labels: np.ndarray, probabilities: np.ndarray) -> np.ndarray:
    """Negative log-likelihood of each label in nats."""
    return nll(logits_of(probabilities), labels)


def squared_error(labels: np.ndarray, probabilities: np.ndarray) -> np.ndarray:
    """Of each label; their mean is the Brier score."""
    return (probabilities - (labels > 0.5)) ** 2


def equal_mass(probabilities: np.ndarray, bins: int = BINS) -> np.ndarray:
    """Bin 0 .. bins - 1 of each probability, as many in each as can be; equal ones stay together
    in the bin of the first."""
    order = np.argsort(probabilities, kind="stable")
    place = np.empty(len(order), dtype=np.int64)
    place[order] = np.arange(len(order))
    _, first, which = np.unique(probabilities[order], return_index=True, return_inverse=True)
    place[order] = first[which]
    return place * bins // len(probabilities)


def calibration_error(labels: np.ndarray, probabilities: np.ndarray, bins: np.ndarray) -> float:
    """ECE: |mean probability - share of positives| of each bin, weighted by its count."""
    gap = np.bincount(bins, probabilities - (labels > 0.5))
    return float(np.abs(gap).sum() / len(labels))


def reliability(labels: np.ndarray, probabilities: np.ndarray, bins: int = BINS) -> tuple[Bin, ...]:
    """The points of a reliability diagram, bins of equal count, from the lowest."""
    which = equal_mass(probabilities, bins)
    found = []
    for b in np.unique(which):
        inside = which == b
        positives, count = int((labels[inside] > 0.5).sum()), int(inside.sum())
        found.append(Bin(float(probabilities[inside].mean()), count, wilson(positives, count)))
    return tuple(found)


def wilson(hits: int, count: int) -> Estimate | None:
    """A share with Wilson's interval; None without cases. Assumes that cases are independent."""
    if not count:
        return None
    low, high = binomtest(hits, count).proportion_ci(LEVEL, method="wilson")
    return Estimate(hits / count, float(low), float(high))


def reached(
    labels: np.ndarray, probabilities: np.ndarray, threshold: float
) -> tuple[Estimate | None, Estimate | None]:
    """Sensitivity and specificity of "at or above the threshold" with Wilson's intervals."""
    above, positive = probabilities >= threshold, labels > 0.5
    return (
        wilson(int((above & positive).sum()), int(positive.sum())),
        wilson(int((~above & ~positive).sum()), int((~positive).sum())),
    )

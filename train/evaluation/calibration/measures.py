"""How well probabilities agree with what is observed. Pure functions of (N,) arrays."""

from __future__ import annotations

import numpy as np
from scipy.stats import binomtest

from train.calibration.platt import fit_platt, logits_of, nll
from train.evaluation.bootstrap import LEVEL, Estimate

BINS = 10


def agreement(labels: np.ndarray, probabilities: np.ndarray) -> dict[str, float | int | None]:
    """Measures for labels (N,) of 0 and 1 and probabilities (N,).

    nll in nats, brier: means over the labels. ece_mass: expected calibration error with bins of
    equal count. expected, observed: mean probability and share of positives. slope: of a logistic
    regression of the labels on the logits, 1 where probabilities are as far apart as they should
    be; None with a single class.
    """
    positive, logits = labels > 0.5, logits_of(probabilities)
    both = positive.any() and not positive.all()
    return {
        "labels": len(labels),
        "nll": float(nll(logits, labels).mean()),
        "brier": float(((probabilities - positive) ** 2).mean()),
        "ece_mass": calibration_error(labels, probabilities),
        "expected": float(probabilities.mean()),
        "observed": float(positive.mean()),
        "slope": fit_platt(logits, labels).slope if both else None,
    }


def calibration_error(labels: np.ndarray, probabilities: np.ndarray) -> float:
    """Expected calibration error: |mean probability - share of positives| of ten bins of equal
    count, weighted by it."""
    order = np.argsort(probabilities, kind="stable")
    gap = probabilities - (labels > 0.5)
    return sum(abs(float(gap[b].sum())) for b in np.array_split(order, BINS)) / len(labels)


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

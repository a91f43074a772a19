"""AUC and the known-label masks of the conditioning measurement."""

from __future__ import annotations

import hashlib
import math

import numpy as np
from sklearn.metrics import average_precision_score, roc_auc_score


def auc(labels: np.ndarray, scores: np.ndarray) -> float | None:
    """Area under the ROC curve, ties counting one half; None with a single class."""
    positive = labels > 0.5
    if positive.all() or not positive.any():
        return None
    return float(roc_auc_score(positive, scores))


def average_precision(labels: np.ndarray, scores: np.ndarray) -> float | None:
    """Area under the precision-recall curve by steps; None with a single class."""
    positive = labels > 0.5
    if positive.all() or not positive.any():
        return None
    return float(average_precision_score(positive, scores))


def auc_per_finding(labels: np.ndarray, scores: np.ndarray) -> list[float | None]:
    """`auc` of each column of (N, n)."""
    return [auc(labels[:, i], scores[:, i]) for i in range(labels.shape[1])]


def auc_within(labels: np.ndarray, scores: np.ndarray, groups: np.ndarray) -> float | None:
    """Share of the pairs of a positive and a negative *of one group* that are ranked right.

    What is left of the AUC when knowing an image's source is of no use. None without such pairs.
    """
    right, pairs = 0.0, 0
    for group in np.unique(groups):
        rows = groups == group
        value = auc(labels[rows], scores[rows])
        if value is not None:
            positive = int((labels[rows] > 0.5).sum())
            count = positive * (int(rows.sum()) - positive)
            right, pairs = right + value * count, pairs + count
    return right / pairs if pairs else None


def mean_auc(values: list[float | None]) -> float | None:
    """Mean over the findings that have both classes; None where none has."""
    present = [v for v in values if v is not None]
    return float(np.mean(present)) if present else None


def known_masks(name: str, findings: int, known: int) -> list[np.ndarray]:
    """Masks (True = unknown) under which `known` of `findings` are known, for one image.

    The findings are shuffled by a hash of the image's name and cut into blocks of
    `findings - known` unknown ones (the last block wraps around), so that every finding of every
    image is unknown in at least one mask: AUC with and without knowledge is over the same cases.
    """
    unknown = findings - known
    if not 0 < unknown <= findings:
        raise ValueError(f"known must be between 0 and {findings - 1}: {known}")
    order = np.random.default_rng(seed_of(name)).permutation(findings)
    masks = []
    for block in range(math.ceil(findings / unknown)):
        mask = np.zeros(findings, dtype=bool)
        mask[np.take(order, np.arange(block * unknown, (block + 1) * unknown), mode="wrap")] = True
        masks.append(mask)
    return masks


def seed_of(text: str) -> int:
    """A seed that depends on a name alone, so that all measurements of an image agree."""
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big")

"""How findings go together in the data, beside what the model lets them do to each other."""

from __future__ import annotations

import numpy as np
import pandas as pd
from scipy.stats import spearmanr

from lmeran.explain.label_prior import LabelPrior
from lmeran.findings import FINDINGS
from train.data.index import label_sets
from train.evaluation.figures import matrix_figure
from train.evaluation.section import Section, tidy
from train.evaluation.study import Study

LEAST_EXPECTED = 1.0
"""Films that must be expected to have both findings by chance; below, a lift says nothing."""


def cooccurrence_section(study: Study) -> Section | None:
    """Lift and mean influence pair by pair, and how well their ranks agree; None without single
    pins."""
    single = study.predictions.single
    if single is None:
        return None
    training = LabelPrior.of(study.predictions.checkpoint)
    lift = lift_of(LabelPrior.from_sets(label_sets(study.labels)))
    matrices = {
        "lift": lift,
        "influence_positive": single.positive_logit.mean(axis=0),
        "influence_negative": single.negative_logit.mean(axis=0),
        "influence_positive_points": 100 * single.positive.mean(axis=0),
    }
    if training is not None:
        matrices["training_lift"] = lift_of(training)
    influence = matrices["influence_positive"]
    facts = {
        "images": len(single.rows),
        "rank_correlation_with_lift": rank_correlation(lift, influence),
        "rank_correlation_with_training_lift": None
        if training is None
        else rank_correlation(matrices["training_lift"], influence),
    }
    shown = {
        "Lift in these images": (log_lift(lift), "log2 of the lift"),
        "Influence of a positive pin": (influence, "logits"),
    }
    frames = {"cooccurrence": pair_frame(matrices)}
    return Section("cooccurrence", facts, frames, {"cooccurrence": matrix_figure(shown)})


def pair_frame(matrices: dict[str, np.ndarray]) -> pd.DataFrame:
    """Matrices (14, 14), rows pinned and columns read, as one row a pair and a column each."""
    pairs = [(i, j) for i in range(len(FINDINGS)) for j in range(len(FINDINGS)) if i != j]
    return tidy(
        {"pinned": FINDINGS[i], "read": FINDINGS[j]}
        | {name: float(matrix[i, j]) for name, matrix in matrices.items()}
        for i, j in pairs
    )


def rank_correlation(a: np.ndarray, b: np.ndarray) -> float | None:
    """Spearman's over the cells that both have; None with fewer than three or without spread."""
    both = np.isfinite(a) & np.isfinite(b)
    if both.sum() < 3 or any(np.ptp(m[both]) == 0 for m in (a, b)):
        return None
    return float(spearmanr(a[both], b[both]).statistic)


def lift_of(prior: LabelPrior) -> np.ndarray:
    """P(i and j) / (P(i) P(j)), (14, 14); NaN where too few films are expected to have both."""
    expected = np.outer(prior.marginal, prior.marginal) * prior.films
    return np.where(expected >= LEAST_EXPECTED, prior.lift(), np.nan)


def log_lift(lift: np.ndarray) -> np.ndarray:
    """log2; pairs never seen together stand at half the smallest lift seen."""
    seen = lift[np.isfinite(lift) & (lift > 0)]
    floor = seen.min() / 2 if len(seen) else 1.0
    return np.log2(np.where(lift > 0, lift, np.where(np.isfinite(lift), floor, np.nan)))

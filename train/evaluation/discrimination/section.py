"""AUC, average precision and curves, beside the paper and beside another checkpoint."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from lmeran.findings import FINDINGS, display_name
from train.evaluation.bootstrap import Estimate, Resamples, interval, mean_interval, resampled
from train.evaluation.discrimination.published import read_paper
from train.evaluation.figures import interval_figure, roc_figure
from train.evaluation.metrics import auc_per_finding, auc_within, average_precision, mean_auc
from train.evaluation.section import MEAN, Section, row, select, tidy
from train.evaluation.study import Study


def discrimination_section(study: Study) -> Section:
    """AUC, average precision, curves and the published table, with nothing pinned."""
    labels, scores = study.labels, study.predictions.free
    frame = discrimination(labels, scores, study.index.groups, study.resamples)
    auc = select(frame, measure="AUC")
    paper = read_paper()
    published = {**paper.auc, MEAN: paper.mean}
    frame = pd.concat(
        [frame, tidy(row(v, finding=f, measure="AUC, the paper's") for f, v in published.items())]
    )
    rows = named_estimates(auc)
    shown = {display_name(f): v for f, v in paper.auc.items()} | {"Mean": paper.mean}
    others = (f"{paper.own}, published", [shown[name] for name, _ in rows])
    return Section(
        key="discrimination",
        frames={"discrimination": frame},
        figures={
            "auc": interval_figure(rows, "AUC", 0.5, others),
            "roc": roc_figure(labels, scores, auc_per_finding(labels, scores)),
        },
    )


def discrimination(
    labels: np.ndarray, scores: np.ndarray, groups: np.ndarray, resamples: Resamples
) -> pd.DataFrame:
    """All figures of labels and scores (N, 14), finding by finding, then their means.

    groups (N,): as in `train.data.index.Index`. A finding with a single class has no value.
    """
    drawn = resampled(labels, scores, resamples)
    auc = auc_per_finding(labels, scores)
    columns = range(labels.shape[1])
    precision = [average_precision(labels[:, i], scores[:, i]) for i in columns]
    within = [auc_within(labels[:, i], scores[:, i], groups) for i in columns]
    rows = []
    for i, finding in enumerate(FINDINGS):
        measured = {
            "positive": int(labels[:, i].sum()),
            "prevalence": float(labels[:, i].mean()),
            "AUC": interval(auc[i], drawn.auc[:, i]),
            "AUC within sources": within[i],
            "average precision": interval(precision[i], drawn.average_precision[:, i]),
        }
        rows += [row(v, finding=finding, measure=m) for m, v in measured.items()]
    means = {
        "AUC": mean_interval(mean_auc(auc), drawn.auc),
        "AUC within sources": mean_auc(within),
        "average precision": mean_interval(mean_auc(precision), drawn.average_precision),
    }
    rows += [row(v, finding=MEAN, measure=m) for m, v in means.items()]
    return tidy(rows)


def comparison_section(study: Study) -> Section | None:
    """The measured checkpoint against `study.compared`; None where there is none."""
    if study.compared is None:
        return None
    first, second = study.predictions.free, study.compared.free
    frame = comparison(study.labels, first, second, study.resamples)
    rows = named_estimates(select(frame, measure="difference"))
    return Section(
        key="comparison",
        facts={"other": study.compared.checkpoint.identity},
        frames={"comparison": frame},
        figures={"comparison": interval_figure(rows, "difference of AUC", 0)},
    )


def comparison(
    labels: np.ndarray, first: np.ndarray, second: np.ndarray, resamples: Resamples
) -> pd.DataFrame:
    """AUC of two checkpoints on the same images, first less second, paired over the resamples.

    labels, and probabilities of both, (N, 14).
    """
    this, other = auc_per_finding(labels, first), auc_per_finding(labels, second)
    drawn = resampled(labels, first, resamples).auc - resampled(labels, second, resamples).auc
    differences = [None if a is None else a - b for a, b in zip(this, other, strict=True)]
    rows = []
    for i, finding in enumerate(FINDINGS):
        rows += [
            row(this[i], finding=finding, measure="this"),
            row(other[i], finding=finding, measure="other"),
            row(interval(differences[i], drawn[:, i]), finding=finding, measure="difference"),
        ]
    mean = mean_interval(mean_auc(differences), drawn)
    return tidy(
        [
            *rows,
            row(mean_auc(this), finding=MEAN, measure="this"),
            row(mean_auc(other), finding=MEAN, measure="other"),
            row(mean, finding=MEAN, measure="difference"),
        ]
    )


def named_estimates(frame: pd.DataFrame) -> Sequence[tuple[str, Estimate]]:
    """Findings of one measure, lowest first, the mean before them; without those not measured."""
    measured = [r for r in frame.to_dict("records") if r["value"] is not None]
    measured.sort(key=lambda r: (r["finding"] != MEAN, r["value"]))
    return [
        (
            "Mean" if r["finding"] == MEAN else display_name(r["finding"]),
            Estimate(r["value"], r["low"], r["high"]),
        )
        for r in measured
    ]

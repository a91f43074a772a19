"""AUC, average precision and curves, beside the paper and beside another checkpoint."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from lmeran.findings import FINDINGS, display_name
from train.evaluation.bootstrap import Resamples, interval, mean_interval, resampled
from train.evaluation.discrimination.published import paper_frame, read_paper
from train.evaluation.figures import curve_figure, interval_figure
from train.evaluation.metrics import auc_per_finding, auc_within, mean_auc
from train.evaluation.section import MEAN, Section, row, select, tidy
from train.evaluation.statistics import (
    Estimate,
    average_precision,
    delong_paired,
    holm,
)
from train.evaluation.study import Study


def discrimination_section(study: Study) -> Section:
    """AUC, average precision, curves and the published table, with nothing pinned."""
    labels, scores = study.labels, study.predictions.free
    frame = discrimination(labels, scores, study.index.groups, study.resamples)
    auc = select(frame, measure="AUC")
    precision = select(frame, measure="average precision", group="finding")
    paper = read_paper()
    rows = named_estimates(auc)
    published = {display_name(f): paper.of(f) for f in FINDINGS} | {"Mean": paper.own_mean}
    others = (f"{paper.own}, published", [published[name] for name, _ in rows])
    return Section(
        key="discrimination",
        frames={
            "discrimination": frame.drop(columns="group"),
            "beside_the_paper": paper_frame(auc, paper),
        },
        figures={
            "auc": interval_figure(rows, "AUC", 0.5, others),
            "roc": curve_figure(
                "roc", labels, scores, select(auc, group="finding")["value"].tolist()
            ),
            "precision_recall": curve_figure(
                "precision_recall", labels, scores, precision["value"].tolist()
            ),
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
        rows += [row(v, group="finding", finding=finding, measure=m) for m, v in measured.items()]
    means = {
        "AUC": mean_interval(mean_auc(auc), drawn.auc),
        "AUC within sources": mean_auc(within),
        "average precision": mean_interval(mean_auc(precision), drawn.average_precision),
    }
    rows += [row(v, group=MEAN, finding=MEAN, measure=m) for m, v in means.items()]
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
    """AUC of two checkpoints on the same images, first less second, paired.

    labels, and probabilities of both, (N, 14). The difference has a patient-bootstrap interval
    and DeLong's paired test, whose p is adjusted by Holm over the findings.
    """
    values = auc_per_finding(labels, first), auc_per_finding(labels, second)
    drawn = resampled(labels, first, resamples).auc - resampled(labels, second, resamples).auc
    differences = [None if a is None else a - b for a, b in zip(*values, strict=True)]
    columns = range(labels.shape[1])
    tests = [delong_paired(labels[:, i], first[:, i], second[:, i]) for i in columns]
    adjusted = holm([test and test.p for test in tests])
    rows = []
    for i, finding in enumerate(FINDINGS):
        test = tests[i]
        measured = {
            "this": values[0][i],
            "other": values[1][i],
            "difference": interval(differences[i], drawn[:, i]),
            "difference, DeLong": test and Estimate(test.difference, test.low, test.high),
            "p": test and test.p,
            "p by Holm": adjusted[i],
        }
        rows += [row(value, finding=finding, measure=name) for name, value in measured.items()]
    means = {
        "this": mean_auc(values[0]),
        "other": mean_auc(values[1]),
        "difference": mean_interval(mean_auc(differences), drawn),
    }
    rows += [row(value, finding=MEAN, measure=name) for name, value in means.items()]
    return tidy(rows)


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

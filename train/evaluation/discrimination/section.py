"""How well findings are told apart from none: AUC, average precision, curves, beside the paper."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from lmeran.findings import FINDINGS, display_name
from train.evaluation.bootstrap import Resamples, interval, mean_interval, resampled
from train.evaluation.discrimination.curves import (
    curve_figure,
    mean_precision_recall,
    mean_roc,
    precision_recall_curve,
    roc_curve,
)
from train.evaluation.discrimination.published import Paper, paper_table, read_paper
from train.evaluation.metrics import auc_per_finding, auc_within, mean_auc
from train.evaluation.section import Plot, Section, Table
from train.evaluation.statistics import Estimate, average_precision, delong
from train.evaluation.study import Study
from train.evaluation.style import BLUE, GRAY, ORANGE, interval_rows, new_figure, styled
from train.evaluation.wording import as_json, bounds, columns, finding_names, said


@dataclass(frozen=True, eq=False)
class Discrimination:
    """Measured on labels and scores (N, 14); a finding with a single class has None.

    auc, precision: by patient bootstrap; delong: AUC with DeLong's interval; within: AUC within
    sources. The means are over the findings with both classes.
    """

    positives: np.ndarray
    auc: list[Estimate | None]
    delong: list[Estimate | None]
    precision: list[Estimate | None]
    within: list[float | None]
    mean_auc: Estimate | None
    mean_precision: Estimate | None

    @property
    def mean_within(self) -> float | None:
        return mean_auc(self.within)


def measure(
    labels: np.ndarray, scores: np.ndarray, groups: np.ndarray, resamples: Resamples
) -> Discrimination:
    """All figures of labels and scores (N, 14); groups (N,) as in `train.data.index.Index`."""
    drawn = resampled(labels, scores, resamples)
    values = auc_per_finding(labels, scores)
    n = range(labels.shape[1])
    precision = [average_precision(labels[:, i], scores[:, i]) for i in n]
    return Discrimination(
        positives=labels.sum(axis=0).astype(int),
        auc=[interval(values[i], drawn.auc[:, i]) for i in n],
        delong=[delong(labels[:, i], scores[:, i]) for i in n],
        precision=[interval(precision[i], drawn.average_precision[:, i]) for i in n],
        within=[auc_within(labels[:, i], scores[:, i], groups) for i in n],
        mean_auc=mean_interval(mean_auc(values), drawn.auc),
        mean_precision=mean_interval(mean_auc(precision), drawn.average_precision),
    )


def discrimination_section(study: Study) -> Section:
    """ROC, precision-recall and the tables of the checkpoint with nothing pinned."""
    labels, scores = study.labels, study.predictions.free
    found = measure(labels, scores, study.index.groups, study.resamples)
    paper = read_paper()
    return Section(
        key="discrimination",
        title="Discrimination",
        text=_sentences(study, found),
        tables=(_table(study, found), paper_table(study, found.auc, found.mean_auc, paper)),
        plots=(
            Plot(
                "auc",
                "AUC of each finding",
                _forest(found, paper),
                "Points with 95 % patient-bootstrap intervals; open diamonds: the paper's LMeRAN, "
                "measured as the note of the table beside the published figures says.",
            ),
            *_curve_plots(labels, scores, found),
        ),
        metrics=_metrics(study, found),
    )


def _sentences(study: Study, found: Discrimination) -> tuple[str, ...]:
    if found.mean_auc is None:
        return ("No finding has both classes in these images, so there is no AUC.",)
    patients = len(study.resamples.counts)
    present = [i for i, e in enumerate(found.auc) if e is not None]
    ranked = sorted(present, key=lambda i: -found.auc[i].value)
    absent = [i for i, e in enumerate(found.auc) if e is None]
    chance = [i for i in present if _holds_half(found.auc[i])]
    few = [i for i in present if found.auc[i].low is None]
    lines = [
        f"With nothing pinned, the mean AUC over {len(present)} findings is "
        f"{said(found.mean_auc)}, on {len(study.index):,} images of {patients:,} patients.",
        f"Best told apart is {finding_names(ranked[:1])} ({found.auc[ranked[0]].value:.3f}), "
        f"least {finding_names(ranked[-1:])} ({found.auc[ranked[-1]].value:.3f}).",
    ]
    if found.mean_within is not None:
        lines.append(
            f"Within single image sources, where knowing the source is of no use, the mean AUC is "
            f"{found.mean_within:.3f}."
        )
    if chance:
        lines.append(f"Not shown to be better than chance: {finding_names(chance)}.")
    if few:
        lines.append(f"Too few patients for an interval: {finding_names(few)}.")
    if absent:
        lines.append(f"A single class in these images, so no AUC: {finding_names(absent)}.")
    return tuple(lines)


def _holds_half(estimate: Estimate) -> bool:
    return estimate.low is not None and estimate.low <= 0.5


def _table(study: Study, found: Discrimination) -> Table:
    names = [display_name(finding) for finding in FINDINGS]
    images = len(study.index)
    frame = pd.DataFrame(
        {
            "Finding": [*names, "Mean"],
            "Positive": [*found.positives.tolist(), None],
            "Prevalence %": [*(100 * found.positives / images).tolist(), None],
            **columns("AUC", [*found.auc, found.mean_auc]),
            **bounds("DeLong", [*found.delong, None]),
            "AUC within sources": [*found.within, found.mean_within],
            **columns("Average precision", [*found.precision, found.mean_precision]),
        }
    ).convert_dtypes()
    return Table(
        "discrimination",
        "AUC and average precision",
        frame,
        f"{images:,} images. Intervals of AUC and average precision: 95 %, percentiles of "
        f"{len(study.resamples):,} resamples of the patients. DeLong: 95 %, symmetric on the logit "
        "scale, which takes images to be independent and so is too narrow where patients have "
        "several. Average precision of a ranking that knows nothing is the prevalence.",
    )


def _forest(found: Discrimination, paper: Paper) -> Figure:
    rows = [
        (display_name(finding), estimate, paper.of(finding))
        for finding, estimate in zip(FINDINGS, found.auc, strict=True)
        if estimate is not None
    ]
    rows.sort(key=lambda row: row[1].value)
    if found.mean_auc is not None:
        rows.insert(0, ("Mean", found.mean_auc, paper.own_mean))
    names, estimates, published = zip(*rows, strict=True) if rows else ((), (), ())
    with styled():
        figure = new_figure(0.9 + 0.24 * max(1, len(rows)))
        axes = figure.subplots()
        places = list(range(len(rows)))
        interval_rows(axes, places, estimates, BLUE, "this checkpoint")
        axes.plot(
            published,
            places,
            "D",
            color=ORANGE,
            markerfacecolor="white",
            markersize=4,
            label=f"{paper.own}, published",
        )
        axes.axvline(0.5, color=GRAY, linewidth=0.7, linestyle=(0, (3, 3)))
        axes.set_yticks(places, names)
        axes.set(xlabel="AUC", ylim=(-0.7, len(rows) - 0.3))
        axes.legend(loc="lower right")
    return figure


def _curve_plots(
    labels: np.ndarray, scores: np.ndarray, found: Discrimination
) -> tuple[Plot, Plot]:
    n = range(labels.shape[1])
    roc = [roc_curve(labels[:, i], scores[:, i]) for i in n]
    recall = [precision_recall_curve(labels[:, i], scores[:, i]) for i in n]
    by_auc = [e and e.value for e in found.auc]
    by_precision = [e and e.value for e in found.precision]
    return (
        Plot(
            "roc",
            "ROC curves",
            curve_figure(
                roc,
                mean_roc(roc),
                by_auc,
                found.mean_auc and found.mean_auc.value,
                ("false positive rate", "true positive rate"),
            ),
            "The paper's figure 6. Figures are AUC; the other findings lie behind in gray. The "
            "mean averages the true positive rates at equal false positive rates.",
        ),
        Plot(
            "precision_recall",
            "Precision-recall curves",
            curve_figure(
                recall,
                mean_precision_recall(recall),
                by_precision,
                found.mean_precision and found.mean_precision.value,
                ("recall", "precision"),
                labels.mean(axis=0).tolist(),
            ),
            "Figures are average precision; dashed: the prevalence, which a ranking that knows "
            "nothing has.",
        ),
    )


def _metrics(study: Study, found: Discrimination) -> dict[str, Any]:
    images = len(study.index)
    return {
        "mean_auc": as_json(found.mean_auc),
        "mean_average_precision": as_json(found.mean_precision),
        "mean_auc_within_sources": found.mean_within,
        "findings": {
            finding: {
                "positives": int(found.positives[i]),
                "prevalence": float(found.positives[i] / images),
                "auc": as_json(found.auc[i]),
                "auc_delong": as_json(found.delong[i]),
                "auc_within_sources": found.within[i],
                "average_precision": as_json(found.precision[i]),
            }
            for i, finding in enumerate(FINDINGS)
        },
    }

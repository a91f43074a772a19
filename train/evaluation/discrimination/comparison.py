"""Two checkpoints on the same images: DeLong's paired test per finding with Holm, mean AUC by
patient bootstrap."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from lmeran.findings import FINDINGS, display_name
from train.evaluation.bootstrap import Resamples, interval, mean_interval, resampled
from train.evaluation.metrics import auc_per_finding, mean_auc
from train.evaluation.section import Plot, Section, Table
from train.evaluation.statistics import Estimate, PairedTest, delong_paired, holm
from train.evaluation.study import Study
from train.evaluation.style import BLUE, GRAY, interval_rows, new_figure, styled
from train.evaluation.wording import as_json, bounds, columns, finding_names, said

ALPHA = 0.05


@dataclass(frozen=True, eq=False)
class Comparison:
    """First less second, (14,) entries, None where a finding has a single class.

    first, second: AUC. tests: DeLong's paired test, adjusted: its p by Holm; drawn: the difference
    with its patient-bootstrap interval. mean, mean_first, mean_second: of the mean AUC.
    """

    first: list[float | None]
    second: list[float | None]
    tests: list[PairedTest | None]
    adjusted: list[float | None]
    drawn: list[Estimate | None]
    mean_first: float | None
    mean_second: float | None
    mean: Estimate | None


def compare(
    labels: np.ndarray, first: np.ndarray, second: np.ndarray, resamples: Resamples
) -> Comparison:
    """labels, and probabilities of both, (N, 14); both are measured in the same resamples."""
    n = range(labels.shape[1])
    values = auc_per_finding(labels, first), auc_per_finding(labels, second)
    drawn = resampled(labels, first, resamples).auc - resampled(labels, second, resamples).auc
    differences = [None if a is None else a - b for a, b in zip(*values, strict=True)]
    tests = [delong_paired(labels[:, i], first[:, i], second[:, i]) for i in n]
    return Comparison(
        first=values[0],
        second=values[1],
        tests=tests,
        adjusted=holm([test and test.p for test in tests]),
        drawn=[interval(d, drawn[:, i]) for i, d in enumerate(differences)],
        mean_first=mean_auc(values[0]),
        mean_second=mean_auc(values[1]),
        mean=mean_interval(mean_auc(differences), drawn),
    )


def comparison_section(study: Study) -> Section | None:
    """The measured checkpoint against `study.compared`; None where there is none."""
    if study.compared is None:
        return None
    found = compare(study.labels, study.predictions.free, study.compared.free, study.resamples)
    other = study.compared.checkpoint.identity
    return Section(
        key="comparison",
        title=f"Against checkpoint {other}",
        text=_sentences(found, other),
        tables=(_table(found, other),),
        plots=(
            Plot(
                "comparison",
                "Difference of AUC",
                _figure(found),
                f"This checkpoint less {other}, nothing pinned; right of zero this one is better. "
                "Bars: 95 % patient bootstrap.",
            ),
        ),
        metrics={
            "other": other,
            "mean_auc": found.mean_first,
            "mean_auc_other": found.mean_second,
            "mean_difference": as_json(found.mean),
            "findings": {
                finding: {
                    "difference": as_json(found.drawn[i]),
                    "delong_p": found.tests[i] and found.tests[i].p,
                    "holm_p": found.adjusted[i],
                }
                for i, finding in enumerate(FINDINGS)
            },
        },
    )


def _sentences(found: Comparison, other: str) -> tuple[str, ...]:
    if found.mean is None:
        return ("No finding has both classes in these images, so there is nothing to compare.",)
    lines = [
        f"Mean AUC is {found.mean_first:.3f} against {found.mean_second:.3f} of {other}: a "
        f"difference of {said(found.mean, sign=True)}."
    ]
    sure = [i for i, p in enumerate(found.adjusted) if p is not None and p < ALPHA]
    better = [i for i in sure if found.tests[i].difference > 0]
    worse = [i for i in sure if found.tests[i].difference < 0]
    if better:
        lines.append(f"Better by DeLong's test, with Holm's correction: {finding_names(better)}.")
    if worse:
        lines.append(f"Worse by DeLong's test, with Holm's correction: {finding_names(worse)}.")
    if not sure:
        lines.append("No single finding differs by DeLong's test with Holm's correction.")
    return tuple(lines)


def _table(found: Comparison, other: str) -> Table:
    tests = found.tests
    frame = pd.DataFrame(
        {
            "Finding": [*(display_name(f) for f in FINDINGS), "Mean"],
            "This": [*found.first, found.mean_first],
            "Other": [*found.second, found.mean_second],
            **columns("Difference", [*found.drawn, found.mean]),
            **bounds("DeLong", [*tests, None]),
            "z": [*(t and t.z for t in tests), None],
            "p": [*(t and t.p for t in tests), None],
            "p by Holm": [*found.adjusted, None],
        }
    )
    return Table(
        "comparison",
        "Paired comparison of AUC",
        frame,
        f"Other: checkpoint {other}. Difference: this less other, 95 % patient bootstrap; DeLong: "
        "95 % interval and test of the same difference, images taken as independent; p by Holm: "
        "adjusted for the findings tested.",
    )


def _figure(found: Comparison) -> Figure:
    rows = [
        (display_name(finding), estimate)
        for finding, estimate in zip(FINDINGS, found.drawn, strict=True)
        if estimate is not None
    ]
    rows.sort(key=lambda row: row[1].value)
    if found.mean is not None:
        rows.insert(0, ("Mean", found.mean))
    with styled():
        figure = new_figure(0.8 + 0.24 * max(1, len(rows)))
        axes = figure.subplots()
        places = list(range(len(rows)))
        interval_rows(axes, places, [estimate for _, estimate in rows], BLUE)
        axes.axvline(0, color=GRAY, linewidth=0.7, linestyle=(0, (3, 3)))
        axes.set_yticks(places, [name for name, _ in rows])
        axes.set_xlabel("difference of AUC")
    return figure

"""AUC by view, sex, age and image source, and the gaps between them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from lmeran.findings import FINDINGS
from train.data.index import Index
from train.evaluation.bootstrap import (
    Estimate,
    finding_mean,
    interval,
    mean_interval,
    resampled,
)
from train.evaluation.figures import interval_figure
from train.evaluation.metrics import auc_per_finding, mean_auc
from train.evaluation.section import Section, row, tidy
from train.evaluation.study import Study

LEAST_IMAGES = 50
"""Images a subgroup must have to be measured."""

LEAST_CASES = 10
"""Positives, and negatives, of a finding that a subgroup must have for its AUC to count."""

LEAST_FINDINGS = 3
"""Findings that subgroups must have in common to be compared by their mean AUC."""

AGE_BANDS = {"under 18": 0, "18 to 39": 18, "40 to 59": 40, "60 and over": 60}
"""The youngest of each band, in years."""


@dataclass(frozen=True, eq=False)
class Subgroup:
    """rows: positions of its images. mean: of its AUC over the findings that all subgroups of the
    grouping share; drawn: the resamples of the mean, (B,). auc: of each finding, None with too few
    cases."""

    rows: np.ndarray
    mean: Estimate
    drawn: np.ndarray
    auc: list[Estimate | None]


def subgroups_section(study: Study) -> Section | None:
    """All groupings that the index has columns for; None where it has none."""
    columns = groupings(study.index)
    if not columns:
        return None
    means, findings, gaps, shown, left_out = [], [], [], [], {}
    for grouping, values in columns.items():
        groups, common = measure_grouping(study, values)
        left_out[grouping] = sorted(set(values) - {"", *groups})
        for name, group in groups.items():
            keys = {"grouping": grouping, "subgroup": name}
            measured = {
                "images": len(group.rows),
                "patients": len(np.unique(study.index.patients[group.rows])),
                "findings": len(common),
                "mean AUC": group.mean,
            }
            means += [row(value, **keys, measure=measure) for measure, value in measured.items()]
            aucs = zip(FINDINGS, group.auc, strict=True)
            findings += [row(auc, **keys, finding=f) for f, auc in aucs if auc is not None]
            shown.append((f"{grouping}: {name}", group.mean))
        if len(groups) > 1:
            low, *_, high = sorted(groups, key=lambda name: groups[name].mean.value)
            keys = {"grouping": grouping, "highest": high, "lowest": low}
            gaps.append(row(gap(groups[high], groups[low]), **keys, findings=len(common)))
    return Section(
        key="subgroups",
        facts={"left_out": left_out},
        frames={
            "subgroups": tidy(means),
            "subgroup_gaps": tidy(gaps),
            "subgroup_findings": tidy(findings),
        },
        figures={"subgroups": interval_figure(shown[::-1], "mean AUC")},
    )


def groupings(index: Index) -> dict[str, np.ndarray]:
    """Name -> subgroup of each image for the columns the index has; "" where a value is missing."""
    found = {}
    if index.views is not None:
        found["view"] = index.views
    if index.sexes is not None:
        words = {"M": "men", "F": "women"}
        found["sex"] = np.array([words.get(s.upper(), s) for s in index.sexes])
    if index.ages is not None:
        bands = np.searchsorted(list(AGE_BANDS.values()), index.ages, side="right") - 1
        found["age"] = np.where(np.isnan(index.ages), "", np.array(list(AGE_BANDS))[bands])
    if index.sources is not None:
        found["source"] = source_letters(index.sources)
    return found


def source_letters(sources: np.ndarray) -> np.ndarray:
    """Sources as "source A", "source B", ..., the one with the most images first.

    The names of an index may be those of people; which letter is whose follows from the counts.
    """
    names, counts = np.unique(sources[sources != ""].astype(str), return_counts=True)
    order = names[np.lexsort((names, -counts))]
    letters = {n: f"source {chr(65 + k) if k < 26 else k + 1}" for k, n in enumerate(order)}
    return np.array([letters.get(name, "") for name in sources.astype(str)])


def measure_grouping(study: Study, values: np.ndarray) -> tuple[dict[str, Subgroup], list[int]]:
    """The subgroups by name, largest first, and the findings that all of them can be measured on.

    values: subgroup of each image. Subgroups are left out, smallest first, until at least
    `LEAST_FINDINGS` are common. All are measured in the same resamples of the patients, so a
    patient in two of them stays paired.
    """
    names, counts = np.unique(values[values != ""], return_counts=True)
    by_size = [str(n) for n in names[np.argsort(-counts, kind="stable")]]
    rows = {n: np.flatnonzero(values == n) for n in by_size}
    usable = {n: _usable(study.labels[rows[n]]) for n in by_size}
    kept = [n for n in by_size if len(rows[n]) >= LEAST_IMAGES and usable[n].any()]
    shared = {k: np.logical_and.reduce([usable[n] for n in kept[:k]]) for k in range(len(kept) + 1)}
    while len(kept) > 1 and shared[len(kept)].sum() < LEAST_FINDINGS:
        kept.pop()
    common = np.flatnonzero(shared[len(kept)]).tolist() if kept else []
    groups = {}
    for n in kept:
        labels, scores = study.labels[rows[n]], study.predictions.free[rows[n]]
        auc = auc_per_finding(labels, scores)
        drawn = resampled(labels, scores, study.resamples.take(rows[n])).auc
        groups[n] = Subgroup(
            rows[n],
            mean_interval(mean_auc([auc[i] for i in common]), drawn[:, common]),
            finding_mean(drawn[:, common]),
            [interval(v, drawn[:, i]) if usable[n][i] else None for i, v in enumerate(auc)],
        )
    return groups, common


def gap(high: Subgroup, low: Subgroup) -> Estimate | None:
    """The difference of two mean AUCs."""
    return interval(high.mean.value - low.mean.value, high.drawn - low.drawn)


def _usable(labels: np.ndarray) -> np.ndarray:
    """bool (14,): findings with enough of both classes."""
    positive = (labels > 0.5).sum(axis=0)
    return (positive >= LEAST_CASES) & (len(labels) - positive >= LEAST_CASES)

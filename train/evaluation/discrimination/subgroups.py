"""AUC by view, sex, age and image source, and the gaps between them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from lmeran.findings import FINDINGS
from train.data.index import Index
from train.evaluation.bootstrap import finding_mean, interval, mean_interval, resampled
from train.evaluation.figures import interval_figure
from train.evaluation.metrics import auc_per_finding, mean_auc
from train.evaluation.section import Section, row, tidy
from train.evaluation.statistics import Estimate
from train.evaluation.study import Study

LEAST_IMAGES = 50
"""Images a subgroup must have to be measured."""

LEAST_CASES = 10
"""Positives, and negatives, of a finding that a subgroup must have for its AUC to count."""

LEAST_FINDINGS = 3
"""Findings that subgroups must have in common to be compared by their mean AUC."""

AGE_BANDS = (
    (0, 18, "under 18"),
    (18, 40, "18 to 39"),
    (40, 60, "40 to 59"),
    (60, 121, "60 and over"),
)
"""Years from, up to but without, and the band's name."""


@dataclass(frozen=True, eq=False)
class Grouping:
    """One way of dividing the images.

    rows: positions of the images of each subgroup, largest first. findings: positions that the
    means are over. means: of each subgroup's AUC over these; drawn: their resamples, (B,). auc:
    (14,) entries each, None with too few cases. left_out: subgroups too small to measure, or
    without findings in common with the larger ones.
    """

    name: str
    rows: dict[str, np.ndarray]
    findings: list[int]
    means: dict[str, Estimate]
    drawn: dict[str, np.ndarray]
    auc: dict[str, list[Estimate | None]]
    left_out: list[str]

    @property
    def gap(self) -> tuple[str, str, Estimate] | None:
        """The subgroups with the highest and the lowest mean AUC, and the difference."""
        if len(self.means) < 2:
            return None
        low, *_, high = sorted(self.means, key=lambda name: self.means[name].value)
        difference = self.means[high].value - self.means[low].value
        return high, low, interval(difference, self.drawn[high] - self.drawn[low])


def subgroups_section(study: Study) -> Section | None:
    """All groupings that the index has columns for; None where it has none."""
    found = [measure_grouping(study, name, values) for name, values in groupings(study.index)]
    if not found:
        return None
    means, findings, gaps = [], [], []
    for g in found:
        for name, rows in g.rows.items():
            keys = {"grouping": g.name, "subgroup": name}
            measured = {
                "images": len(rows),
                "patients": len(np.unique(study.index.patients[rows])),
                "findings": len(g.findings),
                "mean AUC": g.means[name],
            }
            means += [row(value, **keys, measure=measure) for measure, value in measured.items()]
            aucs = zip(FINDINGS, g.auc[name], strict=True)
            findings += [row(auc, **keys, finding=f) for f, auc in aucs if auc is not None]
        if g.gap is not None:
            high, low, difference = g.gap
            keys = {"grouping": g.name, "highest": high, "lowest": low}
            gaps.append(row(difference, **keys, findings=len(g.findings), groups=len(g.rows)))
    shown = [(f"{g.name}: {name}", mean) for g in found for name, mean in g.means.items()]
    return Section(
        key="subgroups",
        facts={"left_out": {g.name: g.left_out for g in found}},
        frames={
            "subgroups": tidy(means),
            "subgroup_gaps": tidy(gaps),
            "subgroup_findings": tidy(findings),
        },
        figures={"subgroups": interval_figure(shown[::-1], "mean AUC")},
    )


def groupings(index: Index) -> list[tuple[str, np.ndarray]]:
    """(name, subgroup of each image) for the columns the index has; "" where a value is missing."""
    sexes = {"M": "men", "F": "women"}
    found = []
    if index.views is not None:
        found.append(("view", index.views))
    if index.sexes is not None:
        found.append(("sex", np.array([sexes.get(s.upper(), s) for s in index.sexes])))
    if index.ages is not None:
        bands = [[n for low, high, n in AGE_BANDS if low <= age < high] for age in index.ages]
        found.append(("age", np.array([band[0] if band else "" for band in bands])))
    if index.sources is not None:
        found.append(("source", source_letters(index.sources)))
    return found


def source_letters(sources: np.ndarray) -> np.ndarray:
    """Sources as "source A", "source B", ..., the one with the most images first.

    The names of an index may be those of people; which letter is whose follows from the counts.
    """
    names, counts = np.unique(sources.astype(str), return_counts=True)
    order = names[np.lexsort((names, -counts))]
    letters = {name: f"source {_letter(k)}" for k, name in enumerate(n for n in order if n)}
    return np.array([letters.get(name, "") for name in sources.astype(str)])


def measure_grouping(study: Study, name: str, values: np.ndarray) -> Grouping:
    """Mean AUC of each subgroup over the findings that all of them can be measured on.

    Subgroups are left out, smallest first, until at least `LEAST_FINDINGS` are common. All are
    measured in the same resamples of the patients, so a patient in two of them stays paired.
    """
    names, counts = np.unique(values[values != ""], return_counts=True)
    by_size = [str(n) for n in names[np.argsort(-counts, kind="stable")]]
    rows = {n: np.flatnonzero(values == n) for n in by_size}
    usable = {n: _usable(study.labels[rows[n]]) for n in by_size}
    kept = [n for n in by_size if len(rows[n]) >= LEAST_IMAGES and usable[n].any()]
    while len(kept) > 1 and _common(usable, kept).sum() < LEAST_FINDINGS:
        kept.pop()
    common = np.flatnonzero(_common(usable, kept)).tolist() if kept else []
    means, drawn, auc = {}, {}, {}
    for n in kept:
        labels, scores = study.labels[rows[n]], study.predictions.free[rows[n]]
        values = auc_per_finding(labels, scores)
        resamples = resampled(labels, scores, study.resamples.take(rows[n])).auc
        means[n] = mean_interval(mean_auc([values[i] for i in common]), resamples[:, common])
        drawn[n] = finding_mean(resamples[:, common])
        auc[n] = [
            interval(v, resamples[:, i]) if usable[n][i] else None for i, v in enumerate(values)
        ]
    return Grouping(
        name=name,
        rows={n: rows[n] for n in kept},
        findings=common,
        means=means,
        drawn=drawn,
        auc=auc,
        left_out=[n for n in by_size if n not in kept],
    )


def _usable(labels: np.ndarray) -> np.ndarray:
    """bool (14,): findings with enough of both classes."""
    positive = (labels > 0.5).sum(axis=0)
    return (positive >= LEAST_CASES) & (len(labels) - positive >= LEAST_CASES)


def _common(usable: dict[str, np.ndarray], names: list[str]) -> np.ndarray:
    return np.logical_and.reduce([usable[n] for n in names])


def _letter(k: int) -> str:
    """A, B, ..., Z, AA, AB, ..."""
    return (_letter(k // 26 - 1) if k >= 26 else "") + chr(ord("A") + k % 26)

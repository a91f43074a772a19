"""AUC by view, sex, age and image source, and the gaps between them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from lmeran.findings import FINDINGS, display_name
from train.data.index import Index
from train.evaluation.bootstrap import finding_mean, interval, mean_interval, resampled
from train.evaluation.metrics import auc_per_finding, mean_auc
from train.evaluation.section import Plot, Section, Table
from train.evaluation.statistics import Estimate
from train.evaluation.study import Study
from train.evaluation.style import BLUE, interval_rows, new_figure, styled
from train.evaluation.wording import as_json, columns, finding_names, listed, said

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
class Level:
    """One subgroup. mean: over the findings all its levels are compared by; auc: (14,) entries,
    None where it has too few cases; drawn: resamples of the mean, (B,)."""

    name: str
    images: int
    patients: int
    mean: Estimate
    auc: list[Estimate | None]
    drawn: np.ndarray


@dataclass(frozen=True, eq=False)
class Gap:
    """Mean AUC of the level with the highest less that of the one with the lowest."""

    high: str
    low: str
    difference: Estimate


@dataclass(frozen=True, eq=False)
class Grouping:
    """One way of dividing the images, largest subgroup first.

    findings: positions the means are over. left_out: subgroups too small to measure, or without
    findings in common with the larger ones.
    """

    key: str
    name: str
    levels: tuple[Level, ...]
    findings: tuple[int, ...]
    left_out: tuple[str, ...]
    gap: Gap | None


def subgroups_section(study: Study) -> Section | None:
    """Tables and figure of all groupings the index tells; None where it tells none."""
    found = [
        measure_grouping(study, key, name, values) for key, name, values in groupings(study.index)
    ]
    if not found:
        return None
    return Section(
        key="subgroups",
        title="Subgroups",
        text=tuple(line for grouping in found for line in _sentences(grouping)),
        tables=(_table(found), *(_finding_table(g) for g in found if g.gap is not None)),
        plots=(
            Plot(
                "subgroups",
                "Mean AUC of the subgroups",
                _figure(found),
                "Free readings. Within a grouping all means are over the same findings; between "
                "groupings they are not. Bars: 95 % patient bootstrap.",
            ),
        ),
        metrics={grouping.key: _json(grouping) for grouping in found},
    )


def groupings(index: Index) -> list[tuple[str, str, np.ndarray]]:
    """(key, name, subgroup of each image) for what the index tells; "" where it is not told."""
    sexes = {"M": "men", "F": "women"}
    found = []
    if index.views is not None:
        found.append(("view", "View", index.views))
    if index.sexes is not None:
        found.append(("sex", "Sex", np.array([sexes.get(s.upper(), s) for s in index.sexes])))
    if index.ages is not None:
        found.append(("age", "Age in years", np.array([_band(age) for age in index.ages])))
    if index.sources is not None:
        found.append(("source", "Image source", index.sources))
    return found


def measure_grouping(study: Study, key: str, name: str, values: np.ndarray) -> Grouping:
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
    common = np.flatnonzero(_common(usable, kept)) if kept else np.zeros(0, dtype=int)
    levels = tuple(_level(study, n, rows[n], usable[n], common) for n in kept)
    return Grouping(
        key=key,
        name=name,
        levels=levels,
        findings=tuple(int(i) for i in common),
        left_out=tuple(n for n in by_size if n not in kept),
        gap=_gap(levels),
    )


def _level(
    study: Study, name: str, rows: np.ndarray, usable: np.ndarray, common: np.ndarray
) -> Level:
    labels, scores = study.labels[rows], study.predictions.free[rows]
    values = auc_per_finding(labels, scores)
    drawn = resampled(labels, scores, study.resamples.take(rows)).auc
    mean = mean_auc([values[i] for i in common])
    return Level(
        name=name,
        images=len(rows),
        patients=len(np.unique(study.index.patients[rows])),
        mean=mean_interval(mean, drawn[:, common]),
        auc=[interval(v, drawn[:, i]) if usable[i] else None for i, v in enumerate(values)],
        drawn=finding_mean(drawn[:, common]),
    )


def _gap(levels: tuple[Level, ...]) -> Gap | None:
    if len(levels) < 2:
        return None
    low, *_, high = sorted(levels, key=lambda level: level.mean.value)
    difference = high.mean.value - low.mean.value
    return Gap(high.name, low.name, interval(difference, high.drawn - low.drawn))


def _usable(labels: np.ndarray) -> np.ndarray:
    """bool (14,): findings with enough of both classes."""
    positive = (labels > 0.5).sum(axis=0)
    return (positive >= LEAST_CASES) & (len(labels) - positive >= LEAST_CASES)


def _common(usable: dict[str, np.ndarray], names: list[str]) -> np.ndarray:
    return np.logical_and.reduce([usable[n] for n in names])


def _band(age: float) -> str:
    return next((name for low, high, name in AGE_BANDS if low <= age < high), "")


def _sentences(grouping: Grouping) -> list[str]:
    lines = []
    if grouping.gap is not None:
        gap = grouping.gap
        lines.append(
            f"{grouping.name}: mean AUC over {len(grouping.findings)} findings is highest for "
            f"{gap.high} and lowest for {gap.low}; the gap is {said(gap.difference)}, "
            f"{_verdict(grouping)}."
        )
    elif grouping.levels:
        lines.append(f"{grouping.name}: only {grouping.levels[0].name} has enough images.")
    else:
        lines.append(f"{grouping.name}: no subgroup has enough images.")
    if grouping.left_out:
        lines.append(
            f"Left out, with too few images or positives to compare: {listed(grouping.left_out)}."
        )
    return lines


def _verdict(grouping: Grouping) -> str:
    difference = grouping.gap.difference
    if difference.low is None:
        return "with too few patients for an interval"
    if difference.low <= 0:
        return "which chance may explain"
    if len(grouping.levels) > 2:
        return "though the widest of several gaps is above zero by chance alone, too"
    return "more than chance explains"


def _table(found: list[Grouping]) -> Table:
    rows = [(g, level) for g in found for level in g.levels]
    frame = pd.DataFrame(
        {
            "Grouping": [g.name for g, _ in rows],
            "Subgroup": [level.name for _, level in rows],
            "Images": [level.images for _, level in rows],
            "Patients": [level.patients for _, level in rows],
            "Findings": [len(g.findings) for g, _ in rows],
            **columns("Mean AUC", [level.mean for _, level in rows]),
        }
    )
    over = " ".join(f"{g.name}: {finding_names(g.findings)}." for g in found if g.findings)
    return Table(
        "subgroups",
        "Mean AUC by subgroup",
        frame,
        f"Means are over the findings with at least {LEAST_CASES} positives and negatives in every "
        f"subgroup of the grouping. {over}",
    )


def _finding_table(grouping: Grouping) -> Table:
    told = [i for i in range(len(FINDINGS)) if any(level.auc[i] for level in grouping.levels)]
    cells: dict[str, list[Any]] = {"Finding": [display_name(FINDINGS[i]) for i in told]}
    for level in grouping.levels:
        cells |= columns(level.name, [level.auc[i] for i in told])
    return Table(
        f"subgroups_{grouping.key}",
        f"AUC of each finding by {grouping.name[0].lower()}{grouping.name[1:]}",
        pd.DataFrame(cells),
        f"Told where a subgroup has at least {LEAST_CASES} positives and negatives.",
    )


def _figure(found: list[Grouping]) -> Figure:
    rows = [(f"{g.name}: {level.name}", level) for g in found for level in g.levels]
    with styled():
        figure = new_figure(0.8 + 0.24 * max(1, len(rows)))
        axes = figure.subplots()
        # a gap of one row between groupings
        starts = np.cumsum([0, *(len(g.levels) + 0.6 for g in found)])
        places = [-(starts[k] + i) for k, g in enumerate(found) for i in range(len(g.levels))]
        interval_rows(axes, places, [level.mean for _, level in rows], BLUE)
        axes.set_yticks(places, [name for name, _ in rows])
        axes.set_xlabel("mean AUC")
    return figure


def _json(grouping: Grouping) -> dict[str, Any]:
    gap = grouping.gap
    return {
        "findings": [FINDINGS[i] for i in grouping.findings],
        "levels": {
            level.name: {
                "images": level.images,
                "patients": level.patients,
                "mean_auc": as_json(level.mean),
                "auc": {f: as_json(e) for f, e in zip(FINDINGS, level.auc, strict=True)},
            }
            for level in grouping.levels
        },
        "left_out": list(grouping.left_out),
        "gap": None
        if gap is None
        else {"high": gap.high, "low": gap.low, "difference": as_json(gap.difference)},
    }

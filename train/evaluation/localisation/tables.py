"""Localisation as tables and as plain values for metrics.json."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from lmeran.findings import FINDINGS, display_name
from lmeran.model.maps import CONTOUR_LEVEL
from train.evaluation.bootstrap import Resamples
from train.evaluation.localisation.cases import Measured
from train.evaluation.localisation.maps import CONTROLS, MODEL_MAPS
from train.evaluation.localisation.measures import MEASURES, THRESHOLDS
from train.evaluation.localisation.scores import finding_means, macro
from train.evaluation.section import Table
from train.evaluation.statistics import Estimate
from train.evaluation.wording import as_json, columns

NAMES = {**MODEL_MAPS, **CONTROLS}

WANG_2017 = (0.568, 0.373, 0.221, 0.116, 0.062, 0.028, 0.010)
"""T(IoU) of Wang et al., CVPR 2017, mean over 8 findings of all 984 boxes (`method.md`). Theirs is
of boxes drawn round the detected region, so it is a landmark, not a like-for-like figure."""

_THRESHOLD_NOTES = {
    "IoU": "Share of the boxes whose IoU is greater than T. Wang et al. compare boxes drawn round "
    "the detected region, on all 984 boxes: a landmark, not a like-for-like figure.",
    "IoBB": "Share of the boxes where the truth covers more than T of the detected box: the box "
    "round that part of the region which holds the map's maximum.",
}

Rows = dict[tuple[str, bool], list[Estimate]]
"""(kind of map, others pinned) -> macro estimates in the order of `MEASURES`."""


def macro_rows(measured: Measured, resamples: Resamples) -> Rows:
    """The macro values of every map, free first, then those that pins can move."""
    rows: Rows = {}
    for kind in NAMES:
        for pinned, values in ((False, measured.free), (True, measured.pinned)):
            if kind in values:
                rows[kind, pinned] = macro(values[kind], measured.findings, resamples)
    return rows


def row_name(kind: str, pinned: bool) -> str:
    """'Grad-CAM, others pinned': a map and its condition in words."""
    return NAMES[kind] + (", others pinned" if pinned else "")


def pin_effect(measured: Measured, resamples: Resamples) -> dict[str, dict[str, list[Estimate]]]:
    """Kind -> free, pinned and difference on the cases whose film has another true finding."""
    rows = np.flatnonzero(measured.has_others)
    if not len(rows):
        return {}
    findings, draws = measured.findings[rows], resamples.take(rows)
    effects = {}
    for kind, pinned in measured.pinned.items():
        before, after = measured.free[kind][rows], pinned[rows]
        parts = {"free": before, "pinned": after, "difference": after - before}
        effects[kind] = {name: macro(values, findings, draws) for name, values in parts.items()}
    return effects


def tables(
    measured: Measured, rows: Rows, pins: dict[str, dict[str, list[Estimate]]]
) -> tuple[Table, ...]:
    """All tables of the section; the last two are for their CSV alone."""
    made = [_macro_table(rows), *(_threshold_table(rows, m) for m in _THRESHOLD_NOTES)]
    made += [_finding_table(measured, measure) for measure in ("IoU", "pointing")]
    if pins:
        made.append(_pin_table(measured, pins))
    return (*made, _interval_table(rows), _all_table(measured))


def metrics(
    measured: Measured, rows: Rows, pins: dict[str, dict[str, list[Estimate]]]
) -> dict[str, Any]:
    """Macro values with their intervals and the means of every finding, as JSON values."""
    maps: dict[str, Any] = {}
    for (kind, pinned), estimates in rows.items():
        values = (measured.pinned if pinned else measured.free)[kind]
        means = finding_means(values, measured.findings)
        maps.setdefault(kind, {})["pinned" if pinned else "free"] = {
            "macro": _named(estimates),
            "per_finding": {
                FINDINGS[f]: dict(zip(MEASURES, mean.tolist(), strict=True))
                for f, mean in means.items()
            },
        }
    counts = np.bincount(measured.findings, minlength=len(FINDINGS))
    return {
        "boxes": {FINDINGS[f]: int(n) for f, n in enumerate(counts) if n},
        "maps": maps,
        "empty_maps": {kind: measured.empty_maps(kind) for kind in measured.maps},
        "pins": {
            "cases": int(measured.has_others.sum()),
            "maps": {k: {name: _named(e) for name, e in v.items()} for k, v in pins.items()},
        },
    }


def _macro_table(rows: Rows) -> Table:
    shown = {"Map": [row_name(*key) for key in rows]}
    for measure in ("IoU", "pointing"):
        at = MEASURES.index(measure)
        shown |= columns(measure, [estimates[at] for estimates in rows.values()])
    return Table(
        "localisation",
        "Localisation, mean over the findings",
        pd.DataFrame(shown),
        f"IoU of the region above {CONTOUR_LEVEL} of the map's maximum with the truth; pointing: "
        "share of the boxes that hold the map's maximum. In brackets: 95 % interval over "
        "resampled patients.",
    )


def _threshold_table(rows: Rows, measure: str) -> Table:
    names = [f"{measure}>{t}" for t in THRESHOLDS]
    lines = [
        {"Map": row_name(*key)} | {name: e[MEASURES.index(name)].value for name in names}
        for key, e in rows.items()
    ]
    if measure == "IoU":
        lines.append(
            {"Map": "Published: Wang et al. 2017"} | dict(zip(names, WANG_2017, strict=True))
        )
    return Table(
        f"localisation_{measure.lower()}",
        f"T({measure}), mean over the findings",
        pd.DataFrame(lines),
        f"{_THRESHOLD_NOTES[measure]} Intervals: in the figure and in localisation_intervals.csv.",
    )


def _interval_table(rows: Rows) -> Table:
    lines = [
        {"Map": row_name(*key), "Measure": measure} | as_json(estimate)
        for key, estimates in rows.items()
        for measure, estimate in zip(MEASURES, estimates, strict=True)
    ]
    return Table(
        "localisation_intervals",
        "Localisation, mean over the findings, with all intervals",
        pd.DataFrame(lines),
        shown=False,
    )


def _finding_table(measured: Measured, measure: str) -> Table:
    column = MEASURES.index(measure)
    findings = measured.findings
    means = {kind: finding_means(values, findings) for kind, values in measured.free.items()}
    kinds = [kind for kind in NAMES if kind in means]
    lines = [
        {"Finding": display_name(FINDINGS[f]), "Boxes": int((findings == f).sum())}
        | {NAMES[kind]: means[kind][f][column] for kind in kinds}
        for f in np.unique(findings).tolist()
    ]
    return Table(
        f"localisation_findings_{measure.lower()}",
        f"{measure[0].upper()}{measure[1:]} of each finding, nothing pinned",
        pd.DataFrame(lines),
        "Mean over the finding's boxes.",
    )


def _pin_table(measured: Measured, pins: dict[str, dict[str, list[Estimate]]]) -> Table:
    lines = []
    for kind, parts in pins.items():
        for measure in ("IoU", "pointing"):
            at = MEASURES.index(measure)
            line = {"Map": NAMES[kind], "Measure": measure}
            line |= {"free": parts["free"][at].value, "others pinned": parts["pinned"][at].value}
            lines.append({**line, **_row("difference", parts["difference"][at])})
    return Table(
        "localisation_pins",
        "What pinning the film's other true findings does to the maps",
        pd.DataFrame(lines),
        f"On the {int(measured.has_others.sum())} boxes whose film has another true finding, mean "
        "over the findings. The exact CAM is not listed: it does not depend on the pins.",
    )


def _all_table(measured: Measured) -> Table:
    lines = []
    for kind, name in NAMES.items():
        for pinned, values in ((False, measured.free), (True, measured.pinned)):
            if kind not in values:
                continue
            for f, mean in finding_means(values[kind], measured.findings).items():
                facts = {
                    "Map": name,
                    "Others pinned": "yes" if pinned else "no",
                    "Finding": display_name(FINDINGS[f]),
                    "Boxes": int((measured.findings == f).sum()),
                }
                lines.append(facts | dict(zip(MEASURES, mean.tolist(), strict=True)))
    return Table(
        "localisation_all",
        "All localisation figures of every finding",
        pd.DataFrame(lines),
        "IoU>T and IoBB>T: share of the finding's boxes where it is greater than T.",
        shown=False,
    )


def _row(name: str, estimate: Estimate) -> dict[str, float | None]:
    """`columns` of one line."""
    return {column: values[0] for column, values in columns(name, [estimate]).items()}


def _named(estimates: list[Estimate]) -> dict[str, Any]:
    return {measure: as_json(e) for measure, e in zip(MEASURES, estimates, strict=True)}

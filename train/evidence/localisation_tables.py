"""Localisation as tables and as plain values for metrics.json."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from lmeran.findings import FINDINGS, display_name
from lmeran.maps import CONTOUR_LEVEL
from train.evidence.bootstrap import Resamples
from train.evidence.localisation_cases import Measured
from train.evidence.localisation_maps import CONTROLS, MODEL_MAPS
from train.evidence.localisation_measures import MEASURES, THRESHOLDS
from train.evidence.localisation_scores import finding_means, macro
from train.evidence.section import Table
from train.evidence.statistics import Estimate

NAMES = {**MODEL_MAPS, **CONTROLS}

WANG_2017 = dict(zip(THRESHOLDS, (0.568, 0.373, 0.221, 0.116, 0.062, 0.028, 0.010), strict=True))
"""T(IoU) of Wang et al., CVPR 2017, mean over 8 findings of all 984 boxes (`method.md`). Theirs is
of boxes drawn round the detected region, so it is a landmark, not a like-for-like figure."""

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


def tables(measured: Measured, rows: Rows, pins: dict[str, dict[str, list[Estimate]]]) -> tuple:
    """All tables of the section, the widest last."""
    made = [_macro_table(rows), *_threshold_tables(rows)]
    made += [_finding_table(measured, measure) for measure in ("IoU", "pointing")]
    if pins:
        made.append(_pin_table(measured, pins))
    return (*made, _all_table(measured))


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
    lines = [
        {"map": row_name(*key)} | _columns(estimates, ("IoU", "pointing"))
        for key, estimates in rows.items()
    ]
    return Table(
        "localisation",
        "Localisation, mean over the findings",
        pd.DataFrame(lines),
        f"IoU of the region above {CONTOUR_LEVEL} of the map's maximum with the truth; pointing: "
        "share of the boxes that hold the map's maximum. In brackets: 95 % interval over resampled "
        "patients.",
    )


def _threshold_tables(rows: Rows) -> list[Table]:
    made = []
    for measure, note in (
        (
            "IoU",
            "Share of the boxes whose IoU is greater than T. Wang et al. compare boxes drawn round "
            "the detected region, on all 984 boxes: a landmark, not a like-for-like figure.",
        ),
        (
            "IoBB",
            "Share of the boxes where the truth covers more than T of the detected box: the box "
            "round that part of the region which holds the map's maximum.",
        ),
    ):
        names = [f"{measure}>{t}" for t in THRESHOLDS]
        lines = [
            {"map": row_name(*key)} | _columns(estimates, names) for key, estimates in rows.items()
        ]
        if measure == "IoU":
            published = {f"IoU>{t}": value for t, value in WANG_2017.items()}
            lines.append({"map": "published: Wang et al. 2017"} | published)
        frame = pd.DataFrame(lines).astype(object)
        made.append(
            Table(
                f"localisation_{measure.lower()}",
                f"T({measure}), mean over the findings",
                frame.where(frame.notna(), None),
                f"{note} In brackets: 95 % interval over resampled patients.",
            )
        )
    return made


def _finding_table(measured: Measured, measure: str) -> Table:
    column = MEASURES.index(measure)
    findings = measured.findings
    means = {kind: finding_means(values, findings) for kind, values in measured.free.items()}
    kinds = [kind for kind in NAMES if kind in means]
    lines = [
        {"finding": display_name(FINDINGS[f]), "boxes": int((findings == f).sum())}
        | {NAMES[kind]: means[kind][f][column] for kind in kinds}
        for f in np.unique(findings).tolist()
    ]
    return Table(
        f"localisation_findings_{measure.lower()}",
        f"{measure} of each finding, nothing pinned",
        pd.DataFrame(lines),
        "Mean over the finding's boxes.",
    )


def _pin_table(measured: Measured, pins: dict[str, dict[str, list[Estimate]]]) -> Table:
    lines = []
    for kind, parts in pins.items():
        for measure in ("IoU", "pointing"):
            at = MEASURES.index(measure)
            difference = parts["difference"][at]
            lines.append(
                {
                    "map": NAMES[kind],
                    "measure": measure,
                    "free": parts["free"][at].value,
                    "others pinned": parts["pinned"][at].value,
                    "difference": difference.value,
                    "difference low": difference.low,
                    "difference high": difference.high,
                }
            )
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
                    "map": name,
                    "others pinned": "yes" if pinned else "no",
                    "finding": display_name(FINDINGS[f]),
                    "boxes": int((measured.findings == f).sum()),
                }
                lines.append(facts | dict(zip(MEASURES, mean.tolist(), strict=True)))
    return Table(
        "localisation_all",
        "All localisation figures of every finding",
        pd.DataFrame(lines),
        "IoU>T and IoBB>T: share of the finding's boxes where it is greater than T.",
        shown=False,
    )


def _columns(estimates: list[Estimate], measures: Sequence[str]) -> dict[str, float | None]:
    """X, X low and X high of the given measures."""
    columns: dict[str, float | None] = {}
    for name in measures:
        estimate = estimates[MEASURES.index(name)]
        bounds = {f"{name} low": estimate.low, f"{name} high": estimate.high}
        columns |= {name: estimate.value, **bounds}
    return columns


def _named(estimates: list[Estimate]) -> dict[str, Any]:
    return {
        measure: {"value": e.value, "low": e.low, "high": e.high}
        for measure, e in zip(MEASURES, estimates, strict=True)
    }

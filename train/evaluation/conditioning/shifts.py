"""Are the shifts right? The section: predicted and observed movement, in words, table, figure."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from train.evaluation.conditioning.shift_measures import LEAST, Bin, Reliability, measure_shifts
from train.evaluation.section import Plot, Section, Table
from train.evaluation.statistics import Estimate
from train.evaluation.study import Study
from train.evaluation.style import BLUE, GRAY, new_figure, styled
from train.evaluation.wording import as_json, columns, said


def shifts_section(study: Study) -> Section:
    """One true pin, positive or negative, and several known findings: predicted and observed."""
    found = measure_shifts(study)
    return Section(
        key="shifts",
        title="Are the shifts right?",
        text=_sentences(found),
        tables=(_table(found),),
        plots=(
            Plot(
                "shifts",
                "Movement of the observed frequency against movement of p",
                _figure(found),
                "Each point is a bin of cases, its area by their number; the dashed line is where "
                "shifts are right. Bars: 95 % patient bootstrap. Both axes are linear up to "
                "1 percentage point and logarithmic beyond.",
            ),
        ),
        metrics={
            r.key: {"cases": r.cases, "slope": as_json(r.slope), "bins": [_json(b) for b in r.bins]}
            for r in found
        },
    )


def _sentences(found: list[Reliability]) -> tuple[str, ...]:
    lines = [
        "A slope of 1 means that frequencies move as far as the shown probabilities do; below 1 "
        "the shifts are too large, above 1 too small, at 0 they mean nothing."
    ]
    for r in found:
        if r.slope is None:
            lines.append(f"{r.name}: no probability moved.")
            continue
        inside = [
            str(value)
            for value in (0, 1)
            if r.slope.low is not None and r.slope.low <= value <= r.slope.high
        ]
        verdict = f", not told apart from {' or '.join(inside)}" if inside else ""
        lines.append(f"{r.name} ({r.cases:,} cases): slope {said(r.slope, 2)}{verdict}.")
    return tuple(lines)


def _table(found: list[Reliability]) -> Table:
    rows = [(r.name, b) for r in found for b in r.bins]
    frame = pd.DataFrame(
        {
            "Pins": [name for name, _ in rows],
            "p moved by": [_span(b) for _, b in rows],
            "Cases": [b.cases for _, b in rows],
            "Mean shift %": [100 * b.shift for _, b in rows],
            "Expected without %": [100 * b.expected for _, b in rows],
            "Observed %": [100 * b.frequency for _, b in rows],
            **columns("Observed shift %", [_percent(b.observed) for _, b in rows]),
        }
    )
    return Table(
        "shifts",
        "Predicted and observed shifts",
        frame,
        "In percentage points. Expected without: frequency of the finding among all images of "
        "like free probability, which the observed shift is counted from. Bins of fewer than "
        f"{LEAST} cases are left out. Intervals: 95 % patient bootstrap.",
    )


def _figure(found: list[Reliability]) -> Figure:
    with styled():
        figure = new_figure(3.5)
        panels = figure.subplots(1, len(found), sharex=True, sharey=True, squeeze=False)[0]
        for panel, r in zip(panels, found, strict=True):
            panel.set_xscale("symlog", linthresh=1)
            panel.set_yscale("symlog", linthresh=1)
            ticks = (-20, -5, -1, 0, 1, 5, 20)
            panel.set_xticks(ticks, [f"{t:+d}" if t else "0" for t in ticks])
            panel.set_yticks(ticks, [f"{t:+d}" if t else "0" for t in ticks])
            panel.minorticks_off()
            panel.plot([-60, 60], [-60, 60], color=GRAY, linewidth=0.7, linestyle=(0, (3, 3)))
            panel.axhline(0, color=GRAY, linewidth=0.4)
            panel.axvline(0, color=GRAY, linewidth=0.4)
            for b in r.bins:
                x, y = 100 * b.shift, _percent(b.observed)
                if y.low is not None:
                    panel.plot([x, x], [y.low, y.high], color=BLUE, linewidth=1)
                area = 6 + 6 * np.log10(b.cases)
                panel.scatter([x], [y.value], s=area, color=BLUE, zorder=3)
            slope = "" if r.slope is None else f"  slope {r.slope.value:.2f}"
            panel.set(title=f"{r.name}{slope}", xlim=(-60, 60), ylim=(-60, 60))
            panel.set_box_aspect(1)
        figure.supxlabel("shift of p by the model, percentage points", fontsize=8.5)
        figure.supylabel("observed, percentage points", fontsize=8.5)
    return figure


def _span(b: Bin) -> str:
    if not np.isfinite(b.low):
        return f"below {b.high:g}"
    if not np.isfinite(b.high):
        return f"above {b.low:+g}"
    return f"{b.low:+g} to {b.high:+g}"


def _percent(estimate: Estimate) -> Estimate:
    scaled = (None if v is None else 100 * v for v in (estimate.low, estimate.high))
    return Estimate(100 * estimate.value, *scaled)


def _json(b: Bin) -> dict[str, Any]:
    return {
        "cases": b.cases,
        "shift": b.shift,
        "expected": b.expected,
        "frequency": b.frequency,
        "observed_shift": as_json(b.observed),
    }

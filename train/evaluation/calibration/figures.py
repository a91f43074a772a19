"""Reliability diagrams."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from lmeran.findings import FINDINGS, display_name
from train.evaluation.calibration.cases import Case
from train.evaluation.calibration.measures import BINS, Bin, reliability
from train.evaluation.style import BLUE, GRAY, ORANGE, new_figure, styled

FINDING_BINS = 5
"""Of one finding there are too few positives for more."""


def pins_figure(cases: Sequence[Case], keeps_raw: bool) -> Figure:
    """A panel for each number of known findings, all findings together, raw and calibrated."""
    with styled():
        figure = new_figure(2.9)
        panels = figure.subplots(1, len(cases), squeeze=False)[0]
        for axes, case in zip(panels, cases, strict=True):
            _panel(axes, case.labels[case.kept], case, case.kept, BINS, keeps_raw)
            axes.set_title("nothing known" if not case.known else f"{case.known} known")
            axes.set_xlabel("probability")
        panels[0].set_ylabel("share observed")
        panels[0].legend(loc="upper left")
    return figure


def finding_figure(case: Case, keeps_raw: bool) -> Figure:
    """A small panel for each calibrated finding."""
    shown = [i for i in range(len(FINDINGS)) if case.kept[:, i].any()]
    wide = 5
    tall = max(1, -(-len(shown) // wide))
    with styled():
        figure = new_figure(0.4 + 1.85 * tall)
        panels = figure.subplots(tall, wide, squeeze=False).ravel()
        for axes, i in zip(panels, shown, strict=False):
            kept = np.zeros_like(case.kept)
            kept[:, i] = case.kept[:, i]
            _panel(axes, case.labels[kept], case, kept, FINDING_BINS, keeps_raw)
            axes.set_title(display_name(FINDINGS[i]))
        for axes in panels[len(shown) :]:
            axes.set_axis_off()
        if shown:
            panels[0].legend(loc="upper left")
    return figure


def _panel(
    axes: Axes, labels: np.ndarray, case: Case, kept: np.ndarray, bins: int, keeps_raw: bool
) -> None:
    drawn = [(reliability(labels, case.raw[kept], bins), ORANGE, "o", "raw")]
    if not keeps_raw:
        drawn.append((reliability(labels, case.fitted[kept], bins), BLUE, "s", "calibrated"))
    for points, colour, marker, name in drawn:
        _points(axes, points, colour, marker, name)
    end = 1.08 * max((max(b.mean, b.observed.high) for p, *_ in drawn for b in p), default=1)
    axes.plot([0, end], [0, end], color=GRAY, linewidth=0.7, linestyle=(0, (3, 3)), zorder=1)
    axes.set(xlim=(0, end), ylim=(0, end))


def _points(axes: Axes, bins: Sequence[Bin], colour: str, marker: str, name: str) -> None:
    means = [b.mean for b in bins]
    for b in bins:
        span = [b.observed.low, b.observed.high]
        axes.plot([b.mean, b.mean], span, color=colour, linewidth=0.9, zorder=2)
    observed = [b.observed.value for b in bins]
    axes.plot(means, observed, marker, color=colour, markersize=3.2, label=name, zorder=3)

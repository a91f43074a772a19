"""The figures of the report: a few kinds, of one size of type, few colours and thin lines.

No global setting of matplotlib is touched.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
from matplotlib import rc_context
from matplotlib.figure import Figure
from sklearn.metrics import roc_curve

from lmeran.findings import FINDINGS, display_name
from train.evaluation.bootstrap import Estimate

INK, GRAY, PALE = "#1f2933", "#7b8794", "#d5dbe1"
BLUE, ORANGE, GREEN, PURPLE = "#1f5fa8", "#c4651a", "#2f7d4f", "#77508f"
"""Lines differ by dashes too, so that they survive gray print."""

WIDTH = 9.6
"""Inches; the report's column, so that type has the same size in every figure."""

DASHED = (0, (3, 3))

_LOOKS = tuple((c, d) for d in ("-", "--", ":") for c in (BLUE, ORANGE, GREEN, PURPLE, GRAY))

_SETTINGS = {
    "font.family": "sans-serif",
    "font.sans-serif": ["DejaVu Sans"],
    "font.size": 8.5,
    "axes.titlesize": 9,
    "axes.titlelocation": "left",
    "axes.labelsize": 8.5,
    "axes.edgecolor": GRAY,
    "axes.linewidth": 0.7,
    "axes.labelcolor": INK,
    "text.color": INK,
    "xtick.color": GRAY,
    "ytick.color": GRAY,
    "xtick.labelcolor": INK,
    "ytick.labelcolor": INK,
    "xtick.labelsize": 7.5,
    "ytick.labelsize": 7.5,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "legend.frameon": False,
    "legend.fontsize": 8,
    "lines.linewidth": 1.4,
    "svg.fonttype": "path",
    "svg.hashsalt": "evaluation",
}


@contextmanager
def styled() -> Iterator[None]:
    """Matplotlib's settings for the figures of the report, within the block alone."""
    with rc_context(_SETTINGS):
        yield


def new_figure(height: float, width: float = WIDTH) -> Figure:
    """An empty figure, inches; no global state of matplotlib is touched. Use within `styled`."""
    return Figure(figsize=(width, height), layout="constrained")


@dataclass(frozen=True, eq=False)
class Line:
    """Points of one name: x, y (N,), with the bounds of y where there are any (NaN: none)."""

    name: str
    x: np.ndarray
    y: np.ndarray
    low: np.ndarray | None = None
    high: np.ndarray | None = None


def interval_figure(
    rows: Sequence[tuple[str, Estimate]],
    label: str,
    reference: float | None = None,
    others: tuple[str, Sequence[float]] | None = None,
) -> Figure:
    """Values along x with their intervals, the first row lowest.

    reference: a dashed line. others: a name and a value for each row, drawn as open diamonds.
    """
    with styled():
        figure = new_figure(0.9 + 0.24 * max(1, len(rows)))
        axes = figure.subplots()
        for place, (_, estimate) in enumerate(rows):
            if estimate.low is not None and estimate.high is not None:
                axes.plot([estimate.low, estimate.high], [place] * 2, color=BLUE, linewidth=1.1)
        values = [estimate.value for _, estimate in rows]
        places = range(len(rows))
        axes.plot(values, places, "o", color=BLUE, markersize=4, label="this checkpoint")
        if others is not None:
            name, published = others
            axes.plot(published, places, "D", color=ORANGE, mfc="white", ms=4, label=name)
            axes.legend(loc="lower right")
        if reference is not None:
            axes.axvline(reference, color=GRAY, linewidth=0.7, linestyle=DASHED)
        axes.set_yticks(list(places), [name for name, _ in rows])
        axes.set(xlabel=label, ylim=(-0.7, len(rows) - 0.3))
    return figure


def line_figure(
    panels: Mapping[str, Sequence[Line]],
    labels: tuple[str, str],
    ticks: tuple[Sequence[float], Sequence[str]] | None = None,
    limits: tuple[float | None, float | None] = (None, None),
) -> Figure:
    """A panel for each title; lines of one name look alike in all of them.

    labels: of x and of y. ticks: places and names along x. limits: of y.
    """
    with styled():
        figure = new_figure(3.6)
        names = dict.fromkeys(line.name for lines in panels.values() for line in lines)
        looks = dict(zip(names, itertools.cycle(_LOOKS), strict=False))
        grid = figure.subplots(1, len(panels), sharey=True, squeeze=False)[0]
        for axes, (title, lines) in zip(grid, panels.items(), strict=True):
            for line in lines:
                colour, dashes = looks[line.name]
                axes.plot(line.x, line.y, dashes, color=colour, marker="o", ms=3, label=line.name)
                if line.low is not None:
                    axes.vlines(line.x, line.low, line.high, color=colour, linewidth=0.7)
            axes.set(title=title, xlabel=labels[0], ylim=limits)
            if ticks is not None:
                axes.set_xticks(ticks[0], ticks[1], rotation=25 if len(ticks[0]) > 5 else 0)
        grid[0].set_ylabel(labels[1])
        handles, shown = grid[0].get_legend_handles_labels()
        figure.legend(handles, shown, loc="outside right upper")
    return figure


def roc_figure(labels: np.ndarray, scores: np.ndarray, values: Sequence[float | None]) -> Figure:
    """A small panel a finding, over all the others in gray; values: the AUC that is its title."""
    curves = [_thin_roc(labels[:, i] > 0.5, scores[:, i]) for i in range(len(FINDINGS))]
    with styled():
        figure = new_figure(6.2)
        grid = figure.subplots(3, 5, sharex=True, sharey=True).ravel()
        for i, axes in enumerate(grid[: len(FINDINGS)]):
            for curve in curves:
                axes.plot(*curve, color=PALE, linewidth=0.5)
            axes.plot([0, 1], [0, 1], color=GRAY, linewidth=0.7, linestyle=DASHED)
            axes.plot(*curves[i], color=BLUE, linewidth=1.5)
            shown = "one class" if values[i] is None else f"{values[i]:.3f}"
            axes.set_title(f"{display_name(FINDINGS[i])}  {shown}", fontsize=8.5)
            axes.set(xlim=(0, 1), ylim=(0, 1), xticks=(0, 0.5, 1), yticks=(0, 0.5, 1))
            axes.set_box_aspect(1)
        grid[-1].set_axis_off()
        figure.supxlabel("false positive rate", fontsize=8.5)
        figure.supylabel("true positive rate", fontsize=8.5)
    return figure


def _thin_roc(
    positive: np.ndarray, scores: np.ndarray, steps: int = 300
) -> tuple[np.ndarray, np.ndarray]:
    """Without points nobody sees: one of each cell of a `steps` x `steps` grid, and the ends; no
    points for a single class."""
    if positive.all() or not positive.any():
        return np.empty(0), np.empty(0)
    x, y, _ = roc_curve(positive, scores)
    cells = np.round(x * steps) * (steps + 1) + np.round(y * steps)
    keep = np.union1d([0], np.append(np.flatnonzero(np.diff(cells)), len(cells) - 1))
    return x[keep], y[keep]

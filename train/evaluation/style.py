"""How the figures look: one size of type, few colours, thin lines, no global settings."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from train.evaluation.statistics import Estimate

INK, GRAY, PALE = "#1f2933", "#7b8794", "#d5dbe1"
BLUE, ORANGE, GREEN, PURPLE = "#1f5fa8", "#c4651a", "#2f7d4f", "#77508f"
"""Of one lightness or told apart by dashes too, so that they survive gray print."""

WIDTH = 9.6
"""Inches; the report's column, so that type has the same size in every figure."""

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
    "svg.hashsalt": "evidence",
}


@contextmanager
def styled() -> Iterator[None]:
    """Matplotlib's settings for the figures of the report, within the block alone."""
    with rc_context(_SETTINGS):
        yield


def new_figure(height: float, width: float = WIDTH) -> Figure:
    """An empty figure, inches; no global state of matplotlib is touched. Use within `styled`."""
    return Figure(figsize=(width, height), layout="constrained")


def interval_rows(
    axes: Axes,
    places: Sequence[float],
    estimates: Sequence[Estimate],
    colour: str,
    label: str | None = None,
    marker: str = "o",
) -> None:
    """Values along x with their intervals, one above the other at `places`; a value without bounds
    is a point alone."""
    for place, estimate in zip(places, estimates, strict=True):
        if estimate.low is not None and estimate.high is not None:
            span = [estimate.low, estimate.high]
            axes.plot(span, [place, place], color=colour, linewidth=1.1, zorder=2)
    values = [estimate.value for estimate in estimates]
    axes.plot(values, places, marker, color=colour, markersize=4, label=label, zorder=3)

"""The figures of the report: a few kinds, of one size of type, few colours and thin lines.

No global setting of matplotlib is touched.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Literal

import numpy as np
from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from sklearn.metrics import precision_recall_curve, roc_curve

from lmeran.findings import FINDINGS, display_name
from train.evaluation.statistics import Estimate

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

    @classmethod
    def of(cls, name: str, x: Sequence[float], estimates: Sequence[Estimate | None]) -> Line:
        """From estimates; None is a gap."""
        columns = [
            [np.nan if e is None or (v := getattr(e, part)) is None else v for e in estimates]
            for part in ("value", "low", "high")
        ]
        return cls(name, np.asarray(x, dtype=float), *(np.array(c, dtype=float) for c in columns))


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
    bounds: Literal["bars", "band"] = "bars",
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
                _draw_line(axes, line, *looks[line.name], bounds)
            axes.set(title=title, xlabel=labels[0], ylim=limits)
            if ticks is not None:
                axes.set_xticks(ticks[0], ticks[1], rotation=25 if len(ticks[0]) > 5 else 0)
        grid[0].set_ylabel(labels[1])
        handles, shown = grid[0].get_legend_handles_labels()
        figure.legend(handles, shown, loc="outside right upper")
    return figure


def _draw_line(axes: Axes, line: Line, colour: str, dashes: str, bounds: str) -> None:
    axes.plot(line.x, line.y, dashes, color=colour, marker="o", markersize=3, label=line.name)
    if line.low is None or line.high is None:
        return
    if bounds == "band":
        axes.fill_between(line.x, line.low, line.high, color=colour, alpha=0.1, linewidth=0)
    else:
        axes.vlines(line.x, line.low, line.high, color=colour, linewidth=0.7)


def agreement_figure(
    panels: Mapping[str, Sequence[Line]], labels: tuple[str, str], linear: float | None = None
) -> Figure:
    """What was predicted along x against what was observed along y; the diagonal is right.

    linear: axes go through zero, linear up to here and logarithmic beyond; None: from zero up.
    """
    wide = min(5, max(1, len(panels)))
    tall = max(1, -(-len(panels) // wide))
    with styled():
        figure = new_figure(0.5 + (1.9 if tall > 1 else 2.9) * tall)
        grid = figure.subplots(tall, wide, squeeze=False).ravel()
        for axes, (title, lines) in zip(grid, panels.items(), strict=False):
            tops = [0.0]
            for line, colour in zip(lines, (ORANGE, BLUE), strict=False):
                axes.vlines(line.x, line.low, line.high, color=colour, linewidth=0.9)
                axes.plot(line.x, line.y, "o", color=colour, markersize=3.2, label=line.name)
                parts = (line.x, line.y, line.low, line.high)
                tops += [float(np.nanmax(np.abs(p))) for p in parts if np.isfinite(p).any()]
            top = 1.08 * max(tops) or 1.0
            bottom = 0.0 if linear is None else -top
            axes.plot([bottom, top], [bottom, top], color=GRAY, linewidth=0.7, linestyle=DASHED)
            axes.set(title=title, xlim=(bottom, top), ylim=(bottom, top))
            if linear is not None:
                axes.set_xscale("symlog", linthresh=linear)
                axes.set_yscale("symlog", linthresh=linear)
                axes.axhline(0, color=GRAY, linewidth=0.4)
                axes.axvline(0, color=GRAY, linewidth=0.4)
        for axes in grid[len(panels) :]:
            axes.set_axis_off()
        if max((len(lines) for lines in panels.values()), default=0) > 1:
            grid[0].legend(loc="upper left")
        figure.supxlabel(labels[0], fontsize=8.5)
        figure.supylabel(labels[1], fontsize=8.5)
    return figure


def matrix_figure(matrices: Mapping[str, tuple[np.ndarray, str]]) -> Figure:
    """Title -> a matrix (14, 14), rows pinned and columns read, and its unit, side by side."""
    names = [display_name(finding) for finding in FINDINGS]
    with styled():
        figure = new_figure(4.9, 8.4)
        grid = figure.subplots(1, len(matrices), sharey=True, squeeze=False)[0]
        for axes, (title, (matrix, unit)) in zip(grid, matrices.items(), strict=True):
            top = max(0.1, float(np.nanquantile(np.abs(matrix), 0.98)))
            image = axes.imshow(matrix, cmap="RdBu_r", vmin=-top, vmax=top)
            axes.set_xticks(range(len(names)), names, rotation=90)
            axes.set_yticks(range(len(names)), names)
            axes.tick_params(length=0)
            axes.set_title(title)
            axes.spines[:].set_visible(False)
            figure.colorbar(image, ax=axes, orientation="horizontal", label=unit, shrink=0.6)
        grid[0].set_ylabel("pinned")
    return figure


def curve_figure(
    kind: Literal["roc", "precision_recall"],
    labels: np.ndarray,
    scores: np.ndarray,
    values: Sequence[float | None],
) -> Figure:
    """A small panel a finding, over all the others in gray; values: the area that is its title."""
    curves = [_curve(kind, labels[:, i] > 0.5, scores[:, i]) for i in range(len(FINDINGS))]
    with styled():
        figure = new_figure(6.2)
        grid = figure.subplots(3, 5, sharex=True, sharey=True).ravel()
        for i, axes in enumerate(grid[: len(FINDINGS)]):
            for curve in curves:
                if curve is not None:
                    axes.plot(*curve, color=PALE, linewidth=0.5)
            if kind == "roc":
                axes.plot([0, 1], [0, 1], color=GRAY, linewidth=0.7, linestyle=DASHED)
            else:
                axes.axhline(labels[:, i].mean(), color=GRAY, linewidth=0.7, linestyle=DASHED)
            if curves[i] is not None:
                axes.plot(*curves[i], color=BLUE, linewidth=1.5)
            shown = "one class" if values[i] is None else f"{values[i]:.3f}"
            axes.set_title(f"{display_name(FINDINGS[i])}  {shown}", fontsize=8.5)
            axes.set(xlim=(0, 1), ylim=(0, 1), xticks=(0, 0.5, 1), yticks=(0, 0.5, 1))
            axes.set_box_aspect(1)
        grid[-1].set_axis_off()
        across, up = {
            "roc": ("false positive rate", "true positive rate"),
            "precision_recall": ("recall", "precision"),
        }[kind]
        figure.supxlabel(across, fontsize=8.5)
        figure.supylabel(up, fontsize=8.5)
    return figure


def _curve(
    kind: str, positive: np.ndarray, scores: np.ndarray
) -> tuple[np.ndarray, np.ndarray] | None:
    """x and y from left to right; None for a single class."""
    if positive.all() or not positive.any():
        return None
    if kind == "roc":
        x, y, _ = roc_curve(positive, scores)
    else:
        precision, recall, _ = precision_recall_curve(positive, scores)
        x, y = recall[::-1], precision[::-1]
    return _thin(x, y)


def _thin(x: np.ndarray, y: np.ndarray, steps: int = 300) -> tuple[np.ndarray, np.ndarray]:
    """Without points nobody sees: one of each cell of a `steps` x `steps` grid, and the ends."""
    cells = np.round(x * steps) * (steps + 1) + np.round(y * steps)
    keep = np.union1d([0], np.append(np.flatnonzero(np.diff(cells)), len(cells) - 1))
    return x[keep], y[keep]


def strip_figure(
    kinds: Sequence[tuple[str, np.ndarray, bool]], lines: Mapping[str, float], label: str
) -> Figure:
    """Each value a dot, kinds one above the other (the first on top), on a logarithmic axis.

    kinds: name, values (N,), and whether they should lie left. lines: style of each vertical line.
    """
    with styled():
        figure = new_figure(0.7 + 0.34 * len(kinds))
        axes = figure.subplots()
        random = np.random.default_rng(0)
        for place, (_, values, left) in enumerate(reversed(kinds)):
            spread = place + random.uniform(-0.26, 0.26, len(values))
            colour = BLUE if left else ORANGE
            axes.plot(values, spread, ".", color=colour, markersize=2, alpha=0.5)
        for style, value in lines.items():
            axes.axvline(value, color=GRAY, linewidth=0.8, linestyle=style)
        axes.set_yticks(range(len(kinds)), [name for name, *_ in reversed(kinds)])
        axes.set(xscale="log", xlabel=label)
    return figure

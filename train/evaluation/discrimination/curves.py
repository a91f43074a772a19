"""ROC and precision-recall curves as points, and their figure (the paper's figure 6)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from matplotlib.figure import Figure

from lmeran.findings import FINDINGS, display_name
from train.evaluation.style import BLUE, GRAY, INK, PALE, new_figure, styled

GRID = np.linspace(0, 1, 201)
"""False positive rates, or recalls, at which curves are averaged."""


@dataclass(frozen=True, eq=False)
class Curve:
    """Points from left to right: x is the false positive rate, or the recall; y the true positive
    rate, or the precision."""

    x: np.ndarray
    y: np.ndarray


def roc_curve(labels: np.ndarray, scores: np.ndarray) -> Curve | None:
    """From (0, 0) to (1, 1), tied scores one point; None for a single class."""
    counted = _counted(labels, scores)
    if counted is None:
        return None
    found, alarms = counted
    return Curve(np.append(0, alarms / alarms[-1]), np.append(0, found / found[-1]))


def precision_recall_curve(labels: np.ndarray, scores: np.ndarray) -> Curve | None:
    """Recall and precision at each threshold, from the highest; None for a single class."""
    counted = _counted(labels, scores)
    if counted is None:
        return None
    found, alarms = counted
    return Curve(found / found[-1], found / (found + alarms))


def mean_roc(curves: list[Curve | None]) -> Curve | None:
    """True positive rates averaged at equal false positive rates; its area is the mean AUC, but
    for the width of the grid."""
    present = [np.interp(GRID, *_upper(curve)) for curve in curves if curve is not None]
    return Curve(GRID, np.mean(present, axis=0)) if present else None


def mean_precision_recall(curves: list[Curve | None]) -> Curve | None:
    """Precision averaged at equal recall, each held from one threshold to the next as average
    precision does."""
    present = []
    for curve in curves:
        if curve is not None:
            place = np.searchsorted(curve.x, GRID, side="left")
            present.append(curve.y[np.minimum(place, len(curve.y) - 1)])
    return Curve(GRID, np.mean(present, axis=0)) if present else None


def curve_figure(
    curves: list[Curve | None],
    mean: Curve | None,
    values: list[float | None],
    mean_value: float | None,
    axis_names: tuple[str, str],
    baselines: list[float] | None = None,
) -> Figure:
    """A small panel a finding and one for the mean, each over all the others in gray.

    baselines: precision of a ranking that knows nothing, a panel's dashed line; for ROC curves
    (None) that is the diagonal.
    """
    names = [display_name(finding) for finding in FINDINGS]
    panels = [*zip(names, curves, values, strict=True), ("Mean", mean, mean_value)]
    with styled():
        figure = new_figure(6.2)
        axes = figure.subplots(3, 5, sharex=True, sharey=True).ravel()
        thinned = [None if c is None else _thin(c, 50) for c in curves]
        for place, (panel, (name, curve, value)) in enumerate(zip(axes, panels, strict=True)):
            for other in thinned:
                if other is not None:
                    panel.plot(other.x, other.y, color=PALE, linewidth=0.5)
            if baselines is None:
                panel.plot([0, 1], [0, 1], color=GRAY, linewidth=0.7, linestyle=(0, (3, 3)))
            elif name != "Mean":
                panel.axhline(baselines[place], color=GRAY, linewidth=0.7, linestyle=(0, (3, 3)))
            if curve is not None:
                thin = _thin(curve)
                panel.plot(thin.x, thin.y, color=INK if name == "Mean" else BLUE, linewidth=1.5)
            shown = "one class" if value is None else f"{value:.3f}"
            panel.set_title(f"{name}  {shown}", fontsize=8.5)
            panel.set(xlim=(0, 1), ylim=(0, 1), xticks=(0, 0.5, 1), yticks=(0, 0.5, 1))
            panel.set_box_aspect(1)
        figure.supxlabel(axis_names[0], fontsize=8.5)
        figure.supylabel(axis_names[1], fontsize=8.5)
    return figure


def _counted(labels: np.ndarray, scores: np.ndarray) -> tuple[np.ndarray, np.ndarray] | None:
    """Positives and negatives at or above each distinct score, from the highest."""
    positive = labels > 0.5
    if positive.all() or not positive.any():
        return None
    order = np.argsort(-scores, kind="stable")
    last = np.append(np.flatnonzero(np.diff(scores[order])), len(order) - 1)
    found = np.cumsum(positive[order])[last]
    return found, last + 1 - found


def _upper(curve: Curve) -> tuple[np.ndarray, np.ndarray]:
    """The highest y of each x, so that steps straight up can be interpolated."""
    x, last = np.unique(curve.x[::-1], return_index=True)
    return x, curve.y[::-1][last]


def _thin(curve: Curve, steps: int = 300) -> Curve:
    """Without points nobody sees: one of each cell of a `steps` x `steps` grid, and the ends."""
    cells = np.round(curve.x * steps) * (steps + 1) + np.round(curve.y * steps)
    keep = np.append(np.flatnonzero(np.diff(cells)), len(cells) - 1)
    keep = np.union1d(keep, [0])
    return Curve(curve.x[keep], curve.y[keep])

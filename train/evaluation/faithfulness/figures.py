"""Figures of faithfulness: probability against the share of cells, correlation against the step."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from train.evaluation.faithfulness.curves import RANDOM, Curves
from train.evaluation.faithfulness.masks import SHARES
from train.evaluation.localisation.figures import CURVES
from train.evaluation.localisation.maps import MODEL_MAPS
from train.evaluation.section import Plot
from train.evaluation.statistics import Estimate
from train.evaluation.style import new_figure, styled


def curve_figure(curves: Curves) -> Plot:
    """Mean probability over the pairs as cells are deleted, and as they are inserted."""
    parts = (
        ("Deletion: cells give way to mean gray", "taken away", curves.deletion),
        ("Insertion: a blurred film gets its cells back", "given back", curves.insertion),
    )
    with styled():
        figure = new_figure(height=3.4)
        for axes, (title, what, values) in zip(
            figure.subplots(1, 2, sharey=True), parts, strict=True
        ):
            for kind, of_kind in values.items():
                colour, line = CURVES[kind]
                label = MODEL_MAPS.get(kind, "Random order")
                axes.plot(SHARES, of_kind.mean(axis=0), line, color=colour, label=label)
            axes.set(title=title, xlabel=f"share of the cells {what}", xlim=(0, 1))
        figure.axes[0].set(ylabel="mean probability", ylim=(0, None))
        handles, labels = figure.axes[0].get_legend_handles_labels()
        figure.legend(handles, labels, loc="outside right center")
    return Plot(
        "faithfulness_curves",
        "Probability as cells are taken away or given back",
        figure,
        "Mean over films and their true findings; nothing is pinned.",
    )


def randomisation_figure(correlations: Mapping[str, Mapping[str, Estimate | None]]) -> Plot:
    """Mean rank correlation with the trained model's maps at each step."""
    steps = list(correlations)
    with styled():
        figure = new_figure(height=3.4)
        axes = figure.subplots()
        for kind in next(iter(correlations.values())):
            estimates = [of_step[kind] for of_step in correlations.values()]
            colour, line = CURVES[kind]
            values = [np.nan if e is None else e.value for e in estimates]
            axes.plot(range(len(steps)), values, line, color=colour, marker="o", markersize=3.5)
            axes.plot([], [], line, color=colour, label=MODEL_MAPS[kind])
        axes.axhline(0, color=CURVES[RANDOM][0], linewidth=0.7)
        axes.set_xticks(range(len(steps)), steps, rotation=25, ha="right")
        axes.set(ylabel="Spearman's correlation", ylim=(-1, 1.05))
        figure.legend(loc="outside right center")
    return Plot(
        "randomisation",
        "Maps as the weights are thrown away from the output downwards",
        figure,
        "Each step keeps the random weights of the steps before it.",
    )

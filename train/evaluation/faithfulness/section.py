"""Do the maps show what the model uses? Deletion, insertion, ROAD and randomised weights.

Every map costs dozens of backbone passes, so only `Study.map_films` films are measured, chosen by
a hash of their names.
"""

from __future__ import annotations

import dataclasses

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from tqdm import tqdm

from lmeran.checkpoint import Checkpoint
from lmeran.predictor import Predictor
from train.data.pixels import cached_pixels
from train.evaluation.bootstrap import Resamples, draw, interval
from train.evaluation.faithfulness.curves import (
    RANDOM,
    Curves,
    Pair,
    choose_pairs,
    free_maps,
    measure_curves,
)
from train.evaluation.faithfulness.masks import SHARES, area
from train.evaluation.faithfulness.randomise import cascade, rank_correlation
from train.evaluation.figures import Line, line_figure
from train.evaluation.localisation.maps import MODEL_MAPS
from train.evaluation.section import Section, row, select, tidy
from train.evaluation.statistics import Estimate
from train.evaluation.study import Study

ANOTHER_FILM = "same weights, another film"


def faithfulness_section(study: Study) -> Section | None:
    """Deletion, insertion, ROAD and the randomisation of the weights; None without true findings.

    Each film is measured with all its true findings. Raises `DataError` where one cannot be read.
    """
    pairs = choose_pairs(study.index, study.map_films)
    if not pairs:
        return None
    checkpoint, index = study.predictions.checkpoint, study.index
    maps = free_maps(Predictor(checkpoint, study.device), index, pairs)
    rows = np.array([pair.row for pair in pairs])
    chosen, place = np.unique(rows, return_inverse=True)
    pixels = cached_pixels(index.take(chosen), checkpoint.config.preprocessing, study.cache)
    names = [index.names[r] for r in rows]
    curves = measure_curves(checkpoint.model, pixels[place], names, pairs, maps, study.device)
    draws = draw(index.patients[rows], len(study.resamples))
    correlations = correlation_frame(study, pairs, maps, draws)
    return Section(
        key="faithfulness",
        facts={"films": len(chosen), "maps": len(pairs)},
        frames={"faithfulness": area_frame(curves, draws), "randomisation": correlations},
        figures={
            "faithfulness_curves": _curve_figure(curves),
            "randomisation": _randomisation_figure(correlations),
        },
    )


def area_frame(curves: dict[str, Curves], draws: Resamples) -> pd.DataFrame:
    """Means over the pairs, with intervals, by order of the cells and measure."""
    rows = []
    for kind, own in curves.items():
        deletion, insertion = area(own.deletion), area(own.insertion)
        measured = {
            "deletion": deletion,
            "deletion less random": deletion - area(curves[RANDOM].deletion),
            "insertion": insertion,
            "insertion less random": insertion - area(curves[RANDOM].insertion),
            "ROAD": own.road,
        }
        for name, values in measured.items():
            rows.append(row(mean_estimate(values, draws), order=name_of(kind), measure=name))
    return tidy(rows)


def correlation_frame(
    study: Study, pairs: list[Pair], maps: dict[str, np.ndarray], draws: Resamples
) -> pd.DataFrame:
    """Mean rank correlation of the maps of every step of the cascade, and of another film's, with
    the trained ones."""
    checkpoint: Checkpoint = study.predictions.checkpoint
    found = {}
    other = _on_the_next_film(pairs)
    if other is not None:
        # Pairs of one film must follow each other; so they do, each film being moved as a whole.
        found[ANOTHER_FILM] = free_maps(Predictor(checkpoint, study.device), study.index, other)
    steps = tqdm(cascade(checkpoint.model), desc="randomisation", unit="step", leave=False)
    for name, model in steps:
        predictor = Predictor(dataclasses.replace(checkpoint, model=model), study.device)
        found[name] = free_maps(predictor, study.index, pairs)
    return tidy(
        row(
            mean_estimate(rank_correlation(maps[kind], values), draws),
            random_down_to=step,
            map=MODEL_MAPS[kind],
        )
        for step, own in found.items()
        for kind, values in own.items()
    )


def mean_estimate(values: np.ndarray, draws: Resamples) -> Estimate | None:
    """Mean of values (N,) that are there, with its interval over patients; None without any."""
    rows = np.flatnonzero(np.isfinite(values))
    if not len(rows):
        return None
    own = draws.take(rows)
    count, total = own.sums(np.ones(len(rows))), own.sums(values[rows])
    drawn = np.divide(total, count, out=np.full(len(total), np.nan), where=count > 0)
    return interval(float(values[rows].mean()), drawn)


def name_of(kind: str) -> str:
    """A kind of map, or the random order, in words."""
    return "Random order" if kind == RANDOM else MODEL_MAPS[kind]


def _on_the_next_film(pairs: list[Pair]) -> list[Pair] | None:
    """The same findings on the following film, for what maps of all films share; None for one."""
    rows = list(dict.fromkeys(pair.row for pair in pairs))
    if len(rows) < 2:
        return None
    following = dict(zip(rows, [*rows[1:], rows[0]], strict=True))
    return [Pair(following[pair.row], pair.finding) for pair in pairs]


def _curve_figure(curves: dict[str, Curves]) -> Figure:
    titles = {
        "deletion": "Deletion: cells give way to mean gray",
        "insertion": "Insertion: a blurred film gets its cells back",
    }
    panels = {
        title: [
            Line(name_of(kind), SHARES, getattr(own, part).mean(axis=0))
            for kind, own in curves.items()
        ]
        for part, title in titles.items()
    }
    return line_figure(panels, ("share of the cells", "mean probability"), limits=(0, None))


def _randomisation_figure(frame: pd.DataFrame) -> Figure:
    steps = list(dict.fromkeys(frame["random_down_to"]))
    lines = [
        Line(name, np.arange(len(steps)), select(frame, map=name)["value"].to_numpy(dtype=float))
        for name in dict.fromkeys(frame["map"])
    ]
    labels = ("random weights, down to", "Spearman's correlation")
    return line_figure({"": lines}, labels, ticks=(range(len(steps)), steps), limits=(-1, 1.05))

"""Do the maps show what the model uses? Deletion, insertion, ROAD and randomised weights.

`field-notes.md`: "Faithfulness: deletion / insertion and ROAD; a weight-randomisation sanity
check". Every map costs dozens of backbone passes, so that it is measured on some films: `films`
says on how many, and a hash of the names says on which.
"""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from tqdm import tqdm

from lmeran.checkpoint import Checkpoint
from lmeran.predictor import Predictor
from train.data.index import Index
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
from train.evaluation.faithfulness.figures import curve_figure, randomisation_figure
from train.evaluation.faithfulness.masks import area
from train.evaluation.faithfulness.randomise import cascade, rank_correlation
from train.evaluation.localisation.maps import MODEL_MAPS
from train.evaluation.section import Section, Table
from train.evaluation.statistics import Estimate
from train.evaluation.wording import as_json, columns, listed, said

FILMS = 24
"""Films measured unless another number is asked for; each costs about 200 backbone passes."""

ANOTHER_FILM = "same weights, another film"

Correlations = dict[str, dict[str, Estimate | None]]
"""Step of the randomisation -> kind of map -> mean rank correlation with the trained model's."""


def faithfulness_section(
    checkpoint: Checkpoint,
    index: Index,
    cache: Path,
    device: torch.device | str,
    resamples: int,
    films: int = FILMS,
) -> Section | None:
    """Deletion, insertion, ROAD and the randomisation of the weights; None without true findings.

    cache: folder of the pixel cache. resamples: of patients, for the intervals. films: how many are
    measured, each with all its true findings. Raises `DataError` where one cannot be read.
    """
    pairs = choose_pairs(index, films)
    if not pairs:
        return None
    predictor = Predictor(checkpoint, device)
    maps = free_maps(predictor, index, pairs)
    rows = np.array([pair.row for pair in pairs])
    chosen, place = np.unique(rows, return_inverse=True)
    pixels = cached_pixels(index.take(chosen), checkpoint.config.preprocessing, cache)
    names = [index.names[row] for row in rows]
    curves = measure_curves(checkpoint.model, pixels[place], names, pairs, maps, device)
    draws = draw(index.patients[rows], resamples)
    areas = _areas(curves, draws)
    correlations = _correlations(checkpoint, index, pairs, maps, draws, device)
    facts = {"films": len(chosen), "maps": len(pairs), "resamples": resamples}
    return Section(
        key="faithfulness",
        title="Faithfulness of the maps",
        text=(
            f"{len(pairs)} true findings on {len(chosen)} films, chosen by a hash of the films' "
            "names. Cells of the network's grid are taken away in the order of a map; a map that "
            "shows what the model uses makes the probability fall sooner than a random order does, "
            "and rise sooner when cells are given back.",
            *_area_sentences(areas),
            *_randomisation_sentences(correlations),
        ),
        tables=(_area_table(areas), _randomisation_table(correlations)),
        plots=(curve_figure(curves), randomisation_figure(correlations)),
        metrics=facts | _metrics(areas, correlations),
    )


def _areas(curves: Curves, draws: Resamples) -> dict[str, dict[str, Estimate]]:
    """Kind -> means over the pairs, with intervals; differences are to the random order."""
    deletion = {kind: area(values) for kind, values in curves.deletion.items()}
    insertion = {kind: area(values) for kind, values in curves.insertion.items()}
    found = {}
    for kind in deletion:
        values = {
            "deletion": deletion[kind],
            "deletion less random": deletion[kind] - deletion[RANDOM],
            "insertion": insertion[kind],
            "insertion less random": insertion[kind] - insertion[RANDOM],
            "ROAD": curves.road[kind],
        }
        found[kind] = {name: _mean(v, draws) for name, v in values.items()}
    return found


def _correlations(
    checkpoint: Checkpoint,
    index: Index,
    pairs: list[Pair],
    maps: dict[str, np.ndarray],
    draws: Resamples,
    device: torch.device | str,
) -> Correlations:
    """Of the maps of every step of the cascade, and of another film's, with the trained ones."""
    found = {}
    other = _on_the_next_film(pairs)
    if other is not None:
        # Pairs of one film must follow each other; so they do, each film being moved as a whole.
        found[ANOTHER_FILM] = free_maps(Predictor(checkpoint, device), index, other)
    steps = tqdm(cascade(checkpoint.model), desc="randomisation", unit="step", leave=False)
    for name, model in steps:
        predictor = Predictor(dataclasses.replace(checkpoint, model=model), device)
        found[name] = free_maps(predictor, index, pairs)
    return {
        name: {
            kind: _mean(rank_correlation(maps[kind], values), draws)
            for kind, values in of_step.items()
        }
        for name, of_step in found.items()
    }


def _on_the_next_film(pairs: list[Pair]) -> list[Pair] | None:
    """The same findings on the following film, for what maps of all films share; None for one."""
    rows = list(dict.fromkeys(pair.row for pair in pairs))
    if len(rows) < 2:
        return None
    following = dict(zip(rows, [*rows[1:], rows[0]], strict=True))
    return [Pair(following[pair.row], pair.finding) for pair in pairs]


def _mean(values: np.ndarray, draws: Resamples) -> Estimate | None:
    """Mean of values (N,) that are there, with its interval over patients; None without any."""
    rows = np.flatnonzero(np.isfinite(values))
    if not len(rows):
        return None
    own = draws.take(rows)
    count, total = own.sums(np.ones(len(rows))), own.sums(values[rows])
    drawn = np.divide(total, count, out=np.full(len(total), np.nan), where=count > 0)
    return interval(float(values[rows].mean()), drawn)


def _area_table(areas: dict[str, dict[str, Estimate]]) -> Table:
    shown: dict[str, Any] = {"Order of the cells": [_name(kind) for kind in areas]}
    for name in next(iter(areas.values())):
        shown |= columns(name, [of_kind[name] for of_kind in areas.values()])
    return Table(
        "faithfulness",
        "Probability as cells are taken away or given back",
        pd.DataFrame(shown),
        "Deletion: mean probability while cells give way to the film's mean gray, lower is better. "
        "Insertion: while a blurred film gets its cells back, higher is better. ROAD: without the "
        "least relevant cells less without the most relevant ones, filled from their surroundings; "
        "above zero is better. In brackets: 95 % interval over resampled patients.",
    )


def _randomisation_table(correlations: Correlations) -> Table:
    shown: dict[str, Any] = {"Random weights, down to": list(correlations)}
    for kind in next(iter(correlations.values())):
        shown |= columns(_name(kind), [of_step[kind] for of_step in correlations.values()])
    return Table(
        "randomisation",
        "Rank correlation of the maps with those of the trained model",
        pd.DataFrame(shown),
        "Each row keeps the random weights of the rows above it. Attention does not depend on the "
        f"classifiers. '{ANOTHER_FILM}' says how much the maps of a finding share anyway. In "
        "brackets: 95 % interval over resampled patients.",
    )


def _area_sentences(areas: dict[str, dict[str, Estimate]]) -> list[str]:
    return [
        f"{_name(kind)}: deletion {said(e['deletion less random'], sign=True)} and insertion "
        f"{said(e['insertion less random'], sign=True)} against the random order; ROAD "
        f"{said(e['ROAD'], sign=True)}."
        for kind, e in areas.items()
        if kind != RANDOM
    ]


def _randomisation_sentences(correlations: Correlations) -> list[str]:
    last, of_last = list(correlations.items())[-1]
    told = [f"{_name(kind)} {said(e)}" for kind, e in of_last.items() if e is not None]
    if not told:
        return [f"With random weights down to the {last} no map is left to compare."]
    return [
        f"With random weights down to the {last}, the rank correlation with the trained model's "
        f"maps is: {listed(told)}. A map that learned nothing would stay near 1."
    ]


def _metrics(areas: dict[str, dict[str, Estimate]], correlations: Correlations) -> dict[str, Any]:
    return {
        "areas": {
            kind: {name: as_json(e) for name, e in of_kind.items()}
            for kind, of_kind in areas.items()
        },
        "randomisation": {
            step: {kind: as_json(e) for kind, e in of_step.items()}
            for step, of_step in correlations.items()
        },
    }


def _name(kind: str) -> str:
    return "Random order" if kind == RANDOM else MODEL_MAPS[kind]

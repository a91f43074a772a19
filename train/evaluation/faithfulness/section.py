"""Do the maps show what the model uses? Deletion, insertion and ROAD.

Every map costs dozens of backbone passes, so only `Study.map_films` films are measured, chosen by
a hash of their names.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import groupby

import numpy as np
import pandas as pd
import torch
from matplotlib.figure import Figure
from tqdm import tqdm

from lmeran.config import Preprocessing
from lmeran.findings import FINDINGS, State
from lmeran.model.lmeran import LMeRAN
from lmeran.predictor import Predictor
from train.augment import network_input
from train.data.index import Index
from train.data.pixels import cached_pixels
from train.evaluation.bootstrap import Resamples, draw, macro
from train.evaluation.faithfulness.masks import SHARES, Film, area, cell_order
from train.evaluation.figures import Line, line_figure
from train.evaluation.localisation.cases import read_film
from train.evaluation.localisation.maps import MODEL_MAPS, model_maps
from train.evaluation.metrics import seed_of
from train.evaluation.section import Section, row, tidy
from train.evaluation.study import Study

RANDOM_ORDERS = 2
"""Random orders of each film's cells; the mean of their curves is the control."""

RANDOM = "random"
NAMES = {**MODEL_MAPS, RANDOM: "Random order"}


@dataclass(frozen=True)
class Pair:
    """A film, by its row of the index, and one of its true findings, by its place."""

    row: int
    finding: int


@dataclass(frozen=True, eq=False)
class Curves:
    """Probabilities of each pair's finding as cells are altered in the order of one kind of map.

    deletion, insertion: float64 (N, len(SHARES)). road: (N,), mean over `ROAD_SHARES` of the
    probability without the least relevant cells less that without the most relevant ones: above
    zero where the map's order means something.
    """

    deletion: np.ndarray
    insertion: np.ndarray
    road: np.ndarray


def faithfulness_section(study: Study) -> Section | None:
    """Deletion, insertion and ROAD; None without true findings.

    Each film is measured with all its true findings. Raises `DataError` where one cannot be read.
    """
    pairs = choose_pairs(study.index, study.config.map_films)
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
    return Section(
        key="faithfulness",
        facts={"films": len(chosen), "maps": len(pairs)},
        frames={"faithfulness": area_frame(curves, draws)},
        figures={"faithfulness_curves": _curve_figure(curves)},
    )


def choose_pairs(index: Index, films: int) -> list[Pair]:
    """The true findings of `films` films with any, chosen by a hash of their names."""
    with_findings = np.flatnonzero((index.labels > 0.5).any(axis=1)).tolist()
    chosen = sorted(with_findings, key=lambda row: seed_of(index.names[row]))[:films]
    return [
        Pair(row, finding)
        for row in chosen
        for finding in np.flatnonzero(index.labels[row] > 0.5).tolist()
    ]


def free_maps(predictor: Predictor, index: Index, pairs: list[Pair]) -> dict[str, np.ndarray]:
    """The free maps of all pairs, kind -> (N, h, w); pairs of one film must follow each other."""
    found: dict[str, list[np.ndarray]] = {}
    for place, own in groupby(pairs, lambda pair: pair.row):
        film = predictor.encode(read_film(index, place))
        for kind, maps in model_maps(predictor, film, [pair.finding for pair in own]).items():
            found.setdefault(kind, []).extend(maps)
    return {kind: np.stack(maps) for kind, maps in found.items()}


def measure_curves(
    model: LMeRAN,
    squares: np.ndarray,
    names: list[str],
    pairs: list[Pair],
    maps: dict[str, np.ndarray],
    device: torch.device | str,
) -> dict[str, Curves]:
    """Deletion, insertion and ROAD of every pair, for each kind of map and for random orders.

    squares: uint8 (N, S, S), the network's pixels of each pair's film; names seed what is random.
    """
    found: dict[str, list[tuple[np.ndarray, np.ndarray, float]]] = {}
    for k, pair in enumerate(tqdm(pairs, desc="faithfulness", unit="map", leave=False)):
        rng = np.random.default_rng(seed_of(names[k]))
        film = Film(squares[k].astype(np.float32) / 255, rng)
        orders = {kind: [cell_order(values[k], rng)] for kind, values in maps.items()}
        orders[RANDOM] = [rng.permutation(model.config.grid**2) for _ in range(RANDOM_ORDERS)]
        for kind, own in orders.items():
            pictures = (np.stack(film.pictures(order)) for order in own)
            read = [probabilities(model, some, device)[:, pair.finding] for some in pictures]
            deletion, insertion, road = np.split(
                np.mean(read, axis=0), [len(SHARES), 2 * len(SHARES)]
            )
            without_first, without_last = np.split(road, 2)
            gap = float((without_last - without_first).mean())
            found.setdefault(kind, []).append((deletion, insertion, gap))
    return {kind: Curves(*map(np.array, zip(*own, strict=True))) for kind, own in found.items()}


@torch.inference_mode()
def probabilities(model: LMeRAN, pictures: np.ndarray, device: torch.device | str) -> np.ndarray:
    """Free probabilities of pictures, gray 0 .. 1 (K, S, S): float64 (K, 14)."""
    preprocessing: Preprocessing = model.config.preprocessing
    encoding = model.encode(network_input(torch.from_numpy(pictures), preprocessing).to(device))
    states = torch.full((len(pictures), len(FINDINGS)), int(State.UNKNOWN), device=device)
    return model.condition(encoding, states).logits.double().sigmoid().cpu().numpy()


def area_frame(curves: dict[str, Curves], draws: Resamples) -> pd.DataFrame:
    """Means over the pairs, with intervals, by order of the cells and measure."""
    rows, chance = [], curves[RANDOM]
    for kind, own in curves.items():
        deletion, insertion = area(own.deletion), area(own.insertion)
        measured = {
            "deletion": deletion,
            "deletion less random": deletion - area(chance.deletion),
            "insertion": insertion,
            "insertion less random": insertion - area(chance.insertion),
            "ROAD": own.road,
        }
        together = np.zeros(len(deletion), dtype=np.int64)
        estimates = macro(np.stack(list(measured.values()), axis=1), together, draws)
        for name, estimate in zip(measured, estimates, strict=True):
            rows.append(row(estimate, order=NAMES[kind], measure=name))
    return tidy(rows)


def _curve_figure(curves: dict[str, Curves]) -> Figure:
    titles = {
        "deletion": "Deletion: cells give way to mean gray",
        "insertion": "Insertion: a blurred film gets its cells back",
    }
    panels = {
        title: [Line(NAMES[k], SHARES, getattr(own, p).mean(axis=0)) for k, own in curves.items()]
        for p, title in titles.items()
    }
    return line_figure(panels, ("share of the cells", "mean probability"), limits=(0, None))

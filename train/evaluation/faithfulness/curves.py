"""What the model says of a film as cells are taken away in the order of each of its maps."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from tqdm import tqdm

from lmeran.config import Preprocessing
from lmeran.findings import FINDINGS, State
from lmeran.imaging.preprocess import normalise
from lmeran.model.lmeran import LMeRAN
from lmeran.predictor import Predictor
from train.data.index import Index
from train.evaluation.faithfulness.masks import (
    Altered,
    Film,
    cell_order,
    deletions,
    imputations,
    insertions,
)
from train.evaluation.localisation.cases import read_film
from train.evaluation.localisation.maps import model_maps

RANDOM_ORDERS = 2
"""Random orders of each film's cells; the mean of their curves is the control."""

BATCH = 32
RANDOM = "random"


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


def choose_pairs(index: Index, films: int) -> list[Pair]:
    """The true findings of `films` films with any, chosen by a hash of their names."""
    with_findings = np.flatnonzero((index.labels > 0.5).any(axis=1)).tolist()
    chosen = sorted(with_findings, key=lambda row: _seed(index.names[row]))[:films]
    return [
        Pair(row, finding)
        for row in chosen
        for finding in np.flatnonzero(index.labels[row] > 0.5).tolist()
    ]


def free_maps(predictor: Predictor, index: Index, pairs: list[Pair]) -> dict[str, np.ndarray]:
    """The free maps of all pairs, kind -> (N, h, w); pairs of one film must follow each other."""
    found: dict[str, list[np.ndarray]] = {}
    rows = list(dict.fromkeys(pair.row for pair in pairs))
    for row in rows:
        film = predictor.encode(read_film(index, row))
        findings = [pair.finding for pair in pairs if pair.row == row]
        for kind, maps in model_maps(predictor, film, findings, [{}] * len(findings)).items():
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
    A film's pictures are read once each, however many maps, findings and measures they serve; pairs
    of one film must follow each other.
    """
    found: dict[str, list[tuple[np.ndarray, np.ndarray, float]]] = {}
    rows = np.array([pair.row for pair in pairs])
    films = np.split(np.arange(len(pairs)), np.flatnonzero(np.diff(rows)) + 1)
    for members in tqdm(films, desc="faithfulness", unit="film", leave=False):
        first = members[0]
        rng = np.random.default_rng(_seed(names[first]))
        film = Film(squares[first].astype(np.float32) / 255, rng)
        shared = [rng.permutation(model.config.grid**2) for _ in range(RANDOM_ORDERS)]
        orders = {
            k: {kind: [cell_order(values[k], rng)] for kind, values in maps.items()}
            | {RANDOM: shared}
            for k in members
        }
        needed = [order for own in orders.values() for some in own.values() for order in some]
        seen = _read(model, film, needed, device)
        for k in members:
            for kind, own in orders[k].items():
                found.setdefault(kind, []).append(_curves(own, seen, pairs[k].finding))
    curves = {}
    for kind, measured in found.items():
        deletion, insertion, road = zip(*measured, strict=True)
        curves[kind] = Curves(np.array(deletion), np.array(insertion), np.array(road))
    return curves


def _read(
    model: LMeRAN, film: Film, orders: list[np.ndarray], device: torch.device | str
) -> dict[Altered, np.ndarray]:
    """Probabilities (14,) of every picture that the orders of its cells need."""
    wanted: dict[Altered, None] = {}
    for order in orders:
        for pictures in (deletions, insertions, imputations):
            wanted |= dict.fromkeys(pictures(order))
        wanted |= dict.fromkeys(imputations(order[::-1]))
    found, altered = {}, list(wanted)
    for start in range(0, len(altered), BATCH):
        some = altered[start : start + BATCH]
        pictures = np.stack([film.picture(a) for a in some])
        found |= dict(zip(some, probabilities(model, pictures, device), strict=True))
    return found


def _curves(
    orders: list[np.ndarray], seen: dict[Altered, np.ndarray], finding: int
) -> tuple[np.ndarray, np.ndarray, float]:
    """Deletion, insertion and ROAD of one finding, the mean over the orders."""

    def heights(pictures: Callable[[np.ndarray], list[Altered]], turn: int = 1) -> np.ndarray:
        return np.mean([[seen[a][finding] for a in pictures(o[::turn])] for o in orders], axis=0)

    road = heights(imputations, -1) - heights(imputations)
    return heights(deletions), heights(insertions), float(road.mean())


@torch.inference_mode()
def probabilities(model: LMeRAN, pictures: np.ndarray, device: torch.device | str) -> np.ndarray:
    """Free probabilities of pictures, gray 0 .. 1 (K, S, S): float64 (K, 14)."""
    preprocessing: Preprocessing = model.config.preprocessing
    images = normalise(torch.from_numpy(pictures), preprocessing).to(device)
    encoding = model.encode(images.contiguous(memory_format=torch.channels_last))
    states = torch.full((len(pictures), len(FINDINGS)), int(State.UNKNOWN), device=device)
    return model.condition(encoding, states).logits.double().sigmoid().cpu().numpy()


def _seed(text: str) -> int:
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big")

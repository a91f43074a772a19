"""What the model says of a film as cells are taken away in the order of each of its maps."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

import numpy as np
import torch
from tqdm import tqdm

from lmeran.config import Preprocessing
from lmeran.findings import FINDINGS, State
from lmeran.model import LMeRAN
from lmeran.predictor import Predictor
from lmeran.preprocess import normalise
from train.evidence.faithfulness_masks import (
    ROAD_SHARES,
    SHARES,
    cell_order,
    deletions,
    first_cells,
    imputed,
    insertions,
)
from train.evidence.localisation_cases import read_film
from train.evidence.localisation_maps import model_maps
from train.index import Index

RANDOM_ORDERS = 2
"""Random orders for each film and finding; the mean of their curves is the control."""

BATCH = 32
RANDOM = "random"


@dataclass(frozen=True)
class Pair:
    """A film, by its row of the index, and one of its true findings, by its place."""

    row: int
    finding: int


@dataclass(frozen=True, eq=False)
class Curves:
    """Probabilities of each pair's finding, for each kind of map and `RANDOM`.

    deletion, insertion: kind -> float64 (N, len(SHARES)). road: kind -> (N,), mean over
    `ROAD_SHARES` of the probability without the least relevant cells less that without the most
    relevant ones: above zero where the map's order means something.
    """

    deletion: dict[str, np.ndarray]
    insertion: dict[str, np.ndarray]
    road: dict[str, np.ndarray]


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
) -> Curves:
    """Deletion, insertion and ROAD of every pair and kind of map, and of random orders.

    squares: uint8 (N, S, S), the network's pixels of each pair's film; names seed what is random.
    """
    deletion: dict[str, list[np.ndarray]] = {}
    insertion: dict[str, list[np.ndarray]] = {}
    road: dict[str, list[float]] = {}
    for k, pair in enumerate(tqdm(pairs, desc="faithfulness", unit="map", leave=False)):
        rng = np.random.default_rng(_seed(f"{names[k]}:{pair.finding}"))
        film = squares[k].astype(np.float32) / 255
        orders = {kind: [cell_order(values[k], rng)] for kind, values in maps.items()}
        cells = model.config.grid**2
        orders[RANDOM] = [rng.permutation(cells) for _ in range(RANDOM_ORDERS)]
        for kind, of_kind in orders.items():
            pictures = [p for order in of_kind for p in _pictures(film, order, rng)]
            values = finding_probability(model, pictures, pair.finding, device)
            values = values.reshape(len(of_kind), -1).mean(axis=0)
            away, back, least, most = np.split(values, _PARTS)
            deletion.setdefault(kind, []).append(away)
            insertion.setdefault(kind, []).append(back)
            road.setdefault(kind, []).append(float((least - most).mean()))
    return Curves(
        {kind: np.stack(curves) for kind, curves in deletion.items()},
        {kind: np.stack(curves) for kind, curves in insertion.items()},
        {kind: np.array(values) for kind, values in road.items()},
    )


@torch.inference_mode()
def finding_probability(
    model: LMeRAN, pictures: list[np.ndarray], finding: int, device: torch.device | str
) -> np.ndarray:
    """Free probability of one finding for pictures, gray 0 .. 1 (S, S): float64 (K,)."""
    preprocessing: Preprocessing = model.config.preprocessing
    found = []
    for start in range(0, len(pictures), BATCH):
        gray = torch.from_numpy(np.stack(pictures[start : start + BATCH]).astype(np.float32))
        encoding = model.encode(normalise(gray, preprocessing).to(device))
        states = torch.full((len(gray), len(FINDINGS)), int(State.UNKNOWN), device=device)
        logits = model.condition(encoding, states).logits[:, finding]
        found.append(logits.double().sigmoid().cpu().numpy())
    return np.concatenate(found)


_PARTS = np.cumsum([len(SHARES), len(SHARES), len(ROAD_SHARES)])
"""Where `_pictures` change from deletion to insertion, to ROAD's least and to its most relevant."""


def _pictures(film: np.ndarray, order: np.ndarray, rng: np.random.Generator) -> list[np.ndarray]:
    """All pictures to be read for one order of the cells."""
    least = [imputed(film, first_cells(order[::-1], share), rng) for share in ROAD_SHARES]
    most = [imputed(film, first_cells(order, share), rng) for share in ROAD_SHARES]
    return [*deletions(film, order, SHARES), *insertions(film, order, SHARES), *least, *most]


def _seed(text: str) -> int:
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big")

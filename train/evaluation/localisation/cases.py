"""Every box of an index measured: all maps of its finding, free and with the others pinned."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from tqdm import tqdm

from lmeran.findings import FINDINGS, State
from lmeran.imaging.files import read_file
from lmeran.imaging.geometry import Geometry
from lmeran.imaging.radiograph import Radiograph, ReadError
from lmeran.predictor import EncodedRadiograph, Predictor
from train.data.boxes import Box, Boxes, boxed_rows
from train.data.index import DataError, Index
from train.evaluation.localisation.controls import gaussian_map, random_maps, spike_map
from train.evaluation.localisation.maps import PINNABLE, model_maps, other_findings
from train.evaluation.localisation.measures import match


@dataclass(frozen=True)
class Case:
    """One lesion: a finding of a film that has a box, or several that count as one.

    row: of the index; finding: position in `FINDINGS`; others: the film's other true findings,
    pinned positive in the conditioned maps.
    """

    row: int
    finding: int
    boxes: tuple[Box, ...]
    others: dict[str, State]


@dataclass(frozen=True, eq=False)
class Measured:
    """What every map is worth on every case.

    free, pinned: kind -> float64 (N, len(MEASURES)); `pinned` holds the maps that pins can move
    and equals `free` where the film has no other finding. maps: kind -> (N, h, w), the model's
    free maps.
    """

    cases: tuple[Case, ...]
    free: dict[str, np.ndarray]
    pinned: dict[str, np.ndarray]
    maps: dict[str, np.ndarray]

    @property
    def findings(self) -> np.ndarray:
        """Int64 (N,), position of each case's finding in `FINDINGS`."""
        return np.array([case.finding for case in self.cases])

    @property
    def has_others(self) -> np.ndarray:
        """Bool (N,), whether there is anything to pin."""
        return np.array([bool(case.others) for case in self.cases])

    def empty_maps(self, kind: str) -> int:
        """How many free maps of a kind have no positive value, and so detect nothing."""
        return int((self.maps[kind].max(axis=(1, 2)) <= 0).sum())


def cases_of(index: Index, boxes: Boxes) -> tuple[Case, ...]:
    """The lesions of an index, film by film, findings in the order of `FINDINGS`."""
    cases = []
    for row in boxed_rows(index, boxes):
        of_film = boxes[index.names[row]]
        for f, finding in enumerate(FINDINGS):
            if finding in of_film:
                others = other_findings(index.labels[row], f)
                cases.append(Case(row, f, of_film[finding], others))
    return tuple(cases)


def measure(
    predictor: Predictor,
    index: Index,
    cases: tuple[Case, ...],
    best: np.ndarray,
    heat: dict[int, np.ndarray],
) -> Measured:
    """All maps and controls of all cases; one backbone pass a film.

    best: (N, h, w) of `best_maps`; heat: of `training_heat`, the Gaussian stands in where a finding
    has none.
    """
    free: dict[str, list[np.ndarray]] = {}
    pinned: dict[str, list[np.ndarray]] = {}
    maps: dict[str, list[np.ndarray]] = {}
    by_film: dict[int, list[int]] = {}
    for k, case in enumerate(cases):
        by_film.setdefault(case.row, []).append(k)
    for row, members in tqdm(by_film.items(), desc="localisation", unit="film", leave=False):
        film = predictor.encode(read_film(index, row))
        of_film = [cases[k] for k in members]
        for kind, (plain, moved) in _film_maps(predictor, film, of_film).items():
            maps.setdefault(kind, []).extend(plain)
            free.setdefault(kind, []).extend(_values(plain, film.geometry, of_film))
            if kind in PINNABLE:
                pinned.setdefault(kind, []).extend(_values(moved, film.geometry, of_film))
        for k, case in zip(members, of_film, strict=True):
            controls = _controls(case, index.names[row], film.geometry, best[k], heat)
            for kind, values in controls.items():
                free.setdefault(kind, []).append(values)
    return Measured(
        cases,
        {kind: np.stack(values) for kind, values in free.items()},
        {kind: np.stack(values) for kind, values in pinned.items()},
        {kind: np.stack(values) for kind, values in maps.items()},
    )


def read_film(index: Index, row: int) -> Radiograph:
    """The film of a row of the index. Raises `DataError` where it cannot be read."""
    try:
        return read_file(index.root / index.files[row])
    except ReadError as error:
        raise DataError(f"{index.files[row]} cannot be read: {error}") from None


def _film_maps(
    predictor: Predictor, film: EncodedRadiograph, cases: list[Case]
) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Kind -> maps (cases, h, w), free and with each case's other findings pinned."""
    findings = [case.finding for case in cases]
    scenarios = [{} for _ in cases] + [case.others for case in cases]
    both = model_maps(predictor, film, findings * 2, scenarios)
    return {kind: (maps[: len(cases)], maps[len(cases) :]) for kind, maps in both.items()}


def _values(maps: np.ndarray, geometry: Geometry, cases: list[Case]) -> list[np.ndarray]:
    pairs = zip(maps, cases, strict=True)
    return [match(values, geometry, case.boxes).values() for values, case in pairs]


def _controls(
    case: Case, name: str, geometry: Geometry, best: np.ndarray, heat: dict[int, np.ndarray]
) -> dict[str, np.ndarray]:
    """Kind -> values (len(MEASURES),) of the maps that need no model.

    The random map is the mean over its draws; the ceiling is for each measure the better of the
    map with the highest IoU and the spike.
    """
    grid = len(best)

    def worth(values: np.ndarray) -> np.ndarray:
        return match(values, geometry, case.boxes).values()

    draws = random_maps(name, case.finding, grid)
    random = np.mean([worth(values) for values in draws], axis=0)
    centre = heat.get(case.finding, gaussian_map())
    ceiling = np.maximum(worth(best), worth(spike_map(case.boxes, grid)))
    return {"random": random, "centre": worth(centre), "ceiling": ceiling}

"""Every box of an index measured: all maps of its finding, nothing pinned."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import groupby

import numpy as np
from tqdm import tqdm

from lmeran.findings import FINDINGS
from lmeran.imaging.files import read_file
from lmeran.imaging.radiograph import Radiograph, ReadError
from lmeran.predictor import Predictor
from train.data.boxes import Box, Boxes, boxed_rows, coverage
from train.data.index import DataError, Index
from train.evaluation.localisation.controls import gaussian_map, random_maps
from train.evaluation.localisation.maps import model_maps
from train.evaluation.localisation.measures import match


@dataclass(frozen=True)
class Case:
    """One lesion: a finding of a film that has a box, or several that count as one.

    row: of the index; finding: position in `FINDINGS`.
    """

    row: int
    finding: int
    boxes: tuple[Box, ...]


def cases_of(index: Index, boxes: Boxes) -> tuple[Case, ...]:
    """The lesions of an index, film by film, findings in the order of `FINDINGS`."""
    return tuple(
        Case(row, f, boxes[index.names[row]][finding])
        for row in boxed_rows(index, boxes)
        for f, finding in enumerate(FINDINGS)
        if finding in boxes[index.names[row]]
    )


def measure(
    predictor: Predictor, index: Index, cases: tuple[Case, ...], heat: dict[int, np.ndarray]
) -> dict[str, np.ndarray]:
    """Kind of map -> `MEASURES` on every case, float64 (N, len(MEASURES)).

    heat: of `training_heat`, the Gaussian stands in where a finding has none. A random map is the
    mean over its draws.
    """
    found: dict[str, list[np.ndarray]] = {}
    films = [(row, list(own)) for row, own in groupby(cases, lambda case: case.row)]
    for row, own in tqdm(films, desc="localisation", unit="film", leave=False):
        film = predictor.encode(read_film(index, row))
        maps = model_maps(predictor, film, [case.finding for case in own])
        for k, case in enumerate(own):
            truth = coverage(case.boxes, film.geometry.height, film.geometry.width)
            grid = maps["cam"].shape[1]
            kinds = {kind: [values[k]] for kind, values in maps.items()}
            kinds["random"] = random_maps(index.names[row], case.finding, grid)
            kinds["centre"] = [heat.get(case.finding, gaussian_map())]
            kinds["truth"] = [coverage(case.boxes, grid, grid)]
            for kind, several in kinds.items():
                worth = [match(values, film.geometry, truth) for values in several]
                found.setdefault(kind, []).append(np.mean(worth, axis=0))
    return {kind: np.stack(values) for kind, values in found.items()}


def read_film(index: Index, row: int) -> Radiograph:
    """The film of a row of the index. Raises `DataError` where it cannot be read."""
    try:
        return read_file(index.root / index.files[row])
    except ReadError as error:
        raise DataError(f"{index.files[row]} cannot be read: {error}") from None

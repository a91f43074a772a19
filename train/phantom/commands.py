"""`python -m train phantom`: the viewer's example films, or a data set of a synthetic world."""

from __future__ import annotations

from pathlib import Path

from jsonargparse.typing import NonNegativeInt, PositiveInt, restricted_number_type

from lmeran.predictor import Predictor
from train.phantom.dataset import write_world
from train.phantom.drawing.patient import SMALLEST_SIDE
from train.phantom.examples import write_examples

FilmSide = restricted_number_type("FilmSide", int, (">=", SMALLEST_SIDE))


def phantom(
    out: Path,
    films: NonNegativeInt = 0,
    checkpoint: str | None = None,
    patients: PositiveInt = 6,
    size: FilmSide = 128,
    seed: NonNegativeInt = 0,
    workers: NonNegativeInt = 0,
) -> None:
    """Draw synthetic films: the viewer's examples, as a checkpoint sees them, or a data set.

    Args:
        out: folder to write to
        films: size of a data set with a known joint distribution; 0: the examples
        checkpoint: that the examples are chosen with; the bundled one
        patients: drawn with each finding to choose the examples from
        size: side of the data set's films in pixels
        seed: of its patients and findings
        workers: processes; 0: one for each core
    """
    out.mkdir(parents=True, exist_ok=True)  # before what takes minutes
    if not films:
        print(write_examples(out, Predictor.from_pretrained(checkpoint), patients))
        return
    write_world(out, films, size, seed, workers)
    print(f"{films} films are in {out}; next: python -m train fit --data {out} --out RUN")

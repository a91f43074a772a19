"""`python -m train phantom`: its options and what it prints."""

from __future__ import annotations

from pathlib import Path

from jsonargparse import ArgumentParser, Namespace
from jsonargparse.typing import NonNegativeInt, PositiveInt

from lmeran.predictor import Predictor
from train.phantom.dataset import write_world
from train.phantom.examples import write_examples


def phantom_parser() -> ArgumentParser:
    parser = ArgumentParser(
        description="Draw synthetic films: the examples of the viewer, chosen by what a checkpoint "
        "makes of them, or with --films a data set."
    )
    parser.add_argument("--out", type=str, required=True, help="folder to write to")
    parser.add_argument(
        "--films",
        type=NonNegativeInt,
        default=0,
        help="size of a data set with a known joint distribution",
    )
    parser.add_argument(
        "--checkpoint", type=str | None, help="that the examples are chosen with; the bundled one"
    )
    parser.add_argument(
        "--patients", type=PositiveInt, default=6, help="drawn with each finding to choose from"
    )
    parser.add_argument("--size", type=PositiveInt, default=128, help="side of its films in pixels")
    parser.add_argument(
        "--seed", type=NonNegativeInt, default=0, help="of its patients and findings"
    )
    parser.add_argument(
        "--workers", type=NonNegativeInt, default=0, help="processes; 0: one a core"
    )
    return parser


def run_phantom(given: Namespace) -> None:
    out = Path(given.out)
    if not given.films:
        predictor = Predictor.from_pretrained(given.checkpoint)
        print(write_examples(out, predictor, given.patients))
        return
    write_world(out, given.films, given.size, given.seed, given.workers)
    print(f"{given.films} films are in {out}; next: python -m train fit --data {out} --out RUN")

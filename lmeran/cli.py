"""`python -m lmeran predict` and `explain`: films in, one object a film out.

predict gives readings, as JSON lines or CSV; explain says why they are so, as JSON lines.
"""

from __future__ import annotations

import argparse
import contextlib
import csv
import json
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TextIO

import torch
from tqdm import tqdm

from lmeran.checkpoint import CheckpointError
from lmeran.cli_export import add_export
from lmeran.cli_replay import add_replay
from lmeran.explain import explain_object
from lmeran.files import FILM_SUFFIXES, looks_like_film, read_file
from lmeran.findings import PinError, Pins, parse_pins
from lmeran.hub import open_checkpoint
from lmeran.predictor import EncodedFilm, Predictor
from lmeran.radiograph import Radiograph, ReadError
from lmeran.report import csv_columns, csv_row, error_object, reading_object

USAGE_ERROR = 2

PerFilm = Callable[[Predictor, Path, Pins], dict[str, Any]]


def main(arguments: list[str] | None = None) -> int:
    """Exit status: 0, 1 when a film failed, 2 when nothing could start."""
    given = _parser().parse_args(arguments)
    try:
        if "run" in given:
            return given.run(given)
        pins = parse_pins(given.pin)
        films = list_films(given.films)
        device = "cuda" if given.device == "auto" and torch.cuda.is_available() else given.device
        predictor = Predictor(
            open_checkpoint(given.checkpoint), "cpu" if device == "auto" else device
        )
        with _output(given.out) as stream:
            write = _writer(given.format, stream, csv_columns(predictor.checkpoint))
            return _each_film(given.per_film, predictor, films, pins, write)
    except (CheckpointError, PinError, FileNotFoundError, OSError) as error:
        print(error, file=sys.stderr)
        return USAGE_ERROR


def list_films(arguments: list[str]) -> list[Path]:
    """Files as named; folders become the films in them, at any depth, sorted.

    In a folder, a file counts as a film by its ending or, with another ending or none, by its
    first bytes: DICOM files often have no ending.
    """
    films: list[Path] = []
    for argument in arguments:
        path = Path(argument)
        if not path.is_dir():
            films.append(path)
            continue
        inside = sorted(p for p in path.rglob("*") if p.is_file() and not p.name.startswith("."))
        films += [p for p in inside if p.suffix.lower() in FILM_SUFFIXES or looks_like_film(p)]
    if not films:
        raise FileNotFoundError("No film in what was named; give DICOM, PNG or JPEG files.")
    return films


def predict_file(predictor: Predictor, path: Path, pins: Pins) -> dict[str, Any]:
    """One film as the JSON object; a file that cannot be read gives the object with its error."""

    def describe(film: Radiograph, encoded: EncodedFilm) -> dict[str, Any]:
        reading = predictor.read(encoded, pins)
        identity = predictor.checkpoint.identity
        return reading_object(str(path), identity, reading, film.warnings, encoded.gate)

    return _described(predictor, path, describe)


def explain_file(predictor: Predictor, path: Path, pins: Pins) -> dict[str, Any]:
    """The same for `explain_object`."""

    def describe(film: Radiograph, encoded: EncodedFilm) -> dict[str, Any]:
        return explain_object(str(path), predictor, encoded, pins, film.warnings)

    return _described(predictor, path, describe)


def _described(
    predictor: Predictor,
    path: Path,
    describe: Callable[[Radiograph, EncodedFilm], dict[str, Any]],
) -> dict[str, Any]:
    try:
        film = read_file(path)
    except ReadError as error:
        return error_object(str(path), predictor.checkpoint.identity, str(error))
    return describe(film, predictor.encode(film))


def _each_film(
    per_film: PerFilm,
    predictor: Predictor,
    films: list[Path],
    pins: Pins,
    write: Callable[[dict[str, Any]], None],
) -> int:
    failed = 0
    # disable=None: a bar on a terminal only
    for path in tqdm(films, desc="films", unit="film", disable=None, file=sys.stderr):
        film = per_film(predictor, path, pins)
        failed += film["error"] is not None
        write(film)
    return 1 if failed else 0


def _writer(
    form: str, stream: TextIO, columns: tuple[str, ...]
) -> Callable[[dict[str, Any]], None]:
    if form == "json":
        return lambda film: print(json.dumps(film, ensure_ascii=False), file=stream, flush=True)
    table = csv.DictWriter(stream, columns)
    table.writeheader()
    return lambda film: table.writerow(csv_row(film))


@contextlib.contextmanager
def _output(path: str | None) -> Iterator[TextIO]:
    if path is None:
        yield sys.stdout
        return
    with Path(path).open("w", newline="", encoding="utf-8") as stream:
        yield stream


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m lmeran",
        description="Label-conditioned chest X-ray reading. Research use, not for diagnosis.",
    )
    commands = parser.add_subparsers(dest="command", required=True)
    common = _common_arguments()
    predict = commands.add_parser(
        "predict",
        parents=[common],
        help="probabilities of the 14 findings, free and under pins, raw and as calibrated",
    )
    predict.add_argument("--format", choices=("json", "csv"), default="json")
    predict.set_defaults(per_film=predict_file)
    explain = commands.add_parser(
        "explain",
        parents=[common],
        help="why: logits by part and pin, influence, next finding, label-only baseline",
    )
    explain.set_defaults(per_film=explain_file, format="json")
    add_export(commands)
    add_replay(commands)
    return parser


def _common_arguments() -> argparse.ArgumentParser:
    common = argparse.ArgumentParser(add_help=False)
    common.add_argument("films", nargs="+", metavar="FILE_OR_DIR", help="DICOM, PNG or JPEG")
    common.add_argument(
        "--pin",
        action="append",
        default=[],
        metavar="FINDING=STATE",
        help="what is known, e.g. Effusion=positive; repeat for more",
    )
    common.add_argument("--checkpoint", help="folder or hf://OWNER/REPO@REVISION")
    common.add_argument("--out", metavar="FILE", help="write here instead of standard output")
    common.add_argument("--device", default="cpu", help="cpu (default), cuda, cuda:N or auto")
    return common

"""`predict` and `explain` on many films: walked, decoded, read in batches, written one by one.

At no time more is held than the films between the decoding processes and the network.
"""

from __future__ import annotations

import argparse
import contextlib
import functools
import hashlib
import itertools
import json
import os
import sys
from collections.abc import Callable, Generator, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from tqdm import tqdm

from lmeran.checkpoint import Checkpoint
from lmeran.cli.launch import Launch
from lmeran.cli.lines import Lines
from lmeran.cli.outfile import OutFile
from lmeran.errors import UserError
from lmeran.explain.explain import explain_object
from lmeran.explain.region import RegionError, what_if
from lmeran.findings import Pins, parse_pins, pin_words
from lmeran.hub import open_checkpoint
from lmeran.imaging.decoding import Decoded, Decoder, Refused
from lmeran.imaging.decoding_pool import Outcome, decode_in_pool
from lmeran.imaging.sources import Source, share_of, walk
from lmeran.ood import identity as gate_identity
from lmeran.predictor import EncodedRadiograph, Predictor
from lmeran.serialize import csv_columns, error_object, reading_object

FEW = 8
"""Up to this many films are decoded by one process: more would take longer to start."""


@dataclass(frozen=True, eq=False)
class Film:
    """An encoded film, what it is called, and what was told when it was read."""

    label: str
    warnings: tuple[str, ...]
    encoded: EncodedRadiograph


Describe = Callable[[Predictor, list[Film], Pins], list[dict[str, Any]]]
"""Films of one batch to their JSON objects."""


class UsageError(UserError):
    """Options that do not go together: one sentence."""


def predict(predictor: Predictor, films: list[Film], pins: Pins) -> list[dict[str, Any]]:
    """The readings."""
    identity = predictor.checkpoint.identity
    readings = predictor.read_films([film.encoded for film in films], pins)
    return [
        reading_object(film.label, identity, reading, film.warnings, film.encoded.gate)
        for film, reading in zip(films, readings, strict=True)
    ]


def explain(
    predictor: Predictor, films: list[Film], pins: Pins, box: tuple[float, ...] | None = None
) -> list[dict[str, Any]]:
    """Why the readings are what they are, and what a region is worth. box: left, top, width and
    height in pixels of the film."""
    explained = [explain_object(f.label, predictor, f.encoded, pins, f.warnings) for f in films]
    for film, entry in zip(films, explained, strict=True) if box else ():
        try:
            entry["region"] = what_if(predictor, film.encoded, box, pins)
        except RegionError as error:
            entry["region"] = {"error": str(error)}
    return explained


def run(given: argparse.Namespace) -> int:
    """Exit status 0, or 1 where a film could not be read and there is no launcher.

    A launcher takes any other status for a failure of the process and ends the others.
    """
    launch, pins = Launch.of(os.environ), parse_pins(given.pin)
    describe: Describe = functools.partial(explain, box=given.without)
    if given.command == "predict":
        describe = predict
    alone = launch.world == 1
    if not alone and given.out is None:
        raise UsageError("Several processes cannot share standard output; give --out FILE.")
    checkpoint = open_checkpoint(given.checkpoint)
    predictor = Predictor(checkpoint, launch.device(given.device))
    if predictor.device.type == "cuda":
        # TensorFloat-32 keeps 10 bits of 23, and a GPU's numbers should be a processor's.
        torch.backends.cudnn.allow_tf32 = False
    with _sink(given, launch, checkpoint, pins) as sink:
        sources = walk(given.films)
        if not alone:
            sources = share_of(sources, launch.rank, launch.world)
        new = (source for source in sources if source.label not in sink.done)
        outcomes = _decoded(
            Decoder(checkpoint.config.preprocessing, given.frame), new, given, launch
        )
        answered = len(sink.done)
        bar = tqdm(
            desc="films",
            unit=" films",
            initial=answered,
            disable=None if launch.rank == 0 else True,  # None: a bar on a terminal only
            file=sys.stderr,
        )
        with contextlib.closing(outcomes), bar:
            for film in _answers(predictor, outcomes, given.batch, describe, pins):
                sink.write(film)
                bar.update()
                answered += 1
    if not answered and alone:
        raise UsageError("No film in what was named; give DICOM, PNG or JPEG files.")
    if given.out is not None:
        print(_summary(answered, len(sink.done), sink.failed), file=sys.stderr)
    return 1 if sink.failed and alone else 0


def _decoded(
    decoder: Decoder, sources: Iterator[Source], given: argparse.Namespace, launch: Launch
) -> Generator[tuple[Source, Outcome]]:
    """Films as the network takes them, by as many processes as were asked for or are worth it."""
    workers = given.workers
    if workers is None:
        first = list(itertools.islice(sources, FEW + 1))
        workers = 1 if len(first) <= FEW else launch.cores()
        sources = itertools.chain(first, sources)
    # Enough for two batches, and for each process to have its next film at hand.
    return decode_in_pool(decoder, sources, workers, ahead=2 * (given.batch + workers))


def _answers(
    predictor: Predictor,
    outcomes: Iterable[tuple[Source, Outcome]],
    batch: int,
    describe: Describe,
    pins: Pins,
) -> Iterator[dict[str, Any]]:
    """One object per film, in order; the network runs on up to `batch` films at once."""
    for chunk in _chunks(outcomes, batch):
        decoded = [(source, it) for source, it in chunk if isinstance(it, Decoded)]
        described = iter(describe(predictor, _encoded(predictor, decoded), pins))
        for source, outcome in chunk:
            if isinstance(outcome, Refused):
                yield error_object(source.label, predictor.checkpoint.identity, outcome.reason)
            else:
                yield next(described)


def _chunks(
    outcomes: Iterable[tuple[Source, Outcome]], batch: int
) -> Iterator[list[tuple[Source, Decoded | Refused]]]:
    """Up to `batch` decoded films, and the refused ones between them; what is no film is left out.

    Many refused ones make a chunk too, so that they are told when they are met.
    """
    chunk: list[tuple[Source, Decoded | Refused]] = []
    decoded = 0
    for source, outcome in outcomes:
        if outcome is None:
            continue
        chunk.append((source, outcome))
        decoded += isinstance(outcome, Decoded)
        if decoded == batch or len(chunk) == 4 * batch:
            yield chunk
            chunk, decoded = [], 0
    if chunk:
        yield chunk


def _encoded(predictor: Predictor, decoded: list[tuple[Source, Decoded]]) -> list[Film]:
    if not decoded:
        return []
    squares = np.stack([film.square for _, film in decoded])
    try:
        encoded = predictor.encode_many(squares, [(f.height, f.width) for _, f in decoded])
    except torch.OutOfMemoryError:
        raise UsageError(
            f"The GPU's memory is too small for {len(decoded)} films at once; give a smaller "
            "--batch."
        ) from None
    return [
        Film(source.label, film.warnings, one)
        for (source, film), one in zip(decoded, encoded, strict=True)
    ]


class _StandardOutput:
    """Answers to standard output, from the first film on."""

    def __init__(self, form: Lines) -> None:
        self._form = form
        self.done: set[str] = set()
        self.failed = 0
        self._print(form.head())

    def write(self, film: dict[str, Any]) -> None:
        self._print(self._form.line(film))
        self.failed += film["error"] is not None

    def _print(self, data: bytes) -> None:
        sys.stdout.write(data.decode())
        sys.stdout.flush()


def _sink(
    given: argparse.Namespace, launch: Launch, checkpoint: Checkpoint, pins: Pins
) -> contextlib.AbstractContextManager[OutFile | _StandardOutput]:
    form = Lines(csv_columns(checkpoint) if given.format == "csv" else ())
    if given.out is None:
        return contextlib.nullcontext(_StandardOutput(form))
    path = launch.file(Path(given.out))
    return OutFile(path, form, _made(given, checkpoint, pins), given.restart)


def _made(given: argparse.Namespace, checkpoint: Checkpoint, pins: Pins) -> dict[str, Any]:
    """All that the answers depend on but for the films: a run resumes only with the same."""
    config = json.dumps(checkpoint.config.to_dict(), sort_keys=True).encode()
    fitted, gate = checkpoint.calibration, checkpoint.gate
    return {
        "command": given.command,
        "format": given.format,
        "checkpoint": checkpoint.identity,
        "config": hashlib.sha256(config).hexdigest()[:8],
        "calibration": None if fitted is None else fitted.identity,
        "gate": None if gate is None else gate_identity(gate),
        "pins": dict(sorted(pin_words(pins).items())),
        "frame": given.frame,
        **({"without": list(given.without)} if given.without else {}),
    }


def _summary(answered: int, before: int, failed: int) -> str:
    words = [f"{answered} film{'' if answered == 1 else 's'} answered"]
    if before:
        words.append(f"{before} of them before")
    if failed:
        words.append(f"{failed} could not be read and say why under error")
    return ", ".join(words) + "."

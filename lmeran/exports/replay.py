"""Recompute a reading file on its image and say whether it comes out the same."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from lmeran.checkpoint import SELF_TEST_TOLERANCE
from lmeran.exports.reading_file import (
    ImageIdentity,
    ReadingFile,
    calibration_identity,
    reading_outputs,
)
from lmeran.predictor import EncodedRadiograph, Predictor

TOLERANCE = SELF_TEST_TOLERANCE
"""Probabilities may differ by this much: what a checkpoint's self-test allows between machines."""
LOGITS_PER_PROBABILITY = 10.0
"""Logits may differ by this many times the tolerance of probabilities, for a logit moves 4 times
as fast as a probability at 0.5 and faster towards the ends."""


@dataclass(frozen=True)
class Difference:
    """One thing that is not as recorded.

    where: "image", "checkpoint", "calibration" or a finding; what: which value of it; recorded,
    found: as text.
    """

    where: str
    what: str
    recorded: str
    found: str

    def __str__(self) -> str:
        return f"{self.where}: {self.what} was {self.recorded} and is {self.found}"


@dataclass(frozen=True)
class Replay:
    """What a comparison gave.

    differences: beyond the tolerance, in the order of the file. largest, largest_logit: how far
    the farthest probability and line of a logit lay off, within the tolerance or not.
    """

    differences: tuple[Difference, ...]
    tolerance: float
    largest: float
    largest_logit: float

    @property
    def equal(self) -> bool:
        return not self.differences

    def lines(self) -> list[str]:
        """The result in words: a sentence, then each difference."""
        bounds = (
            f"probabilities within {self.tolerance:g} and parts of logits within "
            f"{self.tolerance * LOGITS_PER_PROBABILITY:g} logits; farthest off: "
            f"{self.largest:.2g} and {self.largest_logit:.2g}"
        )
        if self.equal:
            return [f"Equal ({bounds})."]
        count = len(self.differences)
        noun = "value differs" if count == 1 else "values differ"
        return [f"Not equal: {count} {noun} ({bounds}).", *map(str, self.differences)]


def replay(
    file: ReadingFile,
    predictor: Predictor,
    image: ImageIdentity,
    film: EncodedRadiograph,
    tolerance: float = TOLERANCE,
) -> Replay:
    """Read the film under the file's pins and compare with what the file recorded.

    image, film: the film at hand. Another image or checkpoint is a difference like any other, and
    the numbers are compared all the same.
    """
    found = reading_outputs(predictor, film, file.pins)
    differences = [
        *_unequal("image", "SHA-256 of the pixels", file.image.sha256, image.sha256),
        *_unequal("image", "size", _size(file.image), _size(image)),
        *_unequal("checkpoint", "identity", file.checkpoint, predictor.checkpoint.identity),
    ]
    # A calibration that came later is an addition; another one than recorded is a difference.
    if file.calibration is not None:
        calibration = calibration_identity(predictor) or "not there"
        differences += _unequal("calibration", "identity", file.calibration, calibration)
    largest = {1.0: 0.0, LOGITS_PER_PROBABILITY: 0.0}  # distance by multiple of the tolerance
    for recorded, now in zip(file.findings, found, strict=True):
        for what, before, after, scale in _pairs(recorded, now):
            distance = abs(before - after) if None not in (before, after) else 0.0
            largest[scale] = max(largest[scale], distance)
            if (before is None) != (after is None) or distance > tolerance * scale:
                words = ("not there" if v is None else f"{v:.6f}" for v in (before, after))
                differences.append(Difference(recorded["finding"], what, *words))
    return Replay(tuple(differences), tolerance, *largest.values())


def _pairs(
    recorded: dict[str, Any], found: dict[str, Any]
) -> Iterator[tuple[str, float | None, float | None, float]]:
    """Every number of a finding's entry in the file, then its decomposition line by line: the name,
    the value as recorded and as found (None where there is none), and the tolerance's multiple.

    Numbers that only a newer program computes are not in the file and are passed over.
    """
    for name, value in recorded.items():
        if name == "conditioned" or type(value) in (int, float):
            now = found.get(name)
            yield name, value, now if type(now) in (int, float) else None, 1.0
    before, now = _decomposition(recorded), _decomposition(found)
    for name in dict.fromkeys((*before, *now)):
        yield f"logit, {name}", before.get(name), now.get(name), LOGITS_PER_PROBABILITY


def _decomposition(entry: dict[str, Any]) -> dict[str, float]:
    """Lines of a decomposition by a name that says which: 'bias', 'pin Effusion positive'."""
    return {
        " ".join(w for w in (line["part"], line["finding"], line["state"]) if w): line["logits"]
        for line in entry["decomposition"]
    }


def _unequal(where: str, what: str, recorded: str, found: str) -> list[Difference]:
    return [] if recorded == found else [Difference(where, what, recorded, found)]


def _size(image: ImageIdentity) -> str:
    return f"{image.width} x {image.height}"

"""Recompute a reading file on its image and say whether it comes out the same."""

from __future__ import annotations

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
            f"probabilities within {self.tolerance:g} and ledger within "
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
    identities = [
        *_unequal("image", "SHA-256 of the pixels", file.image.sha256, image.sha256),
        *_unequal("image", "size", _size(file.image), _size(image)),
        *_unequal("checkpoint", "identity", file.checkpoint, predictor.checkpoint.identity),
    ]
    # A calibration that came later is an addition; another one than recorded is a difference.
    if file.calibration is not None:
        now = calibration_identity(predictor) or "not there"
        identities += _unequal("calibration", "identity", file.calibration, now)
    compared = [
        part
        for recorded, now in zip(file.findings, found, strict=True)
        for part in _compared(recorded, now)
    ]
    probabilities = [p for p in compared if not p.logits]
    decomposition = [p for p in compared if p.logits]
    return Replay(
        differences=(*identities, *(p.as_difference() for p in compared if p.exceeds(tolerance))),
        tolerance=tolerance,
        largest=max((p.distance for p in probabilities), default=0.0),
        largest_logit=max((p.distance for p in decomposition), default=0.0),
    )


@dataclass(frozen=True)
class _Pair:
    """One value as recorded and as found; None where there is none."""

    finding: str
    what: str
    recorded: float | None
    found: float | None
    logits: bool = False

    @property
    def distance(self) -> float:
        """0 where a value is missing on either side: it then has no distance."""
        if self.recorded is None or self.found is None:
            return 0.0
        return abs(self.recorded - self.found)

    def exceeds(self, tolerance: float) -> bool:
        if (self.recorded is None) != (self.found is None):
            return True
        return self.distance > tolerance * (LOGITS_PER_PROBABILITY if self.logits else 1)

    def as_difference(self) -> Difference:
        return Difference(self.finding, self.what, _number(self.recorded), _number(self.found))


def _compared(recorded: dict[str, Any], found: dict[str, Any]) -> list[_Pair]:
    """Every number of a finding's entry that the file holds, and its decomposition line by line.

    Numbers that only a newer program computes are not in the file and are passed over.
    """
    finding = recorded["finding"]
    numbers = [
        _Pair(finding, name, value, _or_none(found.get(name)))
        for name, value in recorded.items()
        if name == "conditioned" or type(value) in (int, float)
    ]
    before, now = _decomposition(recorded), _decomposition(found)
    lines = [
        _Pair(finding, f"ledger, {name}", before.get(name), now.get(name), logits=True)
        for name in dict.fromkeys((*before, *now))
    ]
    return numbers + lines


def _decomposition(entry: dict[str, Any]) -> dict[str, float]:
    """Lines of a decomposition by a name that says which: 'bias', 'pin Effusion positive'."""
    return {
        " ".join(w for w in (line["part"], line["finding"], line["state"]) if w): line["logits"]
        for line in entry["ledger"]
    }


def _unequal(where: str, what: str, recorded: str, found: str) -> list[Difference]:
    return [] if recorded == found else [Difference(where, what, recorded, found)]


def _size(image: ImageIdentity) -> str:
    return f"{image.width} x {image.height}"


def _number(value: float | None) -> str:
    return "not there" if value is None else f"{value:.6f}"


def _or_none(value: Any) -> float | None:
    return value if type(value) in (int, float) else None

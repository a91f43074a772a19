"""All that an export says of one film: the reading, one finding's map and logit, who computed."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

from lmeran.checkpoint import Checkpoint
from lmeran.errors import UserError
from lmeran.explain.decomposition import LogitDecomposition, decompose_logits
from lmeran.exports.reading_file import ImageIdentity
from lmeran.findings import FINDINGS, Pins, State, finding_index
from lmeran.imaging.geometry import Geometry
from lmeran.imaging.radiograph import Radiograph
from lmeran.model.maps import ROLLOUT, AttentionMap
from lmeran.ood import OODResult
from lmeran.predictor import EncodedRadiograph, Predictor, Reading

NOTICE = "Research use only, not for diagnosis"


class ExportError(UserError):
    """An export that cannot be made: one sentence that says why and what to do."""


@dataclass(frozen=True)
class MapChoice:
    """Which map of a finding: layer and head as in `Reading.maps`, or layer `ROLLOUT`.

    free: without the pins, as it always is where nothing is pinned, or where the finding is and the
    layer is the last or all of them.
    """

    layer: int | None = None
    head: int | None = None
    free: bool = False


@dataclass(frozen=True, eq=False)
class Record:
    """One film under one set of pins, seen at one finding.

    film: its display pixels, or a smaller picture of them for print; image, geometry: of the film
    itself. map: attention of the finding's label token, None for a model without attention; free:
    whether that is without the pins. gate: None where the checkpoint has none.
    """

    film: Radiograph
    image: ImageIdentity
    geometry: Geometry
    checkpoint: Checkpoint
    pins: Pins
    reading: Reading
    decomposition: LogitDecomposition
    finding: str
    map: AttentionMap | None
    free: bool
    gate: OODResult | None

    @property
    def index(self) -> int:
        """Position of the finding in `FINDINGS`."""
        return finding_index(self.finding)

    @property
    def map_probability(self) -> float:
        """The probability that goes with the map: without the pins as the map is, or with them."""
        reading = self.reading
        return float((reading.free if self.free else reading.shown)[self.index])

    @property
    def warnings(self) -> tuple[str, ...]:
        """Warnings about the film and about the pins."""
        unlike = self.gate.warnings if self.gate else ()
        return (*self.film.warnings, *unlike, *self.reading.warnings)

    @property
    def name(self) -> str:
        """A file name without ending: of the image, the finding and the question asked.

        Other pins, another map or checkpoint give another name, so that no export overwrites a
        different one.
        """
        place = () if self.map is None else (self.map.layer, self.map.head, self.free)
        asked = (self.checkpoint.identity, self.reading.states.tolist(), place)
        question = hashlib.sha256(repr(asked).encode()).hexdigest()
        return f"lmeran-{self.image.sha256[:8]}-{self.finding.lower()}-{question[:6]}"


def record_of(
    predictor: Predictor,
    film: Radiograph,
    encoded: EncodedRadiograph,
    pins: Pins,
    finding: str | None = None,
    choice: MapChoice = MapChoice(),
    image: ImageIdentity | None = None,
) -> Record:
    """Read a film for export. encoded: of the same film.

    finding: None for the unpinned one with the highest probability. image: which film `film` is a
    smaller picture of; None where it is the film itself. Raises `PinError` for a finding and
    `ValueError` for a layer or head that does not exist.
    """
    reading = predictor.read(encoded, pins)
    i = _most_probable(reading) if finding is None else finding_index(finding)
    last = choice.layer in (None, ROLLOUT, predictor.checkpoint.config.layers)
    # The last layer's attention of a pinned finding feeds its own output alone, which training
    # never judged.
    untrained = last and reading.states[i] != State.UNKNOWN
    free = bool(choice.free or not pins or untrained)
    if choice.layer == ROLLOUT:
        (maps,) = predictor.rollouts(encoded, [{} if free else pins])
    else:
        maps = reading.maps(choice.layer, choice.head, free)
    return Record(
        film=film,
        image=image or ImageIdentity.of(film),
        geometry=encoded.geometry,
        checkpoint=predictor.checkpoint,
        pins=pins,
        reading=reading,
        decomposition=decompose_logits(predictor, encoded, pins),
        finding=FINDINGS[i],
        map=maps[i] if maps else None,
        free=free,
        gate=encoded.gate,
    )


def _most_probable(reading: Reading) -> int:
    unknown = [i for i in range(len(FINDINGS)) if reading.states[i] == State.UNKNOWN]
    return max(unknown or range(len(FINDINGS)), key=lambda i: reading.shown[i])

"""What happens when a reader acts: open, pin, explain. No screen code and no HTTP; when it happens
is the scheduler's matter."""

from __future__ import annotations

import base64
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

from app.examples import Example
from app.payload.explanation import cam_facts, why_facts
from app.payload.facts import film_facts, gate_facts, reading_facts
from app.payload.packing import pack_values, thumbnail
from app.sessions import OpenRadiograph, PrintPreview, RadiographStore
from lmeran.explain.explain import explain_object
from lmeran.explain.region import RegionError, read_beside, read_without, what_if
from lmeran.findings import FINDINGS, PinError, Pins, State, pins_of
from lmeran.imaging.radiograph import Radiograph, ReadError
from lmeran.model.maps import ROLLOUT
from lmeran.predictor import Predictor
from lmeran.serialize import reading_object

ROW_PIXELS = 112
"""Longer side of a worklist's thumbnails: twice their size on the page, for dense screens."""

FILM_GONE = "This film is no longer open here; open it again."
API_FILE = "film"
"""What a film of the API is called in its answer: its own name may be a patient's."""


class FilmGoneError(ReadError):
    """The film of a request is not, or no longer, open for its reader."""

    def __init__(self) -> None:
        super().__init__(FILM_GONE)


@dataclass(frozen=True, eq=False)
class Asked:
    """A request of the page about its open film, checked. layer, head: as in `pin`."""

    film: OpenRadiograph
    pins: Pins
    layer: int | None
    head: int | None


class ReadingService:
    """The predictor and the films that readers have open. Shared by all; nothing of one reader
    is reachable by another.

    read: file and number of a frame to a film, as `lmeran.imaging.files.read_bytes`.
    """

    def __init__(
        self,
        predictor: Predictor,
        examples: list[Example],
        films: RadiographStore,
        read: Callable[[bytes, int], Radiograph],
    ) -> None:
        self.predictor = predictor
        self.examples = examples
        self.films = films
        self._read = read
        self._beside = ThreadPoolExecutor(1, "pack")

    def open_film(
        self, data: bytes, owner: str, frame: int = 1, prior: bool = False, alone: bool = False
    ) -> dict[str, Any]:
        """Read and encode a file for a reader; the reply holds the film and its free reading.

        frame: of several in the file, from 1; prior: an earlier film, to be seen beside the one
        that is open; alone: as a study shows it without the model, which then never sees it.
        Raises `ReadError`; what the reader had open stays open.
        """
        film = self._read(data, frame)
        packed = self._beside.submit(
            lambda: (pack_values(film.values.codes), PrintPreview.of(film))
        )
        encoded = None if alone else self.predictor.encode(film)
        values, preview = packed.result()
        facts = film_facts(film, None if encoded is None else encoded.gate)
        held = self.films.add(owner, encoded, values, facts, preview, prior)
        if encoded is None:
            return {"token": held.token, **held.facts}
        reading = self.predictor.read(encoded, {})
        return {
            "token": held.token,
            "image": preview.image.sha256,
            **held.facts,
            "reading": reading_facts(reading, reading.maps(free=True), reading.maps()),
            "cam": cam_facts(self.predictor, encoded),
            "thumbnail": _thumbnail(film),
        }

    def open_example(
        self, position: int, owner: str, frame: int = 1, alone: bool = False
    ) -> dict[str, Any]:
        """The same for a film on offer; with title and boxes, which tell what is on it, unless it
        is shown alone."""
        if not 0 <= position < len(self.examples):
            raise ReadError("There is no such example; choose one of those shown.")
        example = self.examples[position]
        opened = self.open_film(example.path.read_bytes(), owner, frame, alone=alone)
        if alone:
            return opened
        boxes = [box.facts(opened["width"], opened["height"]) for box in example.boxes]
        return {**opened, "title": example.title, "boxes": boxes}

    def read_row(self, data: bytes) -> dict[str, Any]:
        """The free reading of a file for a row of a worklist. Nothing of it is kept.

        The keys are those of `open_film` that a row needs. Raises `ReadError`.
        """
        film = self._read(data, 1)
        encoded = self.predictor.encode(film)
        return {
            "warnings": list(film.warnings),
            "gate": gate_facts(encoded.gate),
            "reading": reading_facts(self.predictor.read(encoded, {}), [], []),
            "thumbnail": _thumbnail(film),
        }

    def pin(self, request: dict[str, Any], owner: str) -> dict[str, Any]:
        """The reading of an open film under pins.

        request: token, pins (14 state numbers), layer (None: last, 0: rollout) and head (None:
        mean) of the maps.
        Raises `FilmGoneError` where the film is gone, `PinError` where the request makes no sense.
        """
        asked = self._asked(request, owner)
        encoded, layer, head = asked.film.encoded, asked.layer, asked.head
        reading = self.predictor.read(encoded, asked.pins)
        try:
            if layer == ROLLOUT:
                free, pinned = self.predictor.rollouts(encoded, [{}, asked.pins])
            else:
                free, pinned = reading.maps(layer, head, free=True), reading.maps(layer, head)
        except ValueError as error:
            raise PinError(str(error)) from None
        return reading_facts(reading, free, pinned)

    def explain(self, request: dict[str, Any], owner: str) -> dict[str, Any]:
        """Why the reading under these pins is what it is; request and errors as for `pin`."""
        asked = self._asked(request, owner)
        layer, head = asked.layer, asked.head
        if layer == ROLLOUT:  # a map only: a rollout has no heads and no split by label
            layer, head = None, None
        try:
            return why_facts(self.predictor, asked.film.encoded, asked.pins, layer, head)
        except ValueError as error:
            raise PinError(str(error)) from None

    def without(self, request: dict[str, Any], owner: str) -> dict[str, Any]:
        """The reading under these pins without a region of the film, or what stands beside it.

        request: as for `pin`, and box: left, top, width and height in pixels of the film; beside:
        whether the region alone and other boxes are asked for, which take longer. Raises
        `RegionError` for what is no box on it, and as `pin` does.
        """
        asked, box = self._asked(request, owner), box_of(request.get("box"))
        read = read_beside if request.get("beside") is True else read_without
        return what_if(self.predictor, asked.film.encoded, box, asked.pins, read)

    def _asked(self, request: dict[str, Any], owner: str) -> Asked:
        pins = _pins_of(request.get("pins"))
        film = self.films.get(str(request.get("token")), owner)
        if film is None or film.encoded is None:
            raise FilmGoneError
        layer, head = (whole(request.get(name), name) for name in ("layer", "head"))
        return Asked(film, pins, layer, head)

    def predict(self, data: bytes, pins: Pins) -> dict[str, Any]:
        """One file, no session: the object of `python -m lmeran predict`."""
        film = self._read(data, 1)
        encoded = self.predictor.encode(film)
        reading = self.predictor.read(encoded, pins)
        identity = self.predictor.checkpoint.identity
        return reading_object(API_FILE, identity, reading, film.warnings, encoded.gate)

    def predict_why(self, data: bytes, pins: Pins, without: Any = None) -> dict[str, Any]:
        """The same as `python -m lmeran explain` gives it. without: the box of its --without."""
        box = None if without is None else box_of(without)
        film = self._read(data, 1)
        encoded = self.predictor.encode(film)
        explained = explain_object(API_FILE, self.predictor, encoded, pins, film.warnings)
        if box is not None:
            explained["region"] = what_if(self.predictor, encoded, box, pins)
        return explained


def box_of(box: Any) -> tuple[float, ...]:
    """Left, top, width and height that a request brought. Raises `RegionError`."""
    if not isinstance(box, list) or len(box) != 4 or not all(type(v) in (int, float) for v in box):
        raise RegionError("A region is four numbers: left, top, width and height in pixels.")
    return tuple(box)


def whole(value: Any, name: str) -> int | None:
    """A whole number that the page sent under a name, or nothing. Raises `PinError`."""
    if value is not None and type(value) is not int:
        raise PinError(f"'{name}' must be a whole number.")
    return value


def _thumbnail(film: Radiograph) -> str:
    """As the address of a picture that holds its own bytes."""
    return f"data:image/jpeg;base64,{base64.b64encode(thumbnail(film, ROW_PIXELS)).decode('ascii')}"


def _pins_of(numbers: Any) -> Pins:
    valid = [int(state) for state in State]
    if (
        not isinstance(numbers, list)
        or len(numbers) != len(FINDINGS)
        or any(type(n) is not int or n not in valid for n in numbers)
    ):
        raise PinError("The pins sent are not 14 states; reload the page.")
    return pins_of(numbers)

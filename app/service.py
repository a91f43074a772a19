"""What happens when a reader acts: open, pin, forget. No screen code; the page calls this."""

from __future__ import annotations

import base64
from dataclasses import dataclass
from typing import Any

from app.examples import Example
from app.payload.explanation import cam_facts, why_facts
from app.payload.facts import film_facts, gate_facts, reading_facts
from app.payload.packing import pack_values, thumbnail
from app.scheduler import Scheduler
from app.sessions import OpenRadiograph, PrintPreview, RadiographStore
from lmeran.findings import FINDINGS, PinError, Pins, State, parse_pins
from lmeran.imaging.files import read_bytes, read_file
from lmeran.imaging.radiograph import Radiograph, ReadError
from lmeran.model.maps import ROLLOUT
from lmeran.predictor import Predictor
from lmeran.serialize import reading_object

ROW_PIXELS = 112
"""Longer side of a worklist's thumbnails: twice their size on the page, for dense screens."""

FILM_GONE = "This film is no longer open here (it was idle too long); open it again."


@dataclass(frozen=True, eq=False)
class Asked:
    """A request of the page about its open film, checked. layer, head: as in `pin`."""

    film: OpenRadiograph
    pins: Pins
    layer: int | None
    head: int | None
    seq: int

    def answer(self, kind: str, facts: dict[str, Any]) -> dict[str, Any]:
        """The reply that carries `facts` under the name of its kind."""
        return {"kind": kind, "token": self.film.token, "seq": self.seq, kind: facts}


class ReadingService:
    """The predictor and the films that readers have open. Shared by all; nothing of one reader
    is reachable by another."""

    def __init__(
        self, predictor: Predictor, examples: list[Example], films: RadiographStore
    ) -> None:
        self.predictor = predictor
        self.examples = examples
        self.films = films
        self.scheduler = Scheduler()

    def open_file(
        self, path: str, owner: str, prior: bool = False, frame: int = 1
    ) -> dict[str, Any]:
        """Read and encode a file for a reader; the reply holds the film and its free reading.

        prior: an earlier film, to be seen beside the one that is open; frame: of several in the
        file, from 1.
        Raises `ReadError`; what the reader had open stays open.
        """
        with self.scheduler.first():
            return self._open(read_file(path, frame), owner, prior)

    def open_bytes(self, data: bytes, owner: str, frame: int = 1) -> dict[str, Any]:
        """The same for a file in memory, with a `thumbnail` besides."""
        with self.scheduler.first():
            film = read_bytes(data, frame)
            return {**self._open(film, owner), "thumbnail": _thumbnail(film)}

    def read_row(self, data: bytes) -> dict[str, Any]:
        """The free reading of a file in memory for a row of a worklist. Nothing of it is kept.

        The keys are those of `open_bytes` that a row needs. Waits for films that readers open.
        Raises `ReadError`.
        """
        with self.scheduler.background():
            film = read_bytes(data)
            encoded = self.predictor.encode(film)
            return {
                "warnings": list(film.warnings),
                "gate": gate_facts(encoded.gate),
                "reading": reading_facts(self.predictor.read(encoded, {}), [], []),
                "thumbnail": _thumbnail(film),
            }

    def _open(self, film: Radiograph, owner: str, prior: bool = False) -> dict[str, Any]:
        encoded = self.predictor.encode(film)
        values = pack_values(film.values.codes)
        facts = film_facts(film, encoded.gate)
        held = self.films.add(owner, encoded, values, facts, PrintPreview.of(film), prior)
        reading = self.predictor.read(encoded, {})
        return {
            "kind": "prior" if prior else "film",
            "token": held.token,
            **held.facts,
            "reading": reading_facts(reading, reading.maps(free=True), reading.maps()),
            "cam": cam_facts(self.predictor, encoded),
        }

    def open_example(self, position: int, owner: str, frame: int = 1) -> dict[str, Any]:
        """The same for a film on offer."""
        if not 0 <= position < len(self.examples):
            raise ReadError("There is no such example; choose one of those shown.")
        example = self.examples[position]
        opened = self.open_file(str(example.path), owner, frame=frame)
        boxes = [box.facts(opened["width"], opened["height"]) for box in example.boxes]
        return {**opened, "title": example.title, "boxes": boxes}

    def pin(self, request: dict[str, Any], owner: str) -> dict[str, Any]:
        """The reading of an open film under pins.

        request: token, seq, pins (14 state numbers), layer (None: last, 0: rollout) and head
        (None: mean) of the maps.
        Raises `ReadError` where the film is gone, `PinError` where the request makes no sense.
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
        return asked.answer("reading", reading_facts(reading, free, pinned))

    def explain(self, request: dict[str, Any], owner: str) -> dict[str, Any]:
        """Why the reading under these pins is what it is; request and errors as for `pin`."""
        asked = self._asked(request, owner)
        layer, head = asked.layer, asked.head
        if layer == ROLLOUT:  # a map only: a rollout has no heads and no split by label
            layer, head = None, None
        try:
            why = why_facts(self.predictor, asked.film.encoded, asked.pins, layer, head)
        except ValueError as error:
            raise PinError(str(error)) from None
        return asked.answer("why", why)

    def _asked(self, request: dict[str, Any], owner: str) -> Asked:
        pins = _pins_of(request.get("pins"))
        film = self.films.get(str(request.get("token")), owner)
        if film is None:
            raise ReadError(FILM_GONE)
        layer, head, seq = (_number(request, name) for name in ("layer", "head", "seq"))
        return Asked(film, pins, layer, head, seq or 0)

    def predict(self, path: str, name: str, pins: Any) -> dict[str, Any]:
        """One file, no session: the object of `python -m lmeran predict`.

        pins: {"Effusion": "positive"}, ["Effusion=positive"], or nothing.
        """
        known = _named_pins(pins)
        with self.scheduler.background():
            film = read_file(path)
            encoded = self.predictor.encode(film)
        reading = self.predictor.read(encoded, known)
        identity = self.predictor.checkpoint.identity
        return reading_object(name, identity, reading, film.warnings, encoded.gate)


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
    states = {finding: State(n) for finding, n in zip(FINDINGS, numbers, strict=True)}
    return {finding: state for finding, state in states.items() if state is not State.UNKNOWN}


def _named_pins(pins: Any) -> Pins:
    if not pins:
        return {}
    if isinstance(pins, str):
        pins = [part for part in pins.split(",") if part.strip()]
    if isinstance(pins, dict):
        pins = [f"{finding}={state}" for finding, state in pins.items()]
    if not isinstance(pins, list) or not all(isinstance(pin, str) for pin in pins):
        raise PinError('Pins are written {"Effusion": "positive"} or ["Effusion=positive"].')
    return parse_pins(pins)


def _number(request: dict[str, Any], name: str) -> int | None:
    value = request.get(name)
    if value is None:
        return None
    if type(value) is not int:
        raise PinError(f"'{name}' must be a whole number.")
    return value

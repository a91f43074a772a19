"""The films that readers have open: in memory, one a reader and a prior one beside it,
bounded in bytes and in time."""

from __future__ import annotations

import secrets
import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from app.quotas import IDLE_SECONDS
from lmeran.exports.picture import PRINT_PIXELS, reduced
from lmeran.exports.reading_file import ImageIdentity
from lmeran.imaging.radiograph import Radiograph
from lmeran.predictor import EncodedRadiograph

MAX_BYTES = 512 * 2**20


@dataclass(frozen=True, eq=False)
class PrintPreview:
    """What is kept of an open film for what a reader takes along.

    film: as a report prints it, without the file's header or values; image: hash and size of
    the film itself."""

    film: Radiograph
    image: ImageIdentity

    @classmethod
    def of(cls, film: Radiograph) -> PrintPreview:
        return cls(reduced(film, PRINT_PIXELS), ImageIdentity.of(film))

    @property
    def nbytes(self) -> int:
        """Memory it holds."""
        return self.film.pixels.nbytes


@dataclass(frozen=True, eq=False)
class OpenRadiograph:
    """One film of one reader.

    token: unguessable name of the film in addresses; owner: the reader's session; encoded: None for
    a film that a study shows without the model; values: the film's values as `app.payload.packing`
    writes them; facts: what the page may say of the file; preview: what of it can be taken along;
    prior: whether it is an earlier film beside the one that is read.
    """

    token: str
    owner: str
    encoded: EncodedRadiograph | None
    values: bytes
    facts: dict[str, Any]
    preview: PrintPreview
    prior: bool = False

    @property
    def nbytes(self) -> int:
        encoded = 0 if self.encoded is None else self.encoded.nbytes
        return len(self.values) + encoded + self.preview.nbytes


class RadiographStore:
    """Open films by token. The least recently used go first when the cap is reached."""

    def __init__(
        self,
        max_bytes: int = MAX_BYTES,
        idle_seconds: float = IDLE_SECONDS,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._max_bytes = max_bytes
        self._idle_seconds = idle_seconds
        self._clock = clock
        self._lock = threading.Lock()
        self._films: OrderedDict[str, tuple[OpenRadiograph, float]] = OrderedDict()

    def __len__(self) -> int:
        with self._lock:
            return len(self._films)

    def add(
        self,
        owner: str,
        encoded: EncodedRadiograph | None,
        values: bytes,
        facts: dict[str, Any],
        preview: PrintPreview,
        prior: bool = False,
    ) -> OpenRadiograph:
        """Keep a film; it replaces what its owner had, a prior film only the prior one."""
        film = OpenRadiograph(
            secrets.token_urlsafe(24), owner, encoded, values, facts, preview, prior
        )
        with self._lock:
            self._drop(lambda held: held.owner == owner and (held.prior or not prior))
            self._films[film.token] = (film, self._clock())
            self._shrink()
        return film

    def get(self, token: str, owner: str | None = None) -> OpenRadiograph | None:
        """The film of a token, if it is still held and, where an owner is named, theirs."""
        with self._lock:
            self._shrink()
            held = self._films.get(token)
            if held is None or (owner is not None and held[0].owner != owner):
                return None
            self._films[token] = (held[0], self._clock())
            self._films.move_to_end(token)
            return held[0]

    def held(self, owner: str) -> list[OpenRadiograph]:
        """What a reader has open, which being asked for keeps."""
        with self._lock:
            tokens = [t for t, (film, _) in self._films.items() if film.owner == owner]
        return [film for film in map(self.get, tokens) if film is not None]

    def forget(self, owner: str) -> None:
        """Drop all a reader has."""
        with self._lock:
            self._drop(lambda held: held.owner == owner)

    def sweep(self) -> None:
        """Drop what has been idle too long, also where nobody asks for anything any more."""
        with self._lock:
            self._shrink()

    def _drop(self, unwanted: Callable[[OpenRadiograph], bool]) -> None:
        for token in [t for t, (film, _) in self._films.items() if unwanted(film)]:
            del self._films[token]

    def _shrink(self) -> None:
        oldest = self._clock() - self._idle_seconds
        while self._films and next(iter(self._films.values()))[1] < oldest:
            self._films.popitem(last=False)
        total = sum(film.nbytes for film, _ in self._films.values())
        while total > self._max_bytes and len(self._films) > 1:
            _, (film, _) = self._films.popitem(last=False)
            total -= film.nbytes

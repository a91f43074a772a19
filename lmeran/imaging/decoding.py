"""A source to what the network needs of it: the work of one decoding process, without torch."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np

from lmeran.config import Preprocessing
from lmeran.imaging.archive import Archive
from lmeran.imaging.files import may_be_film, read_bytes, read_file
from lmeran.imaging.preprocess import network_pixels
from lmeran.imaging.radiograph import Radiograph, ReadError
from lmeran.imaging.sources import Source


@dataclass(frozen=True, eq=False)
class Decoded:
    """What is left of a film: network pixels uint8 (S, S), size of the film, and its warnings."""

    square: np.ndarray
    height: int
    width: int
    warnings: tuple[str, ...]


@dataclass(frozen=True)
class Refused:
    """Why a film was not decoded, in one sentence."""

    reason: str


@dataclass(frozen=True)
class Decoder:
    """How every film of a run is decoded.

    frame: of files that hold several, from 1. seconds: of computing that one film may take in a
    process of the pool.
    """

    preprocessing: Preprocessing
    frame: int = 1
    seconds: int = 120

    def decode(self, source: Source) -> Decoded | Refused | None:
        """None for what is no film and was not named as one."""
        if source.problem is not None:
            return Refused(source.problem)
        try:
            film = self._film(source)
            if film is None:
                return None
            square = network_pixels(film.pixels, self.preprocessing)
        except ReadError as error:
            return Refused(str(error))
        except Exception as error:
            # One film must not end the run of a whole folder. Only the kind: the words may quote.
            kind = type(error).__name__
            return Refused(f"The film could not be decoded ({kind}); export it again.")
        return Decoded(square, film.height, film.width, film.warnings)

    def _film(self, source: Source) -> Radiograph | None:
        if source.member is not None:
            data = _zipped(source)
            return None if data is None else read_bytes(data, self.frame)
        if not source.named and not may_be_film(source.path):
            return None
        return read_file(source.path, self.frame)


def _zipped(source: Source) -> bytes | None:
    archive = _opened(source.path)
    [member] = archive.members[source.member : source.member + 1] or [None]
    if member is None or not source.label.endswith(member.label):
        raise ReadError("The zip file changed while it was being read; run the same command again.")
    return archive.read(member)


@lru_cache(maxsize=1)
def _opened(path: Path) -> Archive:
    """The zip whose turn it is: its table of contents is read once and not for every film."""
    return Archive(path)

"""What is kept of an open film for what a reader takes along: a small picture, and which film."""

from __future__ import annotations

from dataclasses import dataclass

from lmeran.exports.picture import PRINT_PIXELS, reduced
from lmeran.exports.reading_file import ImageIdentity
from lmeran.imaging.radiograph import Radiograph


@dataclass(frozen=True, eq=False)
class Paper:
    """film: as a report prints it, without the file's header or values; image: hash and size of
    the film itself."""

    film: Radiograph
    image: ImageIdentity

    @classmethod
    def of(cls, film: Radiograph) -> Paper:
        return cls(reduced(film, PRINT_PIXELS), ImageIdentity.of(film))

    @property
    def nbytes(self) -> int:
        """Memory it holds."""
        return self.film.pixels.nbytes

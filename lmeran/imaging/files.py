"""Any file to a `Radiograph`: the kind is judged by its first bytes, never by its name."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from lmeran.imaging.picture import read_picture
from lmeran.imaging.radiograph import (
    Radiograph,
    ReadError,
    check_file_size,
    contrast_warnings,
    one_picture,
)

FILM_SUFFIXES = (".dcm", ".dicom", ".png", ".jpg", ".jpeg")
"""Endings by which a folder's files are taken for films; DICOM files often have none."""

HEAD_BYTES = 512
"""As much of a file tells of what kind it is."""

_PNG = b"\x89PNG\r\n\x1a\n"
_JPEG = b"\xff\xd8\xff"


def read_file(path: str | Path, frame: int = 1) -> Radiograph:
    """Read a DICOM, PNG or JPEG file; of several frames in it the one asked for, from 1.

    Raises `ReadError`: one sentence, without the file's name.
    """
    path = Path(path)
    try:
        check_file_size(path.stat().st_size)
        data = path.read_bytes()
    except OSError as error:
        reason = error.strerror or type(error).__name__
        raise ReadError(f"The file cannot be opened ({reason}); check that it is there.") from None
    return read_bytes(data, frame)


def may_be_film(path: Path) -> bool:
    """By the ending or else the first bytes; a file that cannot be opened may be one."""
    try:
        if path.suffix.lower() in FILM_SUFFIXES:
            return True
        with path.open("rb") as file:
            return has_film_head(file.read(HEAD_BYTES))
    except OSError:
        return True


def has_film_head(head: bytes) -> bool:
    """Whether the first `HEAD_BYTES` are those of a DICOM, PNG or JPEG file."""
    from lmeran.imaging.dicom.reader import looks_like_dicom

    return head.startswith((_PNG, _JPEG)) or looks_like_dicom(head)


def is_index_of_films(name: str) -> bool:
    """Whether a file is the table of contents of a disc (DICOMDIR), which holds no film."""
    return name.upper() == "DICOMDIR"


def read_bytes(data: bytes, frame: int = 1) -> Radiograph:
    """The same for a file already in memory."""
    film = _decoded(data, frame)
    return replace(film, warnings=(*film.warnings, *contrast_warnings(film.pixels)))


def _decoded(data: bytes, frame: int) -> Radiograph:
    check_file_size(len(data))
    if data.startswith((_PNG, _JPEG)):
        if frame != 1:
            raise ReadError(one_picture(frame))
        return read_picture(data)
    from lmeran.imaging.dicom.reader import (  # pydicom is slow to import
        looks_like_dicom,
        read_dicom,
    )

    if looks_like_dicom(data):
        return read_dicom(data, frame)
    raise ReadError("This is not a DICOM, PNG or JPEG file; choose a chest X-ray in one of these.")

"""Where films lie: files, folders at any depth and zips, walked lazily and in a stable order."""

from __future__ import annotations

import errno
import hashlib
import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from lmeran.imaging.archive import Archive, looks_like_zip
from lmeran.imaging.files import HEAD_BYTES, is_index_of_films
from lmeran.imaging.radiograph import ReadError


@dataclass(frozen=True)
class Source:
    """Something that may be a film.

    label: what it is called in the output, one printable line, unique among the sources of a run
    but for a file that is named twice. member: its place in the zip at `path`, None for a file.
    named: by the user, so that it is answered even if it is no film. problem: why it cannot be
    read, where that is known already.
    """

    label: str
    path: Path
    member: int | None = None
    named: bool = False
    problem: str | None = None


def walk(arguments: Iterable[str]) -> Iterator[Source]:
    """Sources in the order of the arguments; those of a folder by name, as `sorted` has paths.

    Names that start with a dot are passed over, as are links to folders or to themselves (they may
    lead in circles) and DICOMDIR. Nothing is opened but zips, for their tables of contents.
    """
    for argument in arguments:
        path = Path(argument)
        if path.is_dir():
            yield from _in_folder(path)
        elif _is_named_zip(path):
            yield from _in_zip(path)
        else:
            yield Source(printable(path), path, named=True)


def share_of(sources: Iterable[Source], rank: int, world: int) -> Iterator[Source]:
    """The sources that fall to one of `world` processes.

    By a hash of the label: a film stays with its process when films are added or removed.
    """
    for source in sources:
        digest = hashlib.blake2b(source.label.encode(), digest_size=8).digest()
        if int.from_bytes(digest, "big") % world == rank:
            yield source


def printable(path: Path) -> str:
    """A path as one line of valid text; bytes and signs that are neither are written as codes."""
    text = os.fsencode(path).decode("utf-8", "backslashreplace")
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def _in_folder(folder: Path) -> Iterator[Source]:
    try:
        with os.scandir(folder) as found:
            seen = (entry for entry in found if not entry.name.startswith("."))
            entries = sorted(seen, key=lambda entry: entry.name)
    except OSError as error:
        yield _unreadable(folder, "folder", error)
        return
    for entry in entries:
        path = Path(entry.path)
        if entry.is_dir(follow_symlinks=False):
            yield from _in_folder(path)
            continue
        try:
            is_file = entry.is_file()
        except OSError as error:  # a link in a circle, or into a folder that must not be read
            if error.errno != errno.ELOOP:
                yield _unreadable(path, "file", error)
            continue
        if not is_file or is_index_of_films(entry.name):
            continue
        if path.suffix.lower() == ".zip":
            yield from _in_zip(path)
        else:
            yield Source(printable(path), path)


def _unreadable(path: Path, kind: str, error: OSError) -> Source:
    reason = error.strerror or type(error).__name__
    problem = f"The {kind} cannot be opened ({reason}); check who may read it."
    return Source(printable(path), path, problem=problem)


def _is_named_zip(path: Path) -> bool:
    """Whether a file that the user named is a zip; by its first bytes, whatever its name."""
    try:
        with path.open("rb") as file:
            return looks_like_zip(file.read(HEAD_BYTES))
    except OSError:
        return False


def _in_zip(path: Path) -> Iterator[Source]:
    label = printable(path)
    try:
        with Archive(path) as archive:
            labels = [member.label for member in archive.members]
    except ReadError as error:
        yield Source(label, path, problem=str(error))
        return
    for k, inner in enumerate(labels):
        yield Source(f"{label}/{inner}", path, member=k)

"""Films in a zip file, one at a time in memory: nothing is ever written to disk.

A zip is whatever its sender likes: it may claim sizes it does not have, unpack a thousandfold, lie
over itself or name its parts `../../etc/passwd`. Every cap here is applied to what the table of
contents claims, before a byte is inflated, and inflating never goes past the claim.
"""

from __future__ import annotations

import contextlib
import io
import itertools
import re
import struct
import zipfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import BinaryIO

from lmeran.imaging.files import FILM_SUFFIXES, HEAD_BYTES, has_film_head, is_index_of_films
from lmeran.imaging.radiograph import ReadError, check_file_size

_ZIP_SUFFIX = ".zip"
_ZIP_HEADS = (b"PK\x03\x04", b"PK\x05\x06")
"""The first entry, and the end of a zip without any (APPNOTE 4.3.7 and 4.3.16)."""
_METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
"""What nearly every zip uses. The standard library inflates the others without a limit."""
_ENCRYPTED = 0x1
_PLAIN_SIZE = 2**20
"""Entries up to this size may be packed as tightly as they like: a flat film is."""
_BYTES_AN_ENTRY = 1024
"""Room for an entry's name and extra fields in the table of contents."""
_CHUNK = 2**20
_TOO_MANY = "The zip has {}; give its films in several parts."
_DAMAGED = "The zip file is damaged or incomplete; zip the films again."
_BROKEN = (
    zipfile.BadZipFile,
    NotImplementedError,
    EOFError,
    OSError,
    OverflowError,
    RuntimeError,
    ValueError,
    struct.error,
    zlib.error,
)
"""What `zipfile` raises on input it cannot use."""


@dataclass(frozen=True)
class ZipLimits:
    """Entries of a zip, bytes of all of them unpacked, and how much larger than packed each may be.

    A film's own limit is `MAX_FILE_BYTES`. Zipped films are 1 to 20 times larger than packed.
    """

    entries: int = 100_000
    total_bytes: int = 2**40
    ratio: int = 250


@dataclass(frozen=True, eq=False)
class Member:
    """A file in a zip. label: its path inside, made relative, unique and printable."""

    label: str
    info: zipfile.ZipInfo


def looks_like_zip(head: bytes) -> bool:
    """Whether a file's first bytes are those of a zip."""
    return head.startswith(_ZIP_HEADS)


class Archive:
    """An open zip, whose films are unpacked one at a time.

    members: what may be a film, in the order of their labels. Raises `ReadError` where the zip
    cannot be opened or is over a limit.
    """

    def __init__(self, source: Path | bytes, limits: ZipLimits | None = None) -> None:
        self._limits = limits = limits or ZipLimits()
        with contextlib.ExitStack() as stack:
            try:
                file = io.BytesIO(source) if isinstance(source, bytes) else source.open("rb")
            except OSError as error:
                reason = error.strerror or type(error).__name__
                problem = f"The zip file cannot be opened ({reason}); check who may read it."
                raise ReadError(problem) from None
            stack.enter_context(file)
            try:
                size = file.seek(0, io.SEEK_END)
                bounded = _Bounded(file, max(limits.entries * _BYTES_AN_ENTRY, _CHUNK))
                self._zip = stack.enter_context(zipfile.ZipFile(bounded))
            except ReadError:
                raise
            except _BROKEN:
                raise ReadError(_DAMAGED) from None
            infos = [info for info in self._zip.infolist() if not info.is_dir()]
            _check_whole(infos, size, limits)
            self.members = tuple(_members(infos))
            self._open = stack.pop_all()

    def __enter__(self) -> Archive:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the file."""
        self._open.close()

    def read(self, member: Member) -> bytes | None:
        """A film's bytes; None for what is no film by its ending and first bytes.

        Raises `ReadError` in one sentence.
        """
        suffix = PurePosixPath(member.label).suffix.lower()
        info = member.info
        if info.flag_bits & _ENCRYPTED:
            raise ReadError(
                "The file is locked with a password inside the zip; unpack it and give the films."
            )
        if info.compress_type not in _METHODS:
            raise ReadError(
                "The file is packed in a way this program does not open; unpack the zip, or make "
                "it again with ordinary (deflate) compression."
            )
        try:
            with self._zip.open(info) as stream:
                head = stream.read(HEAD_BYTES)
                if suffix == _ZIP_SUFFIX and looks_like_zip(head):
                    raise ReadError("A zip inside a zip is not opened; give its films unpacked.")
                if suffix not in FILM_SUFFIXES and not has_film_head(head):
                    return None
                _check_claim(info, self._limits)
                # `zipfile` stops at the size the table claims and checks the sum.
                return b"".join((head, *iter(lambda: stream.read(_CHUNK), b"")))
        except ReadError:
            raise
        except _BROKEN:
            raise ReadError(
                "The file is damaged inside the zip; zip the films again, or give them unpacked."
            ) from None


class _Bounded:
    """A file read in bounded pieces: `zipfile` reads as much as a zip says its table has."""

    def __init__(self, file: BinaryIO, most: int) -> None:
        self._file = file
        self._most = most
        self.seek = file.seek
        self.tell = file.tell
        self.seekable = file.seekable

    def read(self, size: int | None = -1) -> bytes:
        """Raises `ReadError` past the bound."""
        wanted = self._most + 1 if size is None or size < 0 else size
        data = self._file.read(wanted) if wanted <= self._most + 1 else None
        if data is None or len(data) > self._most:
            raise ReadError(_TOO_MANY.format("more files than this program opens"))
        return data


def _check_whole(infos: list[zipfile.ZipInfo], size: int, limits: ZipLimits) -> None:
    if len(infos) > limits.entries:
        raise ReadError(_TOO_MANY.format(f"over {limits.entries:,} files"))
    if sum(info.compress_size for info in infos) > size:
        raise ReadError(_DAMAGED)  # parts that lie over each other, as in some zip bombs
    if sum(info.file_size for info in infos) > limits.total_bytes:
        raise ReadError(
            f"The zip unpacks to more than {limits.total_bytes // 2**30} GB; "
            "give its films in several parts."
        )


def _check_claim(info: zipfile.ZipInfo, limits: ZipLimits) -> None:
    """Refuse by the sizes in the table of contents. Raises `ReadError`."""
    check_file_size(info.file_size)
    if info.file_size > max(_PLAIN_SIZE, limits.ratio * info.compress_size):
        raise ReadError(
            f"The file unpacks to over {limits.ratio} times its size, which no film does, so it "
            "was not unpacked; give the film itself."
        )


def _members(infos: list[zipfile.ZipInfo]) -> Iterator[Member]:
    """What may be a film, by name, in order."""
    seen: set[str] = set()
    for label, info in sorted(((_label(i.filename), i) for i in infos), key=lambda pair: pair[0]):
        path = PurePosixPath(label)
        if path.parts[0] == "__MACOSX" or any(part.startswith(".") for part in path.parts):
            continue
        if is_index_of_films(path.name):
            continue
        numbered = itertools.chain((label,), (f"{label} ({k})" for k in itertools.count(2)))
        unique = next(n for n in numbered if n not in seen)  # a zip may hold a name twice
        seen.add(unique)
        yield Member(unique, info)


def _label(name: str) -> str:
    """An inner path without drive, root, `..` and what cannot be printed."""
    parts = re.sub(r"^[A-Za-z]:", "", name.replace("\\", "/")).split("/")
    kept = "/".join(part for part in parts if part not in ("", ".", ".."))
    return "".join(c if c.isprintable() else "�" for c in kept) or "unnamed"

"""One file over HTTP, going on where an earlier try stopped."""

from __future__ import annotations

import errno
import hashlib
import http.client
import re
import time
import urllib.error
import urllib.request
from dataclasses import dataclass
from email.message import Message
from pathlib import Path

from tqdm import tqdm

_CHUNK = 2**20
_TIMEOUT = 60.0
_FOR_GOOD = (400, 401, 403, 404, 405, 410)
"""Answers that asking again will not change."""
_PART = re.compile(r"bytes (\d+)-\d+/(\d+|\*)")


class PrefetchError(RuntimeError):
    """A file that cannot be had; the message says why and what to do."""


class DiskFullError(PrefetchError):
    """No room: nothing further can be had either."""


class _TransferError(Exception):
    """The transfer stopped early; what came is kept, and asking again may give the rest."""


@dataclass(frozen=True)
class Remote:
    """A file to fetch: its name here, its address, and its size and checksum where known."""

    name: str
    url: str
    bytes: int | None = None
    md5: str | None = None
    sha256: str | None = None


def download(remote: Remote, path: Path, tries: int = 5, pause: float = 1.0) -> None:
    """Fetch into `path`, by way of `path`.partial, which a later call goes on from.

    Only the missing end is asked for (HTTP Range); a server that knows no ranges sends it all
    again. Size and checksum are compared where `remote` has them; without either, only the length
    that the server names is. After `tries` tries that brought nothing (with growing pauses from
    `pause` seconds) it gives up.

    Raises `PrefetchError` in one sentence; what came so far stays, unless it is the wrong file.
    """
    partial = path.with_name(f"{path.name}.partial")
    idle = 0
    while True:
        before = _size(partial)
        try:
            _transfer(remote, partial)
            break
        except (_TransferError, OSError, http.client.HTTPException) as error:
            _refuse_full_disk(error, path)
            idle = 0 if _size(partial) > before else idle + 1
            if idle == tries:
                raise PrefetchError(
                    f"{remote.name}: the transfer keeps stopping ({_reason(error)}); "
                    f"{_size(partial):,} bytes are kept, give the same command again later."
                ) from error
            time.sleep(pause * 2**idle)
    if not is_intact(remote, partial):
        partial.unlink()
        raise PrefetchError(
            f"{remote.name}: what {remote.url} sent is not the file of the list (checksum or size "
            "differs); correct the list and give it by --urls."
        )
    partial.replace(path)


def is_intact(remote: Remote, path: Path) -> bool:
    """Whether size and checksum of a file are those of the list, as far as it has them."""
    if remote.bytes is not None and _size(path) != remote.bytes:
        return False
    for kind, expected in (("md5", remote.md5), ("sha256", remote.sha256)):
        if expected is not None:
            with path.open("rb") as file:
                if hashlib.file_digest(file, kind).hexdigest() != expected.lower():
                    return False
    return True


def _transfer(remote: Remote, partial: Path) -> None:
    """One request; returns when the file is whole by the server's account."""
    start = _size(partial)
    if remote.bytes is not None and start > remote.bytes:
        partial.unlink()
        start = 0
    if start and start == remote.bytes:
        return
    headers = {"User-Agent": "lmeran-viewer", "Accept-Encoding": "identity"}
    if start:
        headers["Range"] = f"bytes={start}-"
    request = urllib.request.Request(remote.url, headers=headers)
    try:
        response = urllib.request.urlopen(request, timeout=_TIMEOUT)
    except urllib.error.HTTPError as error:
        _judge(error, remote, partial)
        return
    with response:
        resumed = response.status == 206
        total = _total(response.headers)
        _refuse_stranger(remote, response.headers, total)
        if resumed and not response.headers.get("Content-Range", "").startswith(f"bytes {start}-"):
            partial.unlink()
            raise _TransferError("the server sent another part than it was asked for")
        with (
            partial.open("ab" if resumed else "wb") as file,
            tqdm(
                desc=remote.name,
                total=total,
                initial=start if resumed else 0,
                unit="B",
                unit_scale=True,
                unit_divisor=1024,
            ) as bar,
        ):
            while chunk := response.read(_CHUNK):
                file.write(chunk)
                bar.update(len(chunk))
    if total is not None and _size(partial) < total:
        raise _TransferError(f"{_size(partial):,} of {total:,} bytes")


def _judge(error: urllib.error.HTTPError, remote: Remote, partial: Path) -> None:
    """An answer that is no file: return where the file is whole, else raise what follows."""
    if error.code == 416:  # nothing lies behind what we have: either all of it, or too much
        length = re.fullmatch(r"bytes \*/(\d+)", error.headers.get("Content-Range", ""))
        if length and int(length[1]) == _size(partial):
            return
        partial.unlink(missing_ok=True)
    if error.code in _FOR_GOOD:
        raise PrefetchError(
            f"{remote.name}: the server answers {error.code} ({error.reason}) for {remote.url}; "
            "look for the present link on the release page and give a list with it by --urls."
        ) from error
    raise _TransferError(f"the server answers {error.code}") from error


def _refuse_stranger(remote: Remote, headers: Message, total: int | None) -> None:
    """Refuse a web page in place of the file, and a file of another size, before its body."""
    if headers.get_content_type() == "text/html":
        raise PrefetchError(
            f"{remote.name}: {remote.url} leads to a web page, not to the file; give a list with a "
            "direct link by --urls."
        )
    if remote.bytes is not None and total is not None and total != remote.bytes:
        raise PrefetchError(
            f"{remote.name}: {remote.url} has {total:,} bytes instead of {remote.bytes:,}; give a "
            "list with the right link by --urls."
        )


def _total(headers: Message) -> int | None:
    """Size of the whole file by the server's account, None where it does not tell."""
    place = _PART.fullmatch(headers.get("Content-Range", ""))
    length = headers.get("Content-Length") if place is None else place[2]
    return None if length in (None, "*") else int(length)


def _refuse_full_disk(error: Exception, path: Path) -> None:
    if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
        raise DiskFullError(
            f"The disk of {path.parent} is full; make room and give the same command again: what "
            "came so far is kept."
        ) from error


def _reason(error: Exception) -> str:
    return str(getattr(error, "reason", "") or error) or type(error).__name__


def _size(path: Path) -> int:
    return path.stat().st_size if path.is_file() else 0

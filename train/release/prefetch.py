"""`python -m train prefetch`: the release from where NIH publishes it, unpacked, resumable."""

from __future__ import annotations

import re
import shutil
from collections.abc import Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any

import yaml

from train.release.archive import extract_films
from train.release.download import DiskFullError, PrefetchError, Remote, download, is_intact
from train.release.sources import is_table

NIH_URLS = Path(__file__).with_name("nih.yaml")
"""The links that NIH published, with sizes and checksums."""

_ARCHIVE = re.compile(r"(images_\d{3})\.tar\.gz")


def prefetch(
    out: Path,
    urls: Path | None = None,
    keep_archives: bool = True,
    tries: int = 5,
    pause: float = 1.0,
) -> None:
    """Fetch every file of the list into `out` and unpack images_NNN.tar.gz to images_NNN/images.

    urls: YAML list in the form of `NIH_URLS`, which is taken where None.
    keep_archives: false deletes each archive when it is unpacked.
    tries, pause: see `download`.

    What is there already is not fetched again, nor is an archive whose folder is there; one put
    into `out` by hand is checked and unpacked. Raises `PrefetchError` that tells every file that
    could not be had, after all have been tried; at once where the disk is full.
    """
    remotes = read_urls(urls or NIH_URLS)
    out.mkdir(parents=True, exist_ok=True)
    wanted = [remote for remote in remotes if not _is_unpacked(remote, out)]
    _check_room(wanted, out, keep_archives)
    failed = []
    for remote in wanted:
        try:
            _fetch(remote, out, keep_archives, tries, pause)
        except DiskFullError:
            raise
        except PrefetchError as error:
            failed.append(str(error))
    if failed:
        lines = "".join(f"\n  {line}" for line in failed)
        raise PrefetchError(f"{len(failed)} of {len(remotes)} files could not be had:{lines}")


def read_urls(path: Path) -> list[Remote]:
    """The files of a list. Raises `PrefetchError` naming the entry that cannot be used."""
    try:
        entries = yaml.safe_load(path.read_text("utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise PrefetchError(f"The list {path} cannot be read ({error}).") from error
    if not isinstance(entries, list) or not entries:
        raise PrefetchError(f"{path} is no list of files; see {NIH_URLS} for its form.")
    remotes = [_remote(entry, path) for entry in entries]
    names = [remote.name for remote in remotes]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise PrefetchError(f"{path} lists {', '.join(twice)} twice.")
    return remotes


def _remote(entry: Any, path: Path) -> Remote:
    known = {field.name for field in fields(Remote)}
    if not isinstance(entry, dict) or not {"name", "url"} <= entry.keys() <= known:
        raise PrefetchError(
            f"{path} has an entry that is not made of name, url and perhaps bytes, md5, sha256: "
            f"{entry}."
        )
    if not _ARCHIVE.fullmatch(str(entry["name"])) and not is_table(str(entry["name"])):
        raise PrefetchError(
            f"{path} lists '{entry['name']}', which is no part of the release; its parts are "
            "images_NNN.tar.gz and the tables."
        )
    if not re.match(r"https?://", str(entry["url"])):
        raise PrefetchError(f"{path}: the link of {entry['name']} must begin with http or https.")
    if not isinstance(entry.get("bytes", 0), int):
        raise PrefetchError(f"{path}: the bytes of {entry['name']} must be a whole number.")
    return Remote(**{key: v if key == "bytes" else str(v) for key, v in entry.items()})


def _fetch(remote: Remote, out: Path, keep_archives: bool, tries: int, pause: float) -> None:
    path = out / remote.name
    if not path.is_file():
        download(remote, path, tries, pause)
    elif not is_intact(remote, path):
        raise PrefetchError(
            f"{remote.name} in {out} is not the file of the list (checksum or size differs); "
            "delete it, or take it out of the list and give that by --urls."
        )
    folder = _folder(remote, out)
    if folder is not None:
        _unpack(path, folder)
        if not keep_archives:
            path.unlink()


def _unpack(archive: Path, folder: Path) -> None:
    try:
        extract_films(archive, folder)
    except OSError as error:
        raise DiskFullError(
            f"{archive.name} cannot be unpacked ({error.strerror}); correct that and give the "
            "same command again."
        ) from error


def _folder(remote: Remote, out: Path) -> Path | None:
    """Where an archive is unpacked to, None for a table."""
    match = _ARCHIVE.fullmatch(remote.name)
    return out / match[1] if match else None


def _is_unpacked(remote: Remote, out: Path) -> bool:
    folder = _folder(remote, out)
    return folder is not None and folder.is_dir()


def _check_room(remotes: Sequence[Remote], out: Path, keep_archives: bool) -> None:
    """Refuse to begin what cannot end: the archives, and their images, which are as large."""
    sizes = [remote.bytes or 0 for remote in remotes if _folder(remote, out)]
    archives = sum(sizes) if keep_archives else max(sizes, default=0)
    needed = archives + sum(sizes) - sum(_there(remote, out) for remote in remotes)
    free = shutil.disk_usage(out).free
    if needed > free:
        raise DiskFullError(
            f"The release needs {needed / 1e9:.0f} GB more in {out}, where {free / 1e9:.0f} GB are "
            "free; make room or give another folder."
        )


def _there(remote: Remote, out: Path) -> int:
    """Bytes of a file that are in `out`, whole or in part."""
    places = (out / remote.name, out / f"{remote.name}.partial")
    return sum(path.stat().st_size for path in places if path.is_file())

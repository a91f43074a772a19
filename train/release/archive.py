"""The images out of a downloaded archive, and nothing else."""

from __future__ import annotations

import gzip
import shutil
import tarfile
import zlib
from pathlib import Path, PurePosixPath
from typing import IO

from tqdm import tqdm

from lmeran.imaging.radiograph import MAX_FILE_BYTES
from train.release.download import PrefetchError
from train.release.sources import FILM, UNFINISHED


def extract_films(archive: Path, folder: Path) -> int:
    """Unpack the images of a .tar.gz to `folder`/images; returns how many.

    Only regular files named like the release's images are accepted, and they are written by that
    name alone: no path of the archive is followed. `folder` appears when all of them are there
    and the archive's own checksum holds.

    Raises `PrefetchError` where the archive is cut short, damaged or holds anything else.
    """
    unfinished = folder.with_name(folder.name + UNFINISHED)
    shutil.rmtree(unfinished, ignore_errors=True)
    (unfinished / "images").mkdir(parents=True)
    try:
        with gzip.open(archive) as stream:
            count = _unpack(stream, unfinished / "images", archive.name)
            while stream.read(2**20):  # to the end, where the checksum is
                pass
        if count == 0:
            raise PrefetchError(f"{archive.name} holds no image of the release.")
        unfinished.rename(folder)
    except (tarfile.TarError, EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise PrefetchError(
            f"{archive.name} is cut short or damaged ({error}); delete it and give the same "
            "command again."
        ) from error
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)
    return count


def _unpack(stream: IO[bytes], images: Path, archive: str) -> int:
    count = 0
    with (
        tarfile.open(fileobj=stream, mode="r|") as tar,
        tqdm(desc=f"unpacking {archive}", unit="img") as bar,
    ):
        for member in tar:
            if member.isdir():
                continue
            path = PurePosixPath(member.name)
            content = tar.extractfile(member) if member.isreg() else None
            if (
                content is None
                or member.size > MAX_FILE_BYTES
                or path.is_absolute()
                or ".." in path.parts
                or not FILM.fullmatch(path.name)
                or (images / path.name).exists()
            ):
                raise PrefetchError(
                    f"{archive} holds {member.name!r}, which is no image of the release or there "
                    "twice; nothing of it was kept. Get the archive from the release page."
                )
            with (images / path.name).open("xb") as file:
                shutil.copyfileobj(content, file)
            count += 1
            bar.update()
    return count

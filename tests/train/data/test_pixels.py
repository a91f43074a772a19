"""The pixel cache: right pixels, kept through kills and full disks, and never stale."""

from __future__ import annotations

import errno
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from types import SimpleNamespace

import cv2
import numpy as np
import pytest

import train.data.pixels as pixels_module
from lmeran.config import Preprocessing
from lmeran.imaging.files import read_file
from lmeran.imaging.preprocess import network_pixels
from tests.conftest import ROOT, film_pixels
from train.data.index import DataError, Index
from train.data.pixels import cached_pixels

SIZE = Preprocessing(image_size=64)
FILMS = 24


@pytest.fixture()
def films(tmp_path: Path) -> Index:
    """24 films of different sizes; every third an RGBA PNG, as some of the release are."""
    folder = tmp_path / "films"
    folder.mkdir()
    for k in range(FILMS):
        gray = film_pixels(70 + k, 90 - k, k)
        mode = np.dstack([gray, gray, gray, np.full_like(gray, 255)]) if k % 3 == 0 else gray
        cv2.imwrite(str(folder / f"{k:02}.png"), mode)
    return index_of(folder, [f"{k:02}.png" for k in range(FILMS)])


def index_of(folder: Path, names: list[str]) -> Index:
    count = len(names)
    return Index(
        root=folder,
        files=tuple(names),
        names=tuple(names),
        patients=np.arange(count),
        labels=np.zeros((count, 14), np.float32),
        groups=np.zeros(count, np.int64),
    )


def expected(index: Index) -> np.ndarray:
    return np.stack([network_pixels(read_file(index.root / f).pixels, SIZE) for f in index.files])


@pytest.fixture()
def reads(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Names of the files read, while the test runs."""
    names: list[str] = []

    def counting(path: Path) -> object:
        names.append(path.name)
        return read_file(path)

    monkeypatch.setattr(pixels_module, "read_file", counting)
    monkeypatch.setattr(pixels_module, "_BLOCK_BYTES", 4 * 64 * 64)
    return names


def test_every_row_is_the_film_as_the_network_sees_it(films: Index, tmp_path: Path) -> None:
    for workers in (1, 3):
        cache = cached_pixels(films, SIZE, tmp_path / f"cache{workers}", workers)
        assert cache[0].dtype == np.uint8
        assert np.array_equal(cache, expected(films))
        assert np.array_equal(cache[[7, 3]], expected(films)[[7, 3]])
        assert len(cache) == FILMS


def test_only_a_changed_file_is_read_again(films: Index, tmp_path: Path, reads: list[str]) -> None:
    old = cached_pixels(films, SIZE, tmp_path / "cache")
    before = np.array(old)
    cv2.imwrite(str(films.root / films.files[5]), film_pixels(80, 80, 99))
    reads.clear()
    new = cached_pixels(films, SIZE, tmp_path / "cache")
    assert reads == [films.files[5]]
    assert np.array_equal(new, expected(films))
    assert np.array_equal(old, before), "a cache in use must never change"


def test_another_size_or_detail_limit_is_another_cache(
    films: Index, tmp_path: Path, reads: list[str]
) -> None:
    cached_pixels(films, SIZE, tmp_path / "cache")
    cached_pixels(films, SIZE, tmp_path / "cache")
    assert sorted(reads) == sorted(films.files), "a second call reads nothing"
    coarse = Preprocessing(image_size=64, detail=32)
    found = cached_pixels(films, coarse, tmp_path / "cache")
    assert len(reads) == 2 * FILMS
    for row in (0, 7):
        pixels = read_file(films.root / films.files[row]).pixels
        assert np.array_equal(found[row], network_pixels(pixels, coarse))


@pytest.mark.parametrize("ending", [".bin", ".rows"])
def test_a_cut_off_cache_is_completed(
    films: Index, tmp_path: Path, reads: list[str], ending: str
) -> None:
    cached_pixels(films, SIZE, tmp_path / "cache")
    (path,) = (tmp_path / "cache").glob(f"*{ending}")
    os.truncate(path, path.stat().st_size * 2 // 3 - 1)
    reads.clear()
    assert np.array_equal(cached_pixels(films, SIZE, tmp_path / "cache"), expected(films))
    assert len(reads) == FILMS // 3 + 1


def test_a_part_of_an_index_needs_no_reading(
    films: Index, tmp_path: Path, reads: list[str]
) -> None:
    cached_pixels(films, SIZE, tmp_path / "cache")
    reads.clear()
    some = films.take(np.array([9, 4, 20]))
    assert np.array_equal(cached_pixels(some, SIZE, tmp_path / "cache"), expected(some))
    assert not reads


def flip(path: Path, position: int) -> None:
    with path.open("r+b") as file:
        file.seek(position)
        [byte] = file.read(1)
        file.seek(position)
        file.write(bytes((byte ^ 1,)))


@pytest.mark.parametrize("ending", [".bin", ".rows"])
def test_damaged_rows_are_told_and_they_alone_are_read_again(
    films: Index,
    tmp_path: Path,
    reads: list[str],
    ending: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    cached_pixels(films, SIZE, tmp_path / "cache")
    (path,) = (tmp_path / "cache").glob(f"*{ending}")
    for row in (3, 17):
        flip(path, path.stat().st_size - 1 - (FILMS - 1 - row) * (path.stat().st_size // FILMS))
    reads.clear()
    assert np.array_equal(cached_pixels(films, SIZE, tmp_path / "cache"), expected(films))
    assert reads == [films.files[3], films.files[17]]
    assert "2 image(s) in pixels-" in capsys.readouterr().err
    cached_pixels(films, SIZE, tmp_path / "cache")
    assert len(reads) == 2, "what is mended is good"


def test_unreadable_files_are_told_at_once_and_cost_no_second_reading(
    films: Index, tmp_path: Path, reads: list[str]
) -> None:
    whole = (films.root / films.files[3]).read_bytes()
    (films.root / films.files[3]).write_bytes(whole[: len(whole) // 2])
    (films.root / films.files[20]).unlink()
    with pytest.raises(DataError, match=r"2 image\(s\) cannot be read") as told:
        cached_pixels(films, SIZE, tmp_path / "cache")
    assert "03.png" in str(told.value)
    assert "damaged" in str(told.value)
    assert "20.png" in str(told.value)
    assert "opened" in str(told.value)

    (films.root / films.files[3]).write_bytes(whole)  # one corrected, one left out of the index
    better = films.take(np.array([k for k in range(FILMS) if k != 20]))
    reads.clear()
    assert np.array_equal(cached_pixels(better, SIZE, tmp_path / "cache"), expected(better))
    assert reads == [films.files[3]]


def test_many_unreadable_files_are_counted_and_the_first_named(tmp_path: Path) -> None:
    index = index_of(tmp_path, [f"{k:03}.png" for k in range(50)])
    with pytest.raises(DataError, match=r"50 image.*000\.png, 001\.png.*and 30 more"):
        cached_pixels(index, SIZE, tmp_path / "cache")


def test_a_full_disk_is_one_sentence_and_what_was_read_stays(
    films: Index, tmp_path: Path, reads: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    real, calls = os.fsync, iter(range(100))

    def full(descriptor: int) -> None:
        if next(calls) >= 6:  # two a block: three blocks of four films are kept
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        real(descriptor)

    monkeypatch.setattr(pixels_module.os, "fsync", full)
    with pytest.raises(DataError, match=r"disk is full, of the 0\.1 MB.*kept\.$"):
        cached_pixels(films, SIZE, tmp_path / "cache")
    monkeypatch.setattr(pixels_module.os, "fsync", real)
    reads.clear()
    assert np.array_equal(cached_pixels(films, SIZE, tmp_path / "cache"), expected(films))
    assert len(reads) == FILMS - 12


def test_too_little_room_is_told_before_any_work(
    films: Index, tmp_path: Path, reads: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pixels_module.shutil, "disk_usage", lambda _: SimpleNamespace(free=10_000))
    with pytest.raises(DataError, match="GB more"):
        cached_pixels(films, SIZE, tmp_path / "cache")
    assert not reads


SLOW = """
import sys, time
from pathlib import Path
import numpy as np
import train.data.pixels as pixels_module
from lmeran.config import Preprocessing
from train.data.index import Index
real = pixels_module.read_file
def slow(path):
    time.sleep(0.05)
    return real(path)
pixels_module.read_file = slow
pixels_module._BLOCK_BYTES = 2 * 64 * 64
folder = Path(sys.argv[1])
names = tuple(sorted(p.name for p in folder.glob("*.png")))
index = Index(folder, names, names, np.arange(24), np.zeros((24, 14)), np.zeros(24))
pixels_module.cached_pixels(index, Preprocessing(image_size=64), Path(sys.argv[2]))
"""


def test_a_kill_in_the_middle_loses_nothing_that_was_kept(
    films: Index, tmp_path: Path, reads: list[str]
) -> None:
    cache, kept = tmp_path / "cache", 0
    child = subprocess.Popen(
        [sys.executable, "-c", SLOW, str(films.root), str(cache)],
        cwd=ROOT,
        stderr=subprocess.DEVNULL,
    )
    deadline = time.monotonic() + 300
    while kept < 5 and time.monotonic() < deadline and child.poll() is None:
        time.sleep(0.005)
        facts = [np.fromfile(rows, pixels_module._ROW) for rows in cache.glob("*.rows")]
        kept = sum(np.count_nonzero(fact["mark"]) for fact in facts)
    child.send_signal(signal.SIGKILL)
    assert child.wait() == -signal.SIGKILL
    assert kept >= 5
    assert np.array_equal(cached_pixels(films, SIZE, cache), expected(films))
    assert len(reads) <= FILMS - kept


def test_of_two_at_once_one_builds_and_the_other_waits(
    films: Index, tmp_path: Path, reads: list[str]
) -> None:
    found: list[np.ndarray] = []

    def build() -> None:
        found.append(cached_pixels(films, SIZE, tmp_path / "cache"))

    threads = [threading.Thread(target=build) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(reads) == FILMS
    assert all(np.array_equal(pixels, expected(films)) for pixels in found)

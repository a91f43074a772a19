"""Images out of an archive: nothing else, nothing elsewhere, nothing half."""

from __future__ import annotations

import tarfile
from pathlib import Path

import pytest

from tests.support.release_making import film_bytes, film_names, packed
from train.release.archive import extract_films
from train.release.download import PrefetchError


def test_an_archive_gives_its_images(tmp_path: Path) -> None:
    names = film_names()[:6]
    members = {f"images/{name}": film_bytes(name) for name in names}
    (tmp_path / "images_001.tar.gz").write_bytes(packed(members))
    assert extract_films(tmp_path / "images_001.tar.gz", tmp_path / "images_001") == 6
    for name in names:
        assert (tmp_path / "images_001" / "images" / name).read_bytes() == film_bytes(name)


@pytest.mark.parametrize(
    "name",
    [
        "../00000001_000.png",
        "/tmp/00000001_000.png",
        "images/../../00000001_000.png",
        "images/setup.py",
        "images/00000001_000.png.exe",
    ],
)
def test_an_archive_with_anything_else_is_refused(tmp_path: Path, name: str) -> None:
    good = {"images/00000002_000.png": b"x"}
    (tmp_path / "a.tar.gz").write_bytes(packed({**good, name: b"x"}))
    with pytest.raises(PrefetchError, match="no image of the release"):
        extract_films(tmp_path / "a.tar.gz", tmp_path / "deep" / "images_001")
    assert [p.name for p in tmp_path.rglob("*") if p.is_file()] == ["a.tar.gz"]


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE])
def test_an_archive_with_links_or_devices_is_refused(tmp_path: Path, kind: bytes) -> None:
    (tmp_path / "a.tar.gz").write_bytes(packed({"images/00000001_000.png": b""}, kind))
    with pytest.raises(PrefetchError, match="no image of the release"):
        extract_films(tmp_path / "a.tar.gz", tmp_path / "images_001")
    assert not (tmp_path / "images_001").exists()


@pytest.mark.parametrize("share", [0.0, 0.1, 0.5, 0.97, 0.9999])
def test_a_cut_off_archive_is_refused_and_leaves_nothing(tmp_path: Path, share: float) -> None:
    data = packed({f"images/{name}": film_bytes(name) for name in film_names()})
    (tmp_path / "a.tar.gz").write_bytes(data[: int(len(data) * share)])
    with pytest.raises(PrefetchError, match=r"a\.tar\.gz"):
        extract_films(tmp_path / "a.tar.gz", tmp_path / "images_001")
    assert [p.name for p in tmp_path.iterdir()] == ["a.tar.gz"]


def test_an_archive_whose_checksum_is_wrong_is_refused(tmp_path: Path) -> None:
    data = bytearray(packed({"images/00000001_000.png": film_bytes("00000001_000.png")}))
    data[-6] ^= 1  # in the CRC that ends a gzip file
    (tmp_path / "a.tar.gz").write_bytes(data)
    with pytest.raises(PrefetchError, match="damaged"):
        extract_films(tmp_path / "a.tar.gz", tmp_path / "images_001")
    assert not (tmp_path / "images_001").exists()

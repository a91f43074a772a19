"""One file over HTTP: interruptions, servers of all manners, full disks."""

from __future__ import annotations

import errno
import hashlib
import os
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

import train.release.download as download_module
from tests.support.release_serving import Site, serving
from train.release.download import DiskFullError, PrefetchError, Remote, download

DATA = np.random.default_rng(0).bytes(300_000)


@pytest.fixture()
def site(monkeypatch: pytest.MonkeyPatch) -> Iterator[Site]:
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    with serving() as state:
        yield state


def remote(site: Site, name: str = "images_001.tar.gz", known: bool = True) -> Remote:
    site.files.setdefault(name, DATA)
    data = site.files[name]
    return Remote(
        name,
        f"{site.url}/{name}",
        len(data) if known else None,
        hashlib.md5(data).hexdigest() if known else None,
    )


def test_an_interrupted_transfer_goes_on_where_it_stopped(site: Site, tmp_path: Path) -> None:
    site.stops = [100_000, 50_000, 0]
    download(remote(site), tmp_path / "a", pause=0)
    assert (tmp_path / "a").read_bytes() == DATA
    asked = [part for _, part in site.requests]
    assert asked == [None, "bytes=100000-", "bytes=150000-", "bytes=150000-"]
    assert list(tmp_path.iterdir()) == [tmp_path / "a"]


def test_a_later_call_goes_on_as_well(site: Site, tmp_path: Path) -> None:
    site.stops = [100_000, 0, 0]
    with pytest.raises(PrefetchError, match=r"keeps stopping.*100,000 bytes are kept"):
        download(remote(site), tmp_path / "a", tries=2, pause=0)
    download(remote(site), tmp_path / "a", pause=0)
    assert (tmp_path / "a").read_bytes() == DATA
    assert site.requests[-1][1] == "bytes=100000-"


@pytest.mark.parametrize("known", [True, False])
def test_a_server_without_ranges_sends_all_again(site: Site, tmp_path: Path, known: bool) -> None:
    site.ranges = False
    site.stops = [100_000]
    download(remote(site, known=known), tmp_path / "a", pause=0)
    assert (tmp_path / "a").read_bytes() == DATA
    assert [part for _, part in site.requests] == [None, "bytes=100000-"]


def test_a_server_that_tells_no_length_is_trusted_by_checksum(site: Site, tmp_path: Path) -> None:
    site.lengths = False
    download(remote(site), tmp_path / "a", pause=0)
    assert (tmp_path / "a").read_bytes() == DATA
    site.stops = [100]
    with pytest.raises(PrefetchError, match="checksum"):
        download(remote(site), tmp_path / "b", pause=0)
    assert not (tmp_path / "b.partial").exists()


@pytest.mark.parametrize("known", [True, False])
def test_a_whole_partial_is_taken_as_it_is(site: Site, tmp_path: Path, known: bool) -> None:
    (tmp_path / "a.partial").write_bytes(DATA)
    download(remote(site, known=known), tmp_path / "a", pause=0)
    assert (tmp_path / "a").read_bytes() == DATA
    assert [part for _, part in site.requests] == ([] if known else ["bytes=300000-"])


@pytest.mark.parametrize("known", [True, False])
def test_too_long_a_partial_begins_anew(site: Site, tmp_path: Path, known: bool) -> None:
    (tmp_path / "a.partial").write_bytes(bytes(400_000))
    download(remote(site, known=known), tmp_path / "a", pause=0)
    assert (tmp_path / "a").read_bytes() == DATA


def test_a_wrong_partial_is_found_by_its_checksum(site: Site, tmp_path: Path) -> None:
    (tmp_path / "a.partial").write_bytes(bytes(1000))
    with pytest.raises(PrefetchError, match="not the file of the list"):
        download(remote(site), tmp_path / "a", pause=0)
    download(remote(site), tmp_path / "a", pause=0)
    assert (tmp_path / "a").read_bytes() == DATA


def test_what_is_gone_is_not_asked_for_again(site: Site, tmp_path: Path) -> None:
    gone = Remote("images_001.tar.gz", f"{site.url}/gone")
    with pytest.raises(PrefetchError, match=r"404.*release page.*--urls"):
        download(gone, tmp_path / "a", pause=0)
    assert len(site.requests) == 1


def test_a_busy_server_is_asked_again(site: Site, tmp_path: Path) -> None:
    site.failures = [503, 429, 500]
    download(remote(site), tmp_path / "a", pause=0)
    assert (tmp_path / "a").read_bytes() == DATA
    assert len(site.requests) == 4


def test_a_moved_file_is_followed_with_its_range(site: Site, tmp_path: Path) -> None:
    site.files["file"] = DATA
    site.stops = [100_000]
    moved = Remote("images_001.tar.gz", f"{site.url}/moved/file", len(DATA))
    download(moved, tmp_path / "a", pause=0)
    assert (tmp_path / "a").read_bytes() == DATA
    assert site.requests[-1] == ("file", "bytes=100000-")


def test_a_web_page_in_place_of_the_file_is_refused(site: Site, tmp_path: Path) -> None:
    site.media = "text/html; charset=utf-8"
    with pytest.raises(PrefetchError, match="web page"):
        download(remote(site), tmp_path / "a", pause=0)
    assert not list(tmp_path.iterdir())


def test_a_file_of_another_size_is_refused_before_its_body(site: Site, tmp_path: Path) -> None:
    other = Remote("images_001.tar.gz", remote(site).url, 299_999)
    with pytest.raises(PrefetchError, match=r"300,000 bytes instead of 299,999"):
        download(other, tmp_path / "a", pause=0)
    assert not list(tmp_path.iterdir())


def test_no_server_at_all_is_one_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    nowhere = Remote("images_001.tar.gz", "http://127.0.0.1:9/x")
    with pytest.raises(PrefetchError, match=r"keeps stopping.*refused"):
        download(nowhere, tmp_path / "a", tries=2, pause=0)


def test_a_full_disk_keeps_what_came(
    site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class FullBar:
        def __init__(self, **_: object) -> None:
            self.calls = iter(range(100))

        def __enter__(self) -> FullBar:
            return self

        def __exit__(self, *_: object) -> None:
            pass

        def update(self, _: int) -> None:
            if next(self.calls) == 2:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(download_module, "tqdm", FullBar)
    monkeypatch.setattr(download_module, "_CHUNK", 10_000)
    with pytest.raises(DiskFullError, match="is full"):
        download(remote(site), tmp_path / "a", pause=0)
    assert (tmp_path / "a.partial").read_bytes() == DATA[:30_000]

"""The release fetched from a server on this machine, unpacked and indexed."""

from __future__ import annotations

import errno
import gzip
import hashlib
import os
import re
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from urllib.parse import urlsplit

import pytest
import yaml

import train.release.archive as archive_module
import train.release.prefetch as prefetch_module
from tests.conftest import ROOT
from tests.support.release_making import packed, write_release
from tests.support.release_serving import Site, serving
from train.__main__ import main
from train.release.download import DiskFullError, PrefetchError, is_intact
from train.release.prefetch import NIH_URLS, prefetch, read_urls

SHARED = ROOT.parent / "shared" / "data"


@pytest.fixture()
def site(monkeypatch: pytest.MonkeyPatch) -> Iterator[Site]:
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    with serving() as state:
        yield state


@pytest.fixture()
def release(site: Site, tmp_path: Path) -> Path:
    """A list of a small release on the server: two archives and four tables."""
    source = write_release(tmp_path / "source")
    for number in ("001", "002"):
        images = source / f"images_{number}" / "images"
        members = {f"images/{p.name}": p.read_bytes() for p in sorted(images.iterdir())}
        site.files[f"images_{number}.tar.gz"] = packed(members)
    for path in source.iterdir():
        if path.is_file():
            site.files[path.name] = path.read_bytes()
    entries = [
        {
            "name": name,
            "url": f"{site.url}/{name}",
            "bytes": len(data),
            "sha256": hashlib.sha256(data).hexdigest(),
        }
        for name, data in site.files.items()
    ]
    (tmp_path / "urls.yaml").write_text(yaml.safe_dump(entries))
    return tmp_path / "urls.yaml"


def test_the_release_is_fetched_unpacked_and_indexed(
    site: Site, release: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    site.stops = [3000]
    assert main(["prefetch", "--out", str(out), "--urls", str(release)]) == 0
    assert f"python -m train index {out}" in capsys.readouterr().out
    assert main(["index", str(out), "--partial"]) == 0
    assert "24 films of 12 patients" in capsys.readouterr().out
    source = sorted((tmp_path / "source").rglob("*.png"))
    fetched = sorted((out).rglob("*.png"))
    assert [p.read_bytes() for p in source] == [p.read_bytes() for p in fetched]

    asked = len(site.requests)
    prefetch(out, release)
    assert len(site.requests) == asked, "nothing is fetched twice"


def test_archives_go_when_unpacked_if_so_wished(site: Site, release: Path, tmp_path: Path) -> None:
    prefetch(tmp_path / "out", release, keep_archives=False)
    assert not list((tmp_path / "out").glob("*.tar.gz"))
    asked = len(site.requests)
    prefetch(tmp_path / "out", release, keep_archives=False)
    assert len(site.requests) == asked


def test_every_file_that_cannot_be_had_is_told(site: Site, release: Path, tmp_path: Path) -> None:
    del site.files["images_001.tar.gz"]
    site.files["test_list.txt"] = b"x" * len(site.files["test_list.txt"])
    with pytest.raises(PrefetchError, match=r"2 of 6 files") as told:
        prefetch(tmp_path / "out", release, pause=0)
    assert "images_001.tar.gz: the server answers 404" in str(told.value)
    assert "test_list.txt: what" in str(told.value)
    assert (tmp_path / "out" / "images_002" / "images").is_dir(), "the others are there"


def test_an_archive_put_there_by_hand_is_checked_and_unpacked(
    site: Site, release: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    out.mkdir()
    (out / "images_001.tar.gz").write_bytes(site.files["images_001.tar.gz"])
    (out / "images_002.tar.gz").write_bytes(gzip.compress(b"something else"))
    with pytest.raises(PrefetchError, match=r"images_002.*delete it") as told:
        prefetch(out, release)
    assert "images_001" not in str(told.value)
    assert (out / "images_001").is_dir()
    assert (out / "images_002.tar.gz").is_file(), "what the user brought is not deleted"


def test_too_little_room_is_told_before_any_transfer(
    site: Site, release: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(prefetch_module.shutil, "disk_usage", lambda _: SimpleNamespace(free=100))
    with pytest.raises(DiskFullError, match="GB more"):
        prefetch(tmp_path / "out", release)
    assert not site.requests


def test_a_disk_that_fills_while_unpacking_keeps_the_archive(
    release: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patch:
        patch.setattr(archive_module.shutil, "copyfileobj", full)
        with pytest.raises(DiskFullError, match=r"images_001.*No space left.*again"):
            prefetch(tmp_path / "out", release)
    left = {path.name for path in (tmp_path / "out").iterdir()}
    assert "images_001.tar.gz" in left
    assert not {"images_001", "images_001.extracting"} & left
    prefetch(tmp_path / "out", release)
    assert len(list((tmp_path / "out").rglob("*.png"))) == 24


def test_a_stop_by_the_user_is_one_sentence(
    release: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    def stopped(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(prefetch_module, "download", stopped)
    assert main(["prefetch", "--out", str(tmp_path / "out"), "--urls", str(release)]) == 1
    assert "goes on from here" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[]", "no list"),
        ("{a: 1}", "no list"),
        ("[{name: images_001.tar.gz}]", "name, url"),
        ("[{name: images_001.tar.gz, url: 'http://x', size: 3}]", "name, url"),
        ("[{name: ../images_001.tar.gz, url: 'http://x'}]", "no part of the release"),
        ("[{name: images_001.tar.gz, url: 'file:///etc/passwd'}]", "http or https"),
        ("[{name: images_001.tar.gz, url: 'http://x', bytes: many}]", "whole number"),
        (
            "[{name: test_list.txt, url: 'http://x'}, {name: test_list.txt, url: 'http://y'}]",
            "twice",
        ),
        ("[", "cannot be read"),
    ],
)
def test_a_list_that_cannot_be_used_is_refused(tmp_path: Path, text: str, words: str) -> None:
    (tmp_path / "urls.yaml").write_text(text)
    with pytest.raises(PrefetchError, match=words):
        read_urls(tmp_path / "urls.yaml")


def test_the_lists_own_links_are_whole() -> None:
    remotes = read_urls(NIH_URLS)
    archives = [r for r in remotes if r.name.endswith(".tar.gz")]
    assert [r.name for r in archives] == [f"images_{k:03}.tar.gz" for k in range(1, 13)]
    assert len(remotes) == 16
    for r in remotes:
        assert re.fullmatch(r"nihcc(\.app)?\.box\.com", urlsplit(r.url).hostname)
        assert urlsplit(r.url).scheme == "https"
        assert r.bytes
        checksum, length = (r.md5, 32) if r in archives else (r.sha256, 64)
        assert re.fullmatch(f"[0-9a-f]{{{length}}}", checksum)
    assert len({r.url for r in remotes}) == 16


@pytest.mark.skipif(not SHARED.is_dir(), reason="the release's tables are not here")
def test_checksums_of_the_tables_are_those_of_the_published_files() -> None:
    places = {
        "BBox_List_2017.csv": SHARED / "labels" / "BBox_List_2017.csv",
        "train_val_list.txt": SHARED / "splits" / "train_val_list.txt",
        "test_list.txt": SHARED / "splits" / "test_list.txt",
    }
    remotes = {r.name: r for r in read_urls(NIH_URLS)}
    for name, path in places.items():
        assert is_intact(remotes[name], path), name
    # This copy of the label table names one column otherwise than NIH's.
    data = gzip.decompress((SHARED / "labels" / "Data_Entry_2017_v2020.csv.gz").read_bytes())
    data = data.replace(b"Patient Gender", b"Patient Sex", 1)
    labels = remotes["Data_Entry_2017_v2020.csv"]
    assert (len(data), hashlib.sha256(data).hexdigest()) == (labels.bytes, labels.sha256)

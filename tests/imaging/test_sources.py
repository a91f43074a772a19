"""Films are found lazily, in the order of their names, in folders and zips; and shared out."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from lmeran.config import Preprocessing
from lmeran.imaging import sources
from lmeran.imaging.decoding import Decoded, Decoder, Refused
from lmeran.imaging.sources import Source, printable, share_of, walk
from tests.imaging.test_zipped import png, zipped
from tests.support.dicom_making import film, written

DECODER = Decoder(Preprocessing(image_size=64))


def labels(*arguments: Path) -> list[str]:
    return [source.label for source in walk(str(argument) for argument in arguments)]


def found(folder: Path) -> list[str]:
    """Paths inside `folder` of what is answered."""
    kept = [s for s in walk([str(folder)]) if DECODER.decode(s) is not None]
    return [os.path.relpath(source.label, folder) for source in kept]


def test_a_folder_is_walked_in_the_order_of_its_names(tmp_path: Path) -> None:
    names = ["b/x.png", "b.png", "a/z/1.png", "a/10.png", "a/9.png", "B.png", "a.png", "b/.x.png"]
    for name in [*names, ".hidden/x.png", "DICOMDIR", "a/dicomdir"]:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(png())
    (tmp_path / "circle").symlink_to(tmp_path)
    wanted = sorted(tmp_path / name for name in names[:-1])
    assert labels(tmp_path) == [str(path) for path in wanted]


def test_a_film_is_known_by_its_ending_or_its_first_bytes(tmp_path: Path) -> None:
    (tmp_path / "IM0001").write_bytes(written(film()))
    (tmp_path / "scan.img").write_bytes(png())
    (tmp_path / "empty.dcm").write_bytes(b"")
    (tmp_path / "README.md").write_text("no film")
    (tmp_path / "empty").write_bytes(b"")
    assert found(tmp_path) == ["IM0001", "empty.dcm", "scan.img"]
    [named] = walk([str(tmp_path / "README.md")])
    assert isinstance(DECODER.decode(named), Refused)


def test_a_zip_is_a_folder_of_films(tmp_path: Path) -> None:
    inside = {"S/IM2": written(film()), "S/IM1": png(), "S/note.txt": b"no", "S/bad.png": b"no"}
    (tmp_path / "m.zip").write_bytes(zipped(inside))
    (tmp_path / "a.png").write_bytes(png())
    (tmp_path / "z.png").write_bytes(png())
    (tmp_path / "torn.zip").write_bytes(zipped(inside)[:-40])
    wanted = ["a.png", "m.zip/S/IM1", "m.zip/S/IM2", "m.zip/S/bad.png", "torn.zip", "z.png"]
    assert found(tmp_path) == wanted
    outcomes = {s.label: DECODER.decode(s) for s in walk([str(tmp_path)])}
    assert isinstance(outcomes[f"{tmp_path}/m.zip/S/IM2"], Decoded)
    assert "damaged" in outcomes[f"{tmp_path}/torn.zip"].reason
    (tmp_path / "named").write_bytes(zipped({"IM1": png()}))
    assert labels(tmp_path / "named") == [f"{tmp_path}/named/IM1"]


def test_a_zip_that_changes_under_way_gives_no_wrong_film(tmp_path: Path) -> None:
    path = tmp_path / "a.zip"
    path.write_bytes(zipped({"1.png": png(1), "2.png": png(2)}))
    [_, second] = walk([str(tmp_path)])
    path.unlink()
    path.write_bytes(zipped({"3.png": png(3), "4.png": png(4)}))
    assert "changed" in DECODER.decode(second).reason


def test_folders_are_opened_when_it_is_their_turn(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for k in range(5):
        (tmp_path / f"{k}").mkdir()
        (tmp_path / f"{k}" / "x.png").write_bytes(b"")
    opened = []
    scandir = os.scandir
    watched: Callable[[Path], object] = lambda path: opened.append(path) or scandir(path)  # noqa: E731
    monkeypatch.setattr(sources.os, "scandir", watched)
    walking = walk([str(tmp_path)])
    assert opened == []
    next(walking)
    assert opened == [tmp_path, tmp_path / "0"]


def test_a_folder_that_cannot_be_opened_is_answered(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "closed").mkdir()
    (tmp_path / "x.png").write_bytes(png())
    scandir = os.scandir

    def guarded(path: Path) -> object:
        if path.name == "closed":
            raise PermissionError(13, "Permission denied")
        return scandir(path)

    monkeypatch.setattr(sources.os, "scandir", guarded)
    closed, film_ = walk([str(tmp_path)])
    assert "Permission denied" in DECODER.decode(closed).reason
    assert isinstance(DECODER.decode(film_), Decoded)


def test_names_become_one_line_of_text() -> None:
    assert printable(Path("Müller 1/x.png")) == "Müller 1/x.png"
    assert printable(Path("a\nb\x1b[2J.png")) == "a\\nb\\x1b[2J.png"
    assert printable(Path(os.fsdecode(b"\xe9t\xe9.png"))) == "\\xe9t\\xe9.png"


def test_shares_are_a_partition_that_stays_when_films_are_added() -> None:
    def all_of(count: int) -> list[Source]:
        return [Source(f"films/{k}.png", Path()) for k in range(count)]

    def shares(count: int) -> list[set[str]]:
        return [{s.label for s in share_of(all_of(count), rank, 4)} for rank in range(4)]

    few, many = shares(1000), shares(1500)
    assert set.union(*few) == {source.label for source in all_of(1000)}
    assert sum(len(share) for share in few) == 1000
    assert min(len(share) for share in few) > 200
    for before, after in zip(few, many, strict=True):
        assert before <= after


def test_links_in_a_circle_are_passed_over_and_closed_ones_answered(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(png())
    (tmp_path / "itself").symlink_to("itself")
    (tmp_path / "there.dcm").symlink_to("back.dcm")
    (tmp_path / "back.dcm").symlink_to("there.dcm")
    (tmp_path / "up").symlink_to(tmp_path)
    (tmp_path / "gone.png").symlink_to("nowhere.png")
    [film_] = walk([str(tmp_path)])
    assert isinstance(DECODER.decode(film_), Decoded)
    [named] = walk([str(tmp_path / "itself")])
    assert "cannot be opened" in DECODER.decode(named).reason


def test_a_link_that_must_not_be_followed_is_answered(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Entry:
        name, path = "x.png", str(tmp_path / "x.png")

        def is_dir(self, **_: object) -> bool:
            return False

        def is_file(self) -> bool:
            raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(sources.os, "scandir", lambda _: contextlib.nullcontext([Entry()]))
    [closed] = walk([str(tmp_path)])
    assert "Permission denied" in DECODER.decode(closed).reason

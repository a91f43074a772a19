"""What a reader gives to the worklist on the real page: zips, folders, files that are dropped."""

from __future__ import annotations

import zipfile
from pathlib import Path

import numpy as np
import pytest
from playwright.sync_api import Page, expect

from lmeran.predictor import Predictor
from tests.support.browsing import (
    as_percent,
    counted,
    drop_on_film,
    films,
    free,
    give,
    keys,
    labels,
    pin,
    read_through,
    row,
    rows,
    settled,
    walked_to,
)
from tests.support.dicom_making import film as dicom_film
from tests.support.dicom_making import written

pytest_plugins = ["tests.support.browsing_fixtures"]


def zip_of(folder: Path) -> Path:
    """A film packed, one stored, one deeper, one that is damaged, one locked, and what is none."""
    first, second, third, fourth, fifth = films(folder / "z", 5)
    path = folder / "study.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as file:
        file.write(first, "a.png")
        file.writestr(zipfile.ZipInfo("b.png"), second.read_bytes())  # stored
        file.write(third, "deep/no_ending")
        file.writestr("notes.txt", "no film")
        file.writestr("__MACOSX/._a.png", "no film")
        file.write(fourth, "x_damaged.png")
        file.write(fifth, "y_locked.png")
        file.writestr("z_inner.zip", b"PK\x05\x06" + bytes(18))
    data = bytearray(path.read_bytes())
    damaged, locked = (_entry(data, name) for name in (b"x_damaged.png", b"y_locked.png"))
    data[damaged + 16] ^= 1  # its sum in the table of contents
    data[locked + 8] |= 1  # its flag in the table of contents
    path.write_bytes(data)
    return path


def _entry(data: bytearray, name: bytes) -> int:
    """Where the table of contents has the entry of that name."""
    return data.rindex(name) - 46


def test_a_zip_is_unpacked_in_the_browser_and_its_names_stay_there(
    page: Page, tmp_path: Path, predictor: Predictor, monkeypatch: pytest.MonkeyPatch
) -> None:
    sent: list[bytes] = []
    page.on("request", lambda r: sent.append(r.post_data_buffer or b"") if r.post_data else None)
    give(page, zip_of(tmp_path))
    counted(page, "6 films, 3 cannot be read")
    texts = [" ".join(rows(page).nth(k).text_content().split()) for k in range(6)]
    films_in_it = ["a.png", "b.png", "deep/no_ending"]
    assert labels(page) == [*films_in_it, "x_damaged.png", "y_locked.png", "z_inner.zip"]
    assert "damaged inside the zip" in texts[3]
    assert "locked with a password" in texts[4]
    assert "zip inside a zip" in texts[5]
    page.locator("#lm-wlrow-3").click()
    walked_to(page, 3)
    assert row(page, "Hernia")["free"] == as_percent(free(predictor, 2)[-1])
    assert not any(b"no_ending" in body or b"PK\x03\x04" in body for body in sent)

    monkeypatch.setattr(zipfile, "ZIP64_LIMIT", 8)  # as if the zip were larger than 4 GB
    large = tmp_path / "large.zip"
    with zipfile.ZipFile(large, "w", zipfile.ZIP_DEFLATED) as file:
        file.write(films(tmp_path / "y", 1)[0], "big.png")
    (tmp_path / "torn.zip").write_bytes(large.read_bytes()[:-30])
    give(page, [large, tmp_path / "torn.zip"], "Add files")
    counted(page, "8 films, 4 cannot be read")
    page.locator(".lm-wltext").fill("big.png")
    expect(rows(page)).to_have_count(1)
    expect(rows(page)).to_contain_text("raw")
    page.locator(".lm-wltext").fill("torn")
    expect(rows(page).filter(has_text="torn")).to_contain_text("damaged or incomplete")


def test_a_folder_brings_its_films_and_nothing_else(page: Page, tmp_path: Path) -> None:
    folder = tmp_path / "study"
    films(folder / "series", 2)
    (folder / "DICOMDIR").write_bytes(bytes(128) + b"DICM")
    (folder / "readme.txt").write_text("no film")
    (folder / ".hidden.png").write_bytes(b"no")
    (folder / "broken.dcm").write_bytes(b"no")
    keys(page, "q")
    for way in (lambda: give(page, folder, "Add folder"), lambda: drop_on_film(page, folder)):
        way()
        counted(page, "3 films, 1 cannot be read")
        inside = ("broken.dcm", "series/Doe_0.png", "series/Doe_1.png")
        assert labels(page) == [f"study/{name}" for name in inside]
        page.get_by_role("button", name="Clear", exact=True).click()


def test_dropped_files_make_a_list_and_one_file_opens(page: Page, tmp_path: Path) -> None:
    drop = """([names, target]) => { const t = new DataTransfer();
      for (const name of names) t.items.add(new File(["no film"], name));
      document.querySelector(target).dispatchEvent(
        new DragEvent("drop", { dataTransfer: t, bubbles: true, cancelable: true })); }"""
    page.evaluate(drop, [["a.png"], ".lm-first"])
    expect(page.locator(".lm-alert")).to_contain_text("not a DICOM, PNG or JPEG")
    expect(page.locator(".lm-worklist")).to_be_hidden()
    page.evaluate(drop, [["a.png", "b.png"], ".lm-right"])
    counted(page, "2 films, 2 cannot be read")
    page.evaluate(drop, [["c.png"], ".lm-worklist"])
    counted(page, "3 films, 3 cannot be read")
    keys(page, "q")
    bad = tmp_path / "0_bad.png"
    bad.write_bytes(b"no film")
    give(page, [bad, *films(tmp_path, 2)])
    walked_to(page, 5)  # the first of them that opens
    expect(page.locator(".lm-first .lm-filmname")).to_have_text("Doe_0.png")


def test_a_frame_chosen_on_a_film_of_the_list_comes_back_with_its_pins(
    page: Page, tmp_path: Path
) -> None:
    pictures = np.random.default_rng(0).integers(0, 4096, (3, 64, 64)).astype("<u2")
    ds = dicom_film(pictures[0], NumberOfFrames=3)
    ds.PixelData = pictures.tobytes()
    run = tmp_path / "run.dcm"
    run.write_bytes(written(ds))
    give(page, [*films(tmp_path, 1), run])
    read_through(page)
    page.locator("#lm-wlrow-2").click()
    walked_to(page, 2)
    first = row(page, "Mass")
    page.get_by_role("button", name="Frame after").click()
    expect(page.locator(".lm-facts")).to_contain_text("2 of 3")
    expect(page.locator("#lm-wlrow-2")).to_contain_text("frame 2")
    pin(page, "Edema", "positive")
    settled(page)
    second = row(page, "Mass")
    assert second["free"] != first["free"]
    keys(page, "N")
    walked_to(page, 1)
    keys(page, "n")
    walked_to(page, 2)
    expect(page.locator(".lm-facts")).to_contain_text("2 of 3")
    settled(page)
    assert row(page, "Mass") == second

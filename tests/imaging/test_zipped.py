"""Films in a zip: read as they are, and zips that lie, lock, nest or explode in one sentence."""

from __future__ import annotations

import io
import random
import struct
import zipfile
from pathlib import Path

import pytest
from PIL import Image
from pydicom.uid import ExplicitVRLittleEndian

from lmeran.imaging.archive import Archive, ZipLimits, looks_like_zip
from lmeran.imaging.files import read_bytes
from lmeran.imaging.radiograph import MAX_FILE_BYTES, ReadError
from tests.conftest import film_pixels
from tests.support.dicom_making import film, written


def png(seed: int = 0) -> bytes:
    out = io.BytesIO()
    Image.fromarray(film_pixels(seed=seed)).save(out, "PNG")
    return out.getvalue()


def zipped(files: dict[str, bytes], method: int = zipfile.ZIP_DEFLATED) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", method) as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return out.getvalue()


def contents(source: Path | bytes, **limits: int) -> dict[str, bytes | str]:
    """By label the bytes of each film, or its reason."""
    found: dict[str, bytes | str] = {}
    with Archive(source, ZipLimits(**limits)) as archive:
        for member in archive.members:
            try:
                content = archive.read(member)
            except ReadError as error:
                found[member.label] = sentence(error)
            else:
                found |= {} if content is None else {member.label: content}
    return found


def sentence(error: BaseException) -> str:
    text = str(error)
    assert text.endswith(".")
    assert ". " not in text
    assert "\n" not in text
    return text


def refusal(source: Path | bytes, **limits: int) -> str:
    """Why the zip as a whole is refused."""
    with pytest.raises(ReadError) as caught:
        contents(source, **limits)
    return sentence(caught.value)


def test_a_study_without_endings_is_read_in_order_and_the_rest_passed_over(tmp_path: Path) -> None:
    dicom = written(film(), ExplicitVRLittleEndian)
    bare = dicom[132:]  # without preamble
    files = {
        "STUDY/SERIES2/IM2": bare,
        "STUDY/SERIES1/IM1": dicom,
        "STUDY/film.png": png(),
        "DICOMDIR": dicom,
        "README.TXT": b"How to install the viewer",
        "viewer/viewer.exe": b"MZ" + bytes(100),
        "__MACOSX/STUDY/._film.png": b"Mac",
        "STUDY/.DS_Store": b"Mac",
        "STUDY/EMPTY/": b"",
    }
    path = tmp_path / "study.zip"
    path.write_bytes(zipped(files))
    assert looks_like_zip(path.read_bytes())
    found = contents(path)
    assert list(found) == ["STUDY/SERIES1/IM1", "STUDY/SERIES2/IM2", "STUDY/film.png"]
    for label, data in found.items():
        assert data == files[label]
        assert read_bytes(data).pixels.shape
    assert contents(path.read_bytes()) == found
    assert [p.name for p in tmp_path.iterdir()] == ["study.zip"]


def test_a_bad_film_is_a_reason_and_the_others_are_read() -> None:
    data = zipped({"a.png": png(), "b.png": b"", "c.dcm": b"no film", "d.zip": zipped({"x": b""})})
    found = contents(data)
    assert found["a.png"] == png()
    assert "empty" in found["b.png"]
    assert found["c.dcm"] == b"no film"  # by its ending a film: reading it says what it is not
    assert "zip inside a zip" in found["d.zip"]


def test_names_that_lead_elsewhere_or_cannot_be_printed_become_plain_labels() -> None:
    names = (
        "../../etc/a.png",
        "/root/b.png",
        "C:\\scans\\c.png",
        "x/./y/../d.png",
        "e\n\x1b[2J.png",
    )
    found = contents(zipped({name: png(k) for k, name in enumerate(names)}))
    assert set(found) == {"e��[2J.png", "etc/a.png", "root/b.png", "scans/c.png", "x/y/d.png"}


def test_the_same_name_twice_gives_two_labels() -> None:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive, pytest.warns(UserWarning, match="Duplicate"):
        archive.writestr("a.png", png(0))
        archive.writestr("a.png (2)", png(2))
        archive.writestr("a.png", png(1))
    found = contents(out.getvalue())
    assert found == {"a.png": png(0), "a.png (2)": png(1), "a.png (2) (2)": png(2)}


def test_a_locked_film_says_so() -> None:
    data = bytearray(zipped({"a.png": png()}))
    data[6] |= 1  # general purpose flag, in the entry and in the table of contents
    data[data.index(b"PK\x01\x02") + 8] |= 1
    assert "password" in contents(bytes(data))["a.png"]


@pytest.mark.parametrize("method", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_packing_that_is_inflated_without_a_limit_is_not_opened(method: int) -> None:
    assert "deflate" in contents(zipped({"a.png": png()}, method))["a.png"]


def test_caps_hold_before_anything_is_inflated() -> None:
    many = zipped({f"{k}.png": png() for k in range(5)})
    assert "over 4 files" in refusal(many, entries=4)
    assert "GB" in refusal(many, total_bytes=len(png()) * 5 - 1)
    bomb = zipped({"a.dcm": bytes(128) + b"DICM" + bytes(MAX_FILE_BYTES // 4)})
    assert "over 250 times" in contents(bomb)["a.dcm"]
    large = zipped({"a.dcm": bytes(128) + b"DICM" + bytes(MAX_FILE_BYTES)})
    assert "limit is 64 MB" in contents(large)["a.dcm"]


def test_an_entry_larger_than_it_claims_is_not_inflated_past_its_claim() -> None:
    data = bytearray(zipped({"a.png": png() + bytes(2**22)}))
    at = data.index(b"PK\x01\x02")
    for position in (22, at + 24):
        data[position : position + 4] = struct.pack("<I", len(png()))
    assert "damaged" in contents(bytes(data))["a.png"]


def test_a_table_of_contents_beyond_all_measure_is_not_read(tmp_path: Path) -> None:
    path = tmp_path / "a.zip"
    end = struct.pack("<4s4H2IH", b"PK\x05\x06", 0, 0, 65535, 65535, 2**31, 0, 0)
    with path.open("wb") as file:
        file.truncate(2**31)  # sparse
        file.seek(2**31)
        file.write(end)
    assert "more files than" in refusal(path)


def test_parts_that_lie_over_each_other_are_refused() -> None:
    data = zipped({"a.png": png()}, zipfile.ZIP_STORED)
    at = data.index(b"PK\x01\x02")
    entry = data[at : data.index(b"PK\x05\x06")]
    end = struct.pack("<4s4H2IH", b"PK\x05\x06", 0, 0, 9, 9, 9 * len(entry), at, 0)
    assert "damaged" in refusal(data[:at] + 9 * entry + end)


def test_no_film_and_no_zip() -> None:
    assert contents(zipped({"a.txt": b"text"})) == contents(zipped({})) == {}
    assert "damaged" in refusal(b"PK\x03\x04" + bytes(200))
    assert "cannot be opened (No such file" in refusal(Path("/not/there.zip"))
    assert "damaged" in refusal(zipped({"a.png": png()})[:-30])


def test_random_damage_never_raises_anything_else() -> None:
    good = zipped({"a.png": png(), "b/IM1": written(film())})
    rng = random.Random(0)
    for _ in range(300):
        damaged = bytearray(good)
        start = rng.choice((0, len(good) - 200))
        for _ in range(rng.randint(1, 5)):
            damaged[min(start + rng.randrange(200), len(good) - 1)] = rng.randrange(256)
        try:
            contents(bytes(damaged))
        except ReadError as error:
            sentence(error)

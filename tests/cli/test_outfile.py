"""A file of answers: gone on with after any stop, and refused where it was made otherwise."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from lmeran.cli.lines import Lines
from lmeran.cli.outfile import OutFile, OutFileError
from lmeran.serialize import error_object

MADE = {"command": "predict", "format": "json", "checkpoint": "abc", "pins": {}}
FORMATS: dict[str, Lines] = {"json": Lines(), "csv": Lines(("file", "Mass", "warnings", "error"))}


def answer(label: str, error: str | None = 'It is, say, "bad".') -> dict[str, Any]:
    return {**error_object(label, "abc", ""), "error": error}


def write(path: Path, form: Lines, *labels: str, **options: Any) -> None:
    with OutFile(path, form, options.pop("made", MADE), **options) as out:
        for label in labels:
            out.write(answer(label))


def refusal(path: Path, form: Lines, made: dict[str, Any] = MADE) -> str:
    with pytest.raises(OutFileError) as caught, OutFile(path, form, made):
        pass
    text = str(caught.value)
    assert text.endswith(".")
    assert "\n" not in text
    return text


@pytest.fixture(params=list(FORMATS))
def form(request: pytest.FixtureRequest) -> Lines:
    return FORMATS[request.param]


@pytest.fixture()
def path(tmp_path: Path) -> Path:
    return tmp_path / "out"


def test_a_second_run_knows_what_is_answered(path: Path, form: Lines) -> None:
    write(path, form, "a, b.png", 'c"d.png')
    with OutFile(path, form, MADE) as out:
        assert out.done == {"a, b.png", 'c"d.png'}
        assert out.failed == 2
        out.write(answer("e.png", None))
        assert out.failed == 2
    with OutFile(path, form, MADE) as out:
        assert (len(out.done), out.failed) == (3, 2)
    assert sorted(p.name for p in path.parent.iterdir()) == ["out", "out.run.json"]


def test_wherever_it_was_cut_off_it_ends_as_if_it_had_not_been(path: Path, form: Lines) -> None:
    labels = ["a.png", "b.png", "c.png"]
    write(path, form, *labels)
    whole = path.read_bytes()
    for end in range(len(whole)):
        path.write_bytes(whole[:end])
        with OutFile(path, form, MADE) as out:
            for label in labels:
                if label not in out.done:
                    out.write(answer(label))
        assert path.read_bytes() == whole


def test_a_tail_of_zeros_as_a_power_cut_leaves_it_is_cut_off(path: Path, form: Lines) -> None:
    write(path, form, "a.png")
    whole = path.read_bytes()
    path.write_bytes(whole + bytes(300))
    write(path, form)
    assert path.read_bytes() == whole


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"checkpoint": "def"}, "another checkpoint"),
        ({"pins": {"Mass": "positive"}}, "other pins"),
        ({"format": "csv"}, "another --format"),
    ],
)
def test_a_file_made_otherwise_is_refused_and_left_alone(
    path: Path, form: Lines, change: dict[str, Any], words: str
) -> None:
    write(path, form, "a.png")
    whole = path.read_bytes()
    text = refusal(path, form, MADE | change)
    assert words in text
    assert "--restart" in text
    assert path.read_bytes() == whole
    write(path, form, "b.png", made=MADE | change, restart=True)
    with OutFile(path, form, MADE | change) as out:
        assert out.done == {"b.png"}


def test_a_file_of_somebody_elses_is_refused(path: Path, form: Lines) -> None:
    path.write_text("my notes\n")
    assert "was not made by this command" in refusal(path, form)
    write(path, form, restart=True)
    (path.parent / "out.run.json").write_text("torn {")
    path.write_text("my notes\n")
    assert "was not made by this command" in refusal(path, form)


def test_damage_in_the_middle_and_other_columns_are_refused(path: Path, form: Lines) -> None:
    write(path, form, "a.png", "b.png", "c.png")
    lines = path.read_bytes().splitlines(keepends=True)
    place = 2 if form.columns else 1
    path.write_bytes(b"".join([*lines[:place], b"torn\n", *lines[place:]]))
    assert "damaged in answer 2" in refusal(path, form)
    if form.columns:
        assert "other columns" in refusal(path, Lines(("file", "Edema", "warnings", "error")))


def test_one_run_at_a_time(path: Path, form: Lines) -> None:
    with OutFile(path, form, MADE):
        assert "Another run is writing" in refusal(path, form)
    write(path, form)


def test_where_nothing_can_be_written_it_says_so(tmp_path: Path, form: Lines) -> None:
    assert "cannot be written (No such file" in refusal(tmp_path / "not" / "there", form)
    assert list(tmp_path.iterdir()) == []
    with OutFile(Path("/dev/full"), Lines(), MADE) as out, pytest.raises(OutFileError) as told:
        out.write(answer("a.png"))
    assert "No space left" in str(told.value)


def test_json_lines_are_one_line_each(path: Path) -> None:
    with OutFile(path, Lines(), MADE) as out:
        out.write(answer("a.png", "two\nlines\u2028or three"))
    [line] = path.read_bytes().decode().split("\n")[:-1]
    assert json.loads(line)["error"] == "two\nlines\u2028or three"

"""Processes that decode: in order, ahead by so much, and none of them ends the run by crashing."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from lmeran.config import Preprocessing
from lmeran.imaging.decoding import Decoded, Decoder, Refused
from lmeran.imaging.decoding_pool import Outcome, decode_in_pool
from lmeran.imaging.decoding_process import CrashError, DecodingProcess
from lmeran.imaging.files import read_bytes
from lmeran.imaging.radiograph import ReadError
from lmeran.imaging.sources import Source
from tests.imaging.test_zipped import png
from tests.support.fragile import Fragile, take_memory

PREPROCESSING = Preprocessing(image_size=64)


@pytest.fixture()
def films(tmp_path: Path) -> list[Source]:
    found = []
    for k in range(12):
        path = tmp_path / f"{k}.png"
        path.write_bytes(png(k) if k % 5 else b"bad")
        found.append(Source(path.name, path))
    return found


def named(films: list[Source], **names: int) -> list[Source]:
    """The films, some of them under another name."""
    by_place = {place: name for name, place in names.items()}
    return [Source(by_place.get(k, s.label), s.path) for k, s in enumerate(films)]


def assert_same(got: Outcome, wanted: Outcome) -> None:
    if isinstance(wanted, Decoded):
        assert isinstance(got, Decoded)
        np.testing.assert_array_equal(got.square, wanted.square)
        got, wanted = (
            (one.height, one.width, one.warnings)  # type: ignore[assignment]
            for one in (got, wanted)
        )
    assert got == wanted


def test_the_pool_gives_what_one_process_gives_in_the_same_order(films: list[Source]) -> None:
    decoder = Decoder(PREPROCESSING)
    got = list(decode_in_pool(decoder, films, 2, ahead=5))
    assert [source for source, _ in got] == films
    for source, outcome in got:
        assert_same(outcome, decoder.decode(source))


def test_films_whose_decoder_crashes_or_hangs_are_answered_and_the_others_read(
    films: list[Source],
) -> None:
    sources = named(films, crash=1, hang=11)
    got = list(decode_in_pool(Fragile(PREPROCESSING, seconds=1), sources, 2, ahead=6))
    assert [source for source, _ in got] == sources
    for k, (_, outcome) in enumerate(got):
        if k in (1, 11):
            assert isinstance(outcome, Refused)
            assert "crashed on this film or took over 1 s" in outcome.reason
        else:
            assert_same(outcome, Decoder(PREPROCESSING).decode(films[k]))


def test_the_pool_is_no_further_ahead_than_it_may_be(films: list[Source]) -> None:
    taken = 0

    def watched() -> Iterator[Source]:
        nonlocal taken
        for source in films:
            taken += 1
            yield source

    outcomes = decode_in_pool(Decoder(PREPROCESSING), watched(), 1, ahead=3)
    next(outcomes)
    assert taken <= 4
    outcomes.close()


def test_what_a_library_raises_is_a_reason_of_one_film(
    films: list[Source], monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object) -> None:
        raise MemoryError("at Doe^John")

    monkeypatch.setattr("lmeran.imaging.decoding.network_pixels", broken)
    outcome = Decoder(PREPROCESSING).decode(films[1])
    assert isinstance(outcome, Refused)
    assert "MemoryError" in outcome.reason
    assert "Doe" not in outcome.reason


def test_a_decoder_that_aborts_is_one_sentence_and_the_next_film_is_read() -> None:
    with DecodingProcess() as process:
        with pytest.raises(CrashError, match="crashed on this film"):
            process.call(os.abort)
        assert process.crashes == 1
        film, wanted = process.read_bytes(png(1)), read_bytes(png(1))
        np.testing.assert_array_equal(film.pixels, wanted.pixels)
        assert film.warnings == wanted.warnings


def test_a_reason_comes_through_as_it_is_and_other_errors_quote_nothing(tmp_path: Path) -> None:
    with DecodingProcess() as process:
        with pytest.raises(ReadError, match="not a DICOM, PNG or JPEG"):
            process.read_bytes(b"no film")
        with pytest.raises(
            ReadError, match=r"could not be decoded \(FileNotFoundError\)"
        ) as caught:
            process.call(os.stat, str(tmp_path / "Doe_John"))
        assert "Doe" not in str(caught.value)
        assert process.crashes == 0


def test_a_film_may_not_take_all_of_the_memory() -> None:
    with DecodingProcess(memory=2**28) as process:
        with pytest.raises(ReadError, match="more memory than it may"):
            process.call(take_memory, 2**29)
        assert process.call(take_memory, 2**20) == 2**20

"""Open films: one a reader, bounded in bytes and time, never another reader's."""

from __future__ import annotations

import pytest

from app.films import FilmStore
from app.paper import Paper
from lmeran.imaging.radiograph import Radiograph
from lmeran.predictor import EncodedRadiograph, Predictor
from tests.conftest import film_pixels

PAPER = Paper.of(Radiograph(film_pixels(), "PNG", 8))


@pytest.fixture()
def encoded(predictor: Predictor) -> EncodedRadiograph:
    return predictor.encode(Radiograph(film_pixels(), "PNG", 8))


def test_a_film_is_its_owners_alone(encoded: EncodedRadiograph) -> None:
    films = FilmStore()
    mine = films.add("me", encoded, b"mine", {}, PAPER)
    assert films.get(mine.token, "me") is mine
    assert films.get(mine.token, "you") is None
    assert films.get("guess", "me") is None


def test_a_new_film_replaces_the_owners_last_only(encoded: EncodedRadiograph) -> None:
    films = FilmStore()
    first, other = (
        films.add("me", encoded, b"1", {}, PAPER),
        films.add("you", encoded, b"2", {}, PAPER),
    )
    films.add("me", encoded, b"3", {}, PAPER)
    assert films.get(first.token) is None
    assert films.get(other.token) is other
    assert len(films) == 2


def test_forgetting_leaves_nothing(encoded: EncodedRadiograph) -> None:
    films = FilmStore()
    mine = films.add("me", encoded, b"1", {}, PAPER)
    films.forget("me")
    assert films.get(mine.token) is None
    assert len(films) == 0


def test_idle_films_expire_and_used_ones_do_not(encoded: EncodedRadiograph) -> None:
    now = [0.0]
    films = FilmStore(idle_seconds=10, clock=lambda: now[0])
    idle, used = films.add("a", encoded, b"1", {}, PAPER), films.add("b", encoded, b"2", {}, PAPER)
    now[0] = 8
    films.get(used.token)
    now[0] = 12
    assert films.get(idle.token) is None
    assert films.get(used.token) is used


def test_memory_is_bounded_and_the_least_recently_used_goes_first(
    encoded: EncodedRadiograph,
) -> None:
    each = encoded.nbytes + PAPER.nbytes + 1000
    films = FilmStore(max_bytes=3 * each)
    held = [films.add(str(k), encoded, bytes(1000), {}, PAPER) for k in range(3)]
    films.get(held[0].token)
    films.add("3", encoded, bytes(1000), {}, PAPER)
    assert [films.get(f.token) is f for f in held] == [True, False, True]

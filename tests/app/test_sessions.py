"""Open films: one per reader and a prior one beside it, bounded in bytes and time."""

from __future__ import annotations

import pytest

from app.sessions import PrintPreview, RadiographStore
from lmeran.imaging.radiograph import Radiograph
from lmeran.predictor import EncodedRadiograph, Predictor
from tests.conftest import film_pixels

PREVIEW = PrintPreview.of(Radiograph(film_pixels(), "PNG", 8))


@pytest.fixture()
def encoded(predictor: Predictor) -> EncodedRadiograph:
    return predictor.encode(Radiograph(film_pixels(), "PNG", 8))


def test_a_film_is_its_owners_alone(encoded: EncodedRadiograph) -> None:
    films = RadiographStore()
    mine = films.add("me", encoded, b"mine", {}, PREVIEW)
    assert films.get(mine.token, "me") is mine
    assert films.get(mine.token, "you") is None
    assert films.get("guess", "me") is None


def test_a_new_film_replaces_the_owners_last_only(encoded: EncodedRadiograph) -> None:
    films = RadiographStore()
    first, other = (
        films.add("me", encoded, b"1", {}, PREVIEW),
        films.add("you", encoded, b"2", {}, PREVIEW),
    )
    films.add("me", encoded, b"3", {}, PREVIEW)
    assert films.get(first.token) is None
    assert films.get(other.token) is other
    assert len(films) == 2


def test_forgetting_leaves_nothing(encoded: EncodedRadiograph) -> None:
    films = RadiographStore()
    mine = films.add("me", encoded, b"1", {}, PREVIEW)
    films.forget("me")
    assert films.get(mine.token) is None
    assert len(films) == 0


def test_idle_films_expire_and_used_ones_do_not(encoded: EncodedRadiograph) -> None:
    now = [0.0]
    films = RadiographStore(idle_seconds=10, clock=lambda: now[0])
    idle, used = (
        films.add("a", encoded, b"1", {}, PREVIEW),
        films.add("b", encoded, b"2", {}, PREVIEW),
    )
    now[0] = 8
    films.get(used.token)
    now[0] = 12
    assert films.get(idle.token) is None
    assert films.get(used.token) is used


def test_memory_is_bounded_and_the_least_recently_used_goes_first(
    encoded: EncodedRadiograph,
) -> None:
    each = encoded.nbytes + PREVIEW.nbytes + 1000
    films = RadiographStore(max_bytes=3 * each)
    held = [films.add(str(k), encoded, bytes(1000), {}, PREVIEW) for k in range(3)]
    films.get(held[0].token)
    films.add("3", encoded, bytes(1000), {}, PREVIEW)
    assert [films.get(f.token) is f for f in held] == [True, False, True]


def test_a_prior_film_stands_beside_and_goes_with_the_next_film(encoded: EncodedRadiograph) -> None:
    films = RadiographStore()
    main = films.add("me", encoded, b"1", {}, PREVIEW)
    prior = films.add("me", encoded, b"2", {}, PREVIEW, prior=True)
    other = films.add("me", encoded, b"3", {}, PREVIEW, prior=True)
    assert [films.get(f.token) is f for f in (main, prior, other)] == [True, False, True]
    films.add("me", encoded, b"4", {}, PREVIEW)
    assert [films.get(f.token) for f in (main, prior, other)] == [None] * 3
    assert len(films) == 1


def test_forgetting_takes_the_prior_film_too(encoded: EncodedRadiograph) -> None:
    films = RadiographStore()
    films.add("me", encoded, b"1", {}, PREVIEW)
    prior = films.add("me", encoded, b"2", {}, PREVIEW, prior=True)
    films.forget("me")
    assert films.get(prior.token) is None

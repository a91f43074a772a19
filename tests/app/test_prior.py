"""A prior film beside the one that is read."""

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

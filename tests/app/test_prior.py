"""A prior film beside the one that is read."""

from __future__ import annotations

from pathlib import Path

import cv2
import pytest

from app.service import ReadingService
from app.sessions import PrintPreview, RadiographStore
from app.uploads import is_prior
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


def test_opening_a_prior_film_leaves_the_open_one(predictor: Predictor, tmp_path: Path) -> None:
    service = ReadingService(predictor, [], RadiographStore())
    for k in (0, 1):
        cv2.imwrite(str(tmp_path / f"{k}.png"), film_pixels(seed=k))
    main = service.open_file(str(tmp_path / "0.png"), "me")
    prior = service.open_file(str(tmp_path / "1.png"), "me", prior=True)
    assert (main["kind"], prior["kind"]) == ("film", "prior")
    assert prior["reading"]["free"] != main["reading"]["free"]
    assert service.films.get(main["token"], "me") is not None


def test_the_pages_names_tell_a_prior_film() -> None:
    digits = "0" * 36
    assert is_prior(f"/tmp/x/prior-{digits}")
    assert not is_prior(f"/tmp/x/film-{digits}")
    assert not is_prior("/tmp/x/prior-film.dcm")

"""What is taken away is the region and nothing else; controls lie on the body, apart from it."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest

from lmeran.explain.region import (
    BODY_SHARE,
    CONTROLS,
    Region,
    RegionError,
    body_mask,
    control_boxes,
    read_beside,
    read_region,
    read_without,
    what_if,
)
from lmeran.findings import FINDINGS, State
from lmeran.imaging.preprocess import network_pixels
from lmeran.imaging.radiograph import Radiograph
from lmeran.predictor import EncodedRadiograph, Predictor
from tests.conftest import ROOT, film_pixels


def a_film(lesion: bool = True) -> Radiograph:
    """A body on black, with a bright square on it."""
    pixels = np.zeros((200, 160), np.uint8)
    pixels[20:190, 20:140] = 90 + film_pixels(170, 120) // 8
    if lesion:
        pixels[60:90, 40:70] = 230
    return Radiograph(pixels=pixels, media="PNG", bits=8)


LESION = Region.of_pixels((40, 60, 30, 30), width=160, height=200)


def encoded(predictor: Predictor) -> EncodedRadiograph:
    return predictor.encode(a_film())


def test_as_plain_values_boxes_are_in_pixels_and_pinned_findings_null(predictor: Predictor) -> None:
    pins = {"Mass": State.NEGATIVE}
    reading = read_region(predictor, encoded(predictor), LESION, pins)
    found = what_if(predictor, encoded(predictor), (40, 60, 30, 30), pins)
    assert found["box"] == [40, 60, 30, 30]
    assert len(found["control_boxes"]) == CONTROLS
    assert found["findings"]["Mass"]["without"] is None
    edema = found["findings"]["Edema"]
    assert edema["whole"] == pytest.approx(reading["whole"][FINDINGS.index("Edema")], abs=1e-5)
    assert len(edema["without_controls"]) == CONTROLS


def test_a_region_is_cut_at_the_edge_and_must_be_on_the_film() -> None:
    assert Region.of_pixels((-10, 0, 30, 30), 160, 200) == Region(0, 0, 20 / 160, 30 / 200)
    for box in ((0, 0, 0, 10), (200, 0, 10, 10), (10, 10, -5, 5)):
        with pytest.raises(RegionError, match="box on the film"):
            Region.of_pixels(box, 160, 200)


def test_the_body_is_found_and_the_black_around_it_is_not() -> None:
    mask = body_mask(a_film().pixels)
    assert mask[100, 80]
    assert not mask[5, 5]
    assert 0.5 < mask.mean() < 0.8


def test_lungs_belong_to_the_body() -> None:
    body = a_film(lesion=False).pixels
    body[50:150, 40:70] = 8
    assert body_mask(body)[100, 55]


def test_controls_are_of_one_size_on_the_body_and_apart(predictor: Predictor) -> None:
    square = network_pixels(a_film().pixels, predictor.checkpoint.config.preprocessing)
    boxes = control_boxes(square, LESION)
    assert len(boxes) == CONTROLS
    mask = body_mask(square)
    for k, box in enumerate(boxes):
        assert box.right - box.left == pytest.approx(LESION.right - LESION.left)
        assert box.bottom - box.top == pytest.approx(LESION.bottom - LESION.top)
        assert not box.overlaps(LESION)
        assert not any(box.overlaps(other) for other in boxes[:k])
        rows = slice(round(box.top * len(mask)), round(box.bottom * len(mask)))
        columns = slice(round(box.left * len(mask)), round(box.right * len(mask)))
        assert mask[rows, columns].mean() >= BODY_SHARE - 0.05
    assert control_boxes(square, LESION) == boxes


def test_a_region_as_large_as_the_body_has_no_control(predictor: Predictor) -> None:
    everything = Region(0, 0, 1, 1)
    assert control_boxes(encoded(predictor).square, everything) == ()
    found = read_region(predictor, encoded(predictor), everything, {})
    assert found["without_controls"].shape == (0, len(FINDINGS))
    np.testing.assert_allclose(found["only"], found["whole"], atol=1e-4)


def test_the_numbers_are_those_of_the_changed_films(predictor: Predictor) -> None:
    pins = {"Effusion": State.POSITIVE}
    found = read_region(predictor, encoded(predictor), LESION, pins)
    whole = predictor.read(predictor.encode(a_film()), pins).conditioned
    np.testing.assert_allclose(found["whole"], whole, atol=1e-5)
    assert np.isnan(found["without"][FINDINGS.index("Effusion")])
    assert found["without_controls"].shape == (CONTROLS, len(FINDINGS))
    assert not np.allclose(found["without"], found["whole"], equal_nan=True, atol=1e-6)


def test_the_parts_of_the_answer_are_the_whole_and_bfloat16_is_near(predictor: Predictor) -> None:
    film, pins = encoded(predictor), {"Effusion": State.POSITIVE}
    found = read_region(predictor, film, LESION, pins)
    for name, values in read_without(predictor, film, LESION, pins).items():
        np.testing.assert_allclose(values, found[name], atol=1e-6)
    for name, values in read_beside(predictor, film, LESION, pins).items():
        np.testing.assert_allclose(values, found[name], atol=0.02)


class Brightness:
    """In place of a network: every finding's probability is the brightest value of the film."""

    def probabilities(
        self, squares: np.ndarray, pins: dict[str, State], bfloat16: bool = False
    ) -> np.ndarray:
        return np.repeat(squares.max(axis=(1, 2))[:, None].astype(float), len(FINDINGS), axis=1)

    def read(self, film: EncodedRadiograph, pins: dict[str, State]) -> object:
        return SimpleNamespace(conditioned=self.probabilities(film.square[None], pins)[0])


def test_without_the_lesion_its_brightness_is_gone_and_without_others_it_stays(
    predictor: Predictor,
) -> None:
    found = read_region(Brightness(), encoded(predictor), LESION, {})
    assert found["whole"][0] > 200
    assert found["without"][0] < 160
    assert (found["without_controls"] > 200).all()
    assert found["only"][0] > 200


def test_bundled_films_leave_room_for_controls() -> None:
    from lmeran.imaging.files import read_file

    for path in sorted((ROOT / "assets/examples").glob("*.jpg")):
        square = network_pixels(read_file(path).pixels, _at(192))
        assert len(control_boxes(square, Region(0.3, 0.4, 0.45, 0.55))) == CONTROLS


def _at(size: int) -> object:
    from lmeran.config import Preprocessing

    return Preprocessing(image_size=size)

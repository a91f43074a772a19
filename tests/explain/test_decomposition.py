"""The decomposition of logits and the class activation map against the whole network."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch

from lmeran.checkpoint import Checkpoint
from lmeran.config import LMeRANConfig
from lmeran.explain.cam import image_maps, sum_maps
from lmeran.explain.decomposition import decompose_logits
from lmeran.findings import FINDINGS, Pins, State, states_of
from lmeran.imaging.preprocess import network_pixels, to_input
from lmeran.model.lmeran import Encoding
from lmeran.predictor import EncodedRadiograph, Predictor
from tests.conftest import lively_model, small_config
from tests.explain.test_shapley import shares_over_all_orders
from tests.test_predictor import radiograph

N = len(FINDINGS)
PINS: Pins = {"Mass": State.NEGATIVE, "Effusion": State.POSITIVE, "Edema": State.POSITIVE}
SEVEN: Pins = {f: State(1 + i % 2) for i, f in enumerate(FINDINGS[:7])}
CONFIGS = [
    small_config(block="paper"),
    small_config(block="residual"),
    small_config(block="transformer"),
    small_config(layers=1),
    small_config(label_branch="embedding"),
    small_config(label_branch="none"),
]


def predictor_of(config: LMeRANConfig) -> Predictor:
    return Predictor(Checkpoint(lively_model(config), "0" * 12, "made here", {}, {}))


@torch.no_grad()
def network_logits(predictor: Predictor, pins: Pins) -> np.ndarray:
    """Logits of the film `radiograph()` from the whole network, nothing cached."""
    preprocessing = predictor.checkpoint.config.preprocessing
    image = to_input(network_pixels(radiograph().pixels, preprocessing)[None], preprocessing)
    states = torch.from_numpy(states_of(pins))[None]
    return predictor.checkpoint.model(image, states).logits[0].double().numpy()


@torch.no_grad()
def predictor_logits(predictor: Predictor, film: EncodedRadiograph, pins: Pins) -> np.ndarray:
    """Logits of an encoded film, one set of pins alone in its pass."""
    states = torch.from_numpy(states_of(pins))[None]
    logits = predictor.checkpoint.model.condition(film.encoding, states).logits
    return logits[0].double().numpy()


@pytest.mark.parametrize("config", CONFIGS, ids=lambda c: f"{c.label_branch}-{c.block}-{c.layers}")
def test_the_decomposition_sums_to_the_networks_logit(config: LMeRANConfig) -> None:
    predictor = predictor_of(config)
    decomposition = decompose_logits(predictor, predictor.encode(radiograph()), PINS)
    unknown = np.array([f not in PINS for f in FINDINGS])
    parts = (
        decomposition.bias + decomposition.image + decomposition.label_free + decomposition.shift
    )
    logits = network_logits(predictor, PINS)
    np.testing.assert_allclose(parts[unknown], logits[unknown], atol=1e-4)
    np.testing.assert_allclose(decomposition.logit[unknown], logits[unknown], atol=1e-4)
    np.testing.assert_allclose(decomposition.free_logit, network_logits(predictor, {}), atol=1e-4)
    np.testing.assert_allclose(
        decomposition.per_pin.sum(0)[unknown], decomposition.shift[unknown], rtol=0, atol=1e-12
    )
    if config.label_branch == "none":
        assert not decomposition.label_free.any()
        assert not decomposition.per_pin[:, unknown].any()
    else:
        assert (np.abs(decomposition.shift[unknown]) > 1e-6).all()


def test_the_parts_are_the_equations(predictor: Predictor, film: EncodedRadiograph) -> None:
    model = predictor.checkpoint.model
    states = torch.from_numpy(np.stack([states_of({}), states_of(PINS)]))
    with torch.inference_mode():
        residual = model.condition(film.encoding.expand(2), states).residual.double().numpy()
        w, b = model.class_weight.double().numpy(), model.class_bias.double().numpy()
        g = film.encoding.pooled[0].double().numpy()
    decomposition = decompose_logits(predictor, film, PINS)
    weight = predictor.checkpoint.config.residual_weight
    for i, finding in enumerate(FINDINGS):
        assert decomposition.bias[i] == pytest.approx(b[i])
        assert decomposition.image[i] == pytest.approx(w[i] @ g)
        assert decomposition.label_free[i] == pytest.approx(
            weight * w[i] @ residual[0, i], abs=1e-5
        )
        if finding not in PINS:
            shift = weight * w[i] @ (residual[1, i] - residual[0, i])
            assert decomposition.shift[i] == pytest.approx(shift, abs=1e-5)


def test_a_pinned_finding_has_no_decomposition_under_pins(
    predictor: Predictor, film: EncodedRadiograph
) -> None:
    for pins in (PINS, SEVEN):
        decomposition = decompose_logits(predictor, film, pins)
        pinned = np.array([f in pins for f in FINDINGS])
        for values in (decomposition.shift, decomposition.logit, *decomposition.per_pin):
            assert np.isnan(values[pinned]).all()
            assert not np.isnan(values[~pinned]).any()
        if decomposition.per_pin_error is not None:
            assert np.isnan(decomposition.per_pin_error[:, pinned]).all()
        assert not np.isnan(decomposition.free_logit).any()


def test_the_lines_of_a_finding_sum_to_its_logit(
    predictor: Predictor, film: EncodedRadiograph
) -> None:
    decomposition = decompose_logits(predictor, film, PINS)
    entries = decomposition.entries("Hernia")
    assert [e.kind for e in entries] == ["bias", "image", "label branch", *["pin"] * 3]
    assert [(e.finding, e.state) for e in entries[3:]] == [
        ("Effusion", State.POSITIVE),
        ("Mass", State.NEGATIVE),
        ("Edema", State.POSITIVE),
    ]
    assert sum(e.value for e in entries) == pytest.approx(
        decomposition.logit[FINDINGS.index("Hernia")]
    )
    own = decomposition.entries("Mass")
    assert [e.kind for e in own] == ["bias", "image", "label branch"]
    assert sum(e.value for e in own) == pytest.approx(
        decomposition.free_logit[FINDINGS.index("Mass")]
    )
    sampled = decompose_logits(predictor, film, SEVEN).entries("Hernia")
    assert all(e.error is not None and e.error >= 0 for e in sampled[3:])


def test_without_pins_nothing_is_shifted(predictor: Predictor, film: EncodedRadiograph) -> None:
    decomposition = decompose_logits(predictor, film, {})
    assert decomposition.pins == ()
    assert decomposition.per_pin.shape == (0, N)
    assert not decomposition.shift.any()
    assert np.array_equal(decomposition.logit, decomposition.free_logit)


def test_pin_shares_are_the_average_over_all_orders(
    predictor: Predictor, film: EncodedRadiograph
) -> None:
    pins = {**PINS, "Hernia": State.NEGATIVE}
    decomposition = decompose_logits(predictor, film, pins)
    known: dict[tuple[bool, ...], np.ndarray] = {}

    def value(coalition: np.ndarray) -> np.ndarray:
        key = tuple(coalition[0])
        if key not in known:
            some = {f: pins[f] for f, on in zip(decomposition.pins, key, strict=True) if on}
            known[key] = predictor_logits(predictor, film, some)
        return known[key][None]

    expected = shares_over_all_orders(4, value, N)
    unknown = [i for i, f in enumerate(FINDINGS) if f not in pins]
    np.testing.assert_allclose(decomposition.per_pin[:, unknown], expected[:, unknown], atol=1e-5)
    assert decomposition.method == "exact"
    assert decomposition.per_pin_error is None


@pytest.mark.parametrize("pins", [PINS, SEVEN], ids=["exact", "sampled"])
def test_pins_in_any_order_give_the_same_decomposition(
    predictor: Predictor, film: EncodedRadiograph, pins: Pins
) -> None:
    one = decompose_logits(predictor, film, pins)
    other = decompose_logits(predictor, film, dict(reversed(pins.items())))
    assert one.pins == other.pins
    np.testing.assert_array_equal(one.per_pin, other.per_pin)
    np.testing.assert_array_equal(one.logit, other.logit)


def test_more_than_six_pins_are_sampled_and_still_sum(
    predictor: Predictor, film: EncodedRadiograph
) -> None:
    six = decompose_logits(predictor, film, dict(list(SEVEN.items())[:6]))
    seven = decompose_logits(predictor, film, SEVEN)
    assert (six.method, seven.method) == ("exact", "sampled")
    assert six.per_pin_error is None
    np.testing.assert_allclose(seven.per_pin.sum(0), seven.shift, rtol=0, atol=1e-12)
    np.testing.assert_allclose(seven.logit[7:], network_logits(predictor, SEVEN)[7:], atol=1e-4)


def test_a_coalition_is_read_once_for_all_findings(
    predictor: Predictor, film: EncodedRadiograph, monkeypatch: pytest.MonkeyPatch
) -> None:
    read: list[np.ndarray] = []
    plain = Predictor.label_logits

    def counted(self: Predictor, given: Encoding, states: np.ndarray) -> np.ndarray:
        read.append(states)
        return plain(self, given, states)

    monkeypatch.setattr(Predictor, "label_logits", counted)
    decompose_logits(predictor, film, PINS)
    decompose_logits(predictor, film, SEVEN)
    assert len(read) == 2
    assert len(read[0]) == 2 ** len(PINS)
    for rows in read:
        assert len(np.unique(rows, axis=0)) == len(rows)


def test_the_cam_sums_to_the_image_part(predictor: Predictor, film: EncodedRadiograph) -> None:
    decomposition, cams = decompose_logits(predictor, film, {}), image_maps(predictor, film)
    assert cams.shape == (N, 3, 3)
    np.testing.assert_allclose(cams.sum((1, 2)), decomposition.image, atol=1e-5)
    assert cams.min() < 0 < cams.max()


def test_the_cam_puts_a_feature_in_its_cell(predictor: Predictor, film: EncodedRadiograph) -> None:
    row, column, finding = 1, 2, FINDINGS.index("Nodule")
    weight = predictor.checkpoint.model.class_weight.detach()[finding]
    cells = torch.zeros_like(film.encoding.cells)
    cells[0, row * 3 + column] = weight
    encoding = predictor.checkpoint.model.encode(torch.zeros(1, 3, 96, 96))
    made = dataclasses.replace(film, encoding=encoding._replace(cells=cells))
    cam = image_maps(predictor, made)[finding]
    assert np.unravel_index(cam.argmax(), cam.shape) == (row, column)
    assert cam.sum() == pytest.approx(float(weight @ weight) / 9, rel=1e-6)
    assert np.count_nonzero(cam) == 1


def test_the_sum_map_sums_to_the_logit_without_its_bias(
    predictor: Predictor, film: EncodedRadiograph
) -> None:
    decomposition, reading = decompose_logits(predictor, film, PINS), predictor.read(film, PINS)
    sums = sum_maps(image_maps(predictor, film), decomposition, reading)
    for i, total in enumerate(sums):
        if FINDINGS[i] in PINS:
            assert total is None
        else:
            logit = decomposition.logit[i] - decomposition.bias[i]
            assert total.sum() == pytest.approx(logit, abs=1e-5)


def test_a_model_without_attention_has_a_cam_and_no_sum_map() -> None:
    predictor = predictor_of(small_config(label_branch="embedding"))
    film = predictor.encode(radiograph())
    cams = image_maps(predictor, film)
    assert len(cams) == N
    assert sum_maps(cams, decompose_logits(predictor, film, PINS), predictor.read(film, PINS)) == []

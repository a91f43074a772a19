"""Encode once, read under any pins: the cached way must be the plain way."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from lmeran.checkpoint import load_checkpoint
from lmeran.findings import FINDINGS, Pins, State, states_of
from lmeran.hub import BUNDLED, open_checkpoint
from lmeran.imaging.files import read_file
from lmeran.imaging.preprocess import network_pixels, to_input
from lmeran.imaging.radiograph import Radiograph
from lmeran.model.maps import attention_maps
from lmeran.model.rollout import rollout
from lmeran.ood import UNLIKE, ood_scores
from lmeran.predictor import Predictor
from lmeran.serialize import csv_columns, csv_row, fitted_findings
from tests.conftest import film_pixels
from tests.support.fitting import OFFSET, SLOPE, UNCALIBRATED, a_calibration, fitted_copy
from tests.support.readings import predict_file


def radiograph(height: int = 120, width: int = 100, seed: int = 0) -> Radiograph:
    return Radiograph(film_pixels(height, width, seed), "PNG", 8)


def random_pins(seed: int) -> Pins:
    rng = np.random.default_rng(seed)
    count = int(rng.integers(1, 11))
    chosen = rng.choice(len(FINDINGS), count, replace=False)
    return {FINDINGS[i]: State(int(rng.integers(1, 3))) for i in chosen}


@torch.no_grad()
def plain_probabilities(predictor: Predictor, film: Radiograph, pins: Pins) -> np.ndarray:
    """The whole network on the film, nothing cached."""
    preprocessing = predictor.checkpoint.config.preprocessing
    image = to_input(network_pixels(film.pixels, preprocessing)[None], preprocessing)
    states = torch.from_numpy(states_of(pins))[None]
    return predictor.checkpoint.model(image, states).logits[0].sigmoid().numpy()


def check_cached_equals_plain(predictor: Predictor) -> None:
    for seed in range(5):
        film, pins = radiograph(seed=seed), random_pins(seed)
        reading = predictor.read(predictor.encode(film), pins)
        plain = plain_probabilities(predictor, film, pins)
        free = reading.states == State.UNKNOWN
        np.testing.assert_allclose(reading.conditioned[free], plain[free], atol=1e-5)
        np.testing.assert_allclose(
            reading.free, plain_probabilities(predictor, film, {}), atol=1e-5
        )


def test_cached_reading_equals_the_full_forward(predictor: Predictor) -> None:
    check_cached_equals_plain(predictor)


@pytest.mark.skipif(not BUNDLED.is_dir(), reason="no bundled checkpoint in this checkout")
def test_cached_reading_equals_the_full_forward_with_the_bundled_checkpoint() -> None:
    check_cached_equals_plain(Predictor(open_checkpoint()))


def test_a_pin_moves_every_other_finding_and_its_map(predictor: Predictor) -> None:
    film = predictor.encode(radiograph())
    reading = predictor.read(film, {"Effusion": State.POSITIVE})
    pinned = FINDINGS.index("Effusion")
    moved = np.delete(np.abs(reading.shift), pinned)
    assert (moved > 1e-6).all()
    for free, now in zip(reading.maps(free=True), reading.maps(), strict=True):
        assert np.abs(free.values - now.values).max() > 1e-7


def test_a_pinned_finding_has_no_conditioned_probability(predictor: Predictor) -> None:
    reading = predictor.read(predictor.encode(radiograph()), {"Mass": State.NEGATIVE})
    assert np.isnan(reading.conditioned[FINDINGS.index("Mass")])
    assert np.isnan(reading.shift[FINDINGS.index("Mass")])
    assert reading.shown[FINDINGS.index("Mass")] == reading.free[FINDINGS.index("Mass")]


def test_pins_in_any_order_and_in_any_batch_give_the_same_reading(predictor: Predictor) -> None:
    film = predictor.encode(radiograph())
    pins = random_pins(7)
    backwards = dict(reversed(pins.items()))
    one = predictor.read(film, pins)
    many = predictor.read_many(film, [{}, backwards, {"Hernia": State.POSITIVE}])
    np.testing.assert_allclose(many[1].conditioned, one.conditioned, atol=1e-6)
    np.testing.assert_allclose(many[0].conditioned, one.free, atol=1e-6)


def test_no_pins_is_the_free_reading_exactly(predictor: Predictor) -> None:
    reading = predictor.read(predictor.encode(radiograph()), {})
    assert np.array_equal(reading.free, reading.conditioned)
    assert reading.warnings == ()


def test_more_pins_than_training_ever_showed_are_said(predictor: Predictor) -> None:
    film = predictor.encode(radiograph())
    pins = dict.fromkeys(FINDINGS[:11], State.NEGATIVE)
    assert "11 findings are pinned" in predictor.read(film, pins).warnings[0]
    assert predictor.read(film, dict.fromkeys(FINDINGS[:10], State.NEGATIVE)).warnings == ()


def test_maps_name_themselves_and_differ_between_findings(predictor: Predictor) -> None:
    reading = predictor.read(predictor.encode(radiograph()), {})
    maps = reading.maps()
    assert maps[2].name == "Effusion: attention, layer 3, mean of heads"
    assert maps[2].values.shape == (3, 3)
    assert np.abs(maps[2].values - maps[3].values).max() > 1e-6
    by_head = [reading.maps(3, h)[2].values for h in (1, 2, 3, 4)]
    np.testing.assert_allclose(np.mean(by_head, axis=0), maps[2].values, atol=1e-7)
    first = reading.maps(layer=1)[0].values
    assert np.array_equal(first.ravel(), reading.attention[0, :, 0, :9].mean(0))


def test_a_layer_or_head_the_model_has_not_is_refused(predictor: Predictor) -> None:
    reading = predictor.read(predictor.encode(radiograph()), {})
    with pytest.raises(ValueError, match="layers 1 to 3"):
        attention_maps(reading.attention, layer=4)
    with pytest.raises(ValueError, match="heads 1 to 4"):
        attention_maps(reading.attention, head=0)


def test_rollout_multiplies_the_layers_mixings(predictor: Predictor) -> None:
    film = predictor.encode(radiograph())
    pins = {"Effusion": State.POSITIVE}
    states = torch.from_numpy(states_of(pins))[None]
    with torch.no_grad():
        layers = predictor.checkpoint.model.full_attention(film.encoding, states)
    tokens = layers[0].shape[-1]
    mixed = np.eye(tokens)
    for alpha, label_rows in zip(layers, predictor.read(film, pins).attention, strict=True):
        np.testing.assert_allclose(alpha[0, :, -14:].numpy(), label_rows, atol=1e-5)
        step = alpha[0].numpy().mean(axis=0)
        mixed = (0.5 * step + 0.5 * np.eye(tokens)) @ mixed
    np.testing.assert_allclose(mixed.sum(axis=1), 1, atol=1e-5)
    free, pinned = predictor.rollouts(film, [{}, pins])
    np.testing.assert_allclose(pinned[4].values.ravel(), mixed[-14 + 4, :9], atol=1e-5)
    assert np.abs(free[4].values - pinned[4].values).max() > 1e-7
    assert pinned[4].name == "Mass: attention rollout over all layers, mean of heads"


def test_rollout_of_blocks_without_residual_has_no_identity() -> None:
    alpha = torch.rand(2, 1, 3, 5, 5).softmax(dim=-1)
    expected = alpha[1].mean(1) @ alpha[0].mean(1)
    torch.testing.assert_close(rollout(list(alpha), residual=False), expected)
    with pytest.raises(ValueError, match="at least one layer"):
        rollout([], residual=True)


def test_colour_is_absolute_so_an_improbable_finding_stays_pale(predictor: Predictor) -> None:
    maps = predictor.read(predictor.encode(radiograph()), {}).maps()
    assert maps[0].absolute(0.01).max() <= 0.01 * maps[0].tokens / 2
    assert maps[0].absolute(0.01).max() < maps[0].absolute(0.9).max()
    assert maps[0].relative().max() == pytest.approx(1.0)


def test_a_zero_map_stays_zero() -> None:
    values = attention_maps(np.zeros((1, 1, 14, 9 + 14), np.float32))[4]
    assert values.relative().max() == 0
    assert values.absolute(1.0).max() == 0


@pytest.fixture(scope="module")
def fitted(checkpoint_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Predictor:
    folder = tmp_path_factory.mktemp("fitted") / "checkpoint"
    return Predictor(load_checkpoint(fitted_copy(checkpoint_folder, folder)))


def test_calibration_adds_values_and_changes_none(predictor: Predictor, fitted: Predictor) -> None:
    pins = {"Mass": State.NEGATIVE}
    plain = predictor.read(predictor.encode(radiograph()), pins)
    reading = fitted.read(fitted.encode(radiograph()), pins)
    assert np.array_equal(reading.free, plain.free)
    assert np.array_equal(reading.conditioned, plain.conditioned, equal_nan=True)
    assert (plain.calibrated, plain.calibrated_free, plain.percentile) == (None, None, None)

    def by_hand(raw: np.ndarray) -> np.ndarray:
        return 1 / (1 + np.exp(-(SLOPE * np.log(raw / (1 - raw)) + OFFSET)))

    hernia = FINDINGS.index(UNCALIBRATED)
    expected = by_hand(plain.conditioned)
    expected[hernia] = np.nan
    np.testing.assert_allclose(reading.calibrated, expected, rtol=1e-9)
    assert np.isnan(reading.calibrated[FINDINGS.index("Mass")])
    assert reading.calibrated_free[4] == pytest.approx(by_hand(plain.free)[4])
    np.testing.assert_allclose(reading.percentile, 100 * plain.free, atol=1e-6)


def test_the_gate_judges_the_film_and_never_hides_the_reading(
    checkpoint_folder: Path, tmp_path: Path
) -> None:
    folder = fitted_copy(checkpoint_folder, tmp_path / "strict", gate_threshold=1e-6)
    strict = Predictor(load_checkpoint(folder))
    film = strict.encode(radiograph())
    cells = film.encoding.middle.numpy()
    assert film.gate.score == pytest.approx(ood_scores(strict.checkpoint.gate, cells)[0])
    assert not film.gate.accepted
    assert np.isfinite(strict.read(film, {}).free).all()


def test_a_fitted_reading_as_plain_data(
    checkpoint_folder: Path, tmp_path: Path, film_file: Path
) -> None:
    """Three names for three things; a pinned finding has none of those with pins."""
    folder = fitted_copy(checkpoint_folder, tmp_path / "strict", gate_threshold=1e-6)
    fitted = Predictor(load_checkpoint(folder))
    film = predict_file(fitted, film_file, {"Mass": State.NEGATIVE})
    assert film["calibration"] == fitted.checkpoint.calibration.identity
    assert film["gate"]["accepted"] is False
    assert film["warnings"] == [UNLIKE]
    by_name = {entry["finding"]: entry for entry in film["findings"]}
    effusion, mass, hernia = (by_name[name] for name in ("Effusion", "Mass", UNCALIBRATED))
    assert effusion["above_youden"] is (effusion["conditioned"] >= 0.5)
    assert effusion["above_sensitivity_90"] is (effusion["conditioned"] >= 0.25)
    assert effusion["calibrated"] != effusion["conditioned"]
    assert effusion["percentile"] == pytest.approx(100 * effusion["free"], abs=0.06)
    for name in ("conditioned", "calibrated", "above_youden", "above_sensitivity_90"):
        assert mass[name] is None
    assert mass["calibrated_free"] is not None
    assert hernia["conditioned"] is not None
    assert (hernia["calibrated"], hernia["calibrated_free"], hernia["above_youden"]) == (None,) * 3
    row = csv_row(film)
    assert set(row) <= set(csv_columns(fitted.checkpoint))
    assert row["Effusion"] == effusion["conditioned"]
    assert row["Effusion_calibrated"] == effusion["calibrated"]
    assert (row["Mass_calibrated"], row["gate_accepted"]) == (None, False)


def test_what_was_not_fitted_has_no_column(predictor: Predictor, film_file: Path) -> None:
    film = predict_file(predictor, film_file, {})
    assert (film["calibration"], film["gate"]) == (None, None)
    assert set(film["findings"][0]) == {"finding", "state", "free", "conditioned"}
    assert csv_columns(predictor.checkpoint) == ("file", *FINDINGS, "warnings", "error")


def test_a_calibration_that_changes_nothing_shows_nothing(
    predictor: Predictor, film_file: Path
) -> None:
    """Operating points and percentile stay; the calibrated probability would say the same twice."""
    same = tuple(
        f if f.slope is None else replace(f, slope=1.0, offset=0.0)
        for f in a_calibration().findings
    )
    kept = replace(predictor.checkpoint, calibration=replace(a_calibration(), findings=same))
    fitted = Predictor(kept)
    film = predict_file(fitted, film_file, {})
    names = {"percentile", "above_youden", "above_sensitivity_90"}
    assert set(film["findings"][0]) == {"finding", "state", "free", "conditioned"} | names
    assert not [name for name in csv_columns(kept) if "calibrated" in name]
    assert set(csv_row(film)) <= set(csv_columns(kept))
    reading = fitted.read(fitted.encode(radiograph()), {})
    assert (reading.calibrated, reading.calibrated_free) == (None, None)
    (raw, *_) = [entry["calibrated"] for entry in fitted_findings(reading)]
    assert raw == pytest.approx(reading.free[0], abs=1e-6)


def test_four_lines_read_a_film(
    checkpoint_folder: Path, predictor: Predictor, film_file: Path
) -> None:
    import lmeran

    ours = lmeran.Predictor.from_pretrained(checkpoint_folder)
    reading = ours.read(film_file, pins={"effusion": "positive"})
    film = predictor.encode(read_file(film_file))
    expected = predictor.read(film, {"Effusion": State.POSITIVE})
    np.testing.assert_allclose(reading.shown, expected.shown)
    assert reading.probabilities["Effusion"] == pytest.approx(expected.free[2])
    assert list(reading.probabilities) == list(lmeran.FINDINGS)
    assert np.array_equal(predictor.read(read_file(film_file)).free, expected.free)
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = lmeran.nothing

"""The input gate against brute force, and on films it must let pass or not."""

from __future__ import annotations

import dataclasses

import cv2
import numpy as np
import pytest
import torch
from scipy.spatial.distance import mahalanobis

from lmeran.imaging.preprocess import to_input
from lmeran.model.lmeran import Encoding
from lmeran.ood import OODDetector, OODResult, detect_ood, features, identity, ood_scores
from lmeran.stored import DamagedError
from tests.conftest import lively_model, small_config
from tests.support.fitting import a_gate
from train.calibration.left_out import LeftOut, leave_out
from train.calibration.ood import fit_gate
from train.phantom.drawing.draw import PhantomSpec, draw

PLACES, WIDTH = 9, 12


def by_patient(films: int) -> LeftOut:
    return leave_out(np.arange(films), None)


def test_the_score_is_the_mean_mahalanobis_distance_of_the_cells() -> None:
    gate = a_gate(WIDTH, PLACES)
    cells = np.random.default_rng(1).normal(size=(4, PLACES, WIDTH))
    for film, score in zip(cells, ood_scores(gate, cells), strict=True):
        distances = [
            mahalanobis(gate.components @ ((cell - gate.mean) / gate.scale), place, gate.precision)
            for cell, place in zip(film, gate.places, strict=True)
        ]
        assert score == pytest.approx(np.mean(np.square(distances)) / 2, rel=1e-4)
    film = torch.from_numpy(cells[:1])
    for layer, encoding in (
        ("cells", Encoding(film, film[:, 0], None, torch.zeros(1, 1, 1))),
        ("middle", Encoding(torch.zeros(1, 1, 1), film[:, 0], None, film)),
    ):
        one = detect_ood(dataclasses.replace(gate, layer=layer), encoding)
        assert one == OODResult(pytest.approx(ood_scores(gate, cells)[0]), gate.threshold)


def test_the_verdict_is_a_sentence_only_where_a_film_is_unlike() -> None:
    assert OODResult(1.0, 1.0).accepted
    assert OODResult(1.0, 1.0).warnings == ()
    (sentence,) = OODResult(1.01, 1.0).warnings
    assert "does not look like the frontal chest films" in sentence


def test_a_fit_on_gaussian_cells_finds_their_distribution() -> None:
    random = np.random.default_rng(0)
    centre = random.normal(size=(PLACES, WIDTH))
    spread = random.uniform(0.5, 2, WIDTH)
    cells = centre + random.normal(size=(1500, PLACES, WIDTH)) * spread
    gate = fit_gate(cells, by_patient(1500), components=WIDTH)
    fresh = centre + random.normal(size=(1500, PLACES, WIDTH)) * spread
    scores = ood_scores(gate, fresh)
    # a mean of PLACES chi-square values of WIDTH degrees of freedom, over WIDTH
    assert scores.mean() == pytest.approx(1, abs=0.02)
    assert scores.std() == pytest.approx(np.sqrt(2 / WIDTH / PLACES), rel=0.1)
    assert np.mean(scores <= gate.threshold) == pytest.approx(0.95, abs=0.015)
    assert (ood_scores(gate, fresh + 1.5 * spread) > gate.threshold).mean() > 0.99


def test_the_threshold_holds_for_films_not_fitted() -> None:
    """A fit follows chance in its own films: their scores would set another threshold."""
    accepted, from_own, strength = [], [], np.linspace(0.2, 2, 40) ** 2
    for seed in range(8):
        random = np.random.default_rng(seed)
        cells, unseen = (random.normal(size=(n, 4, 40)) * strength for n in (80, 1000))
        gate = fit_gate(cells, by_patient(80), components=4)
        fresh = ood_scores(gate, unseen)
        accepted.append(np.mean(fresh <= gate.threshold))
        from_own.append(np.mean(fresh <= np.quantile(ood_scores(gate, cells), 0.95)))
    assert np.mean(accepted) == pytest.approx(0.95, abs=0.03)
    assert abs(np.mean(from_own) - 0.95) > 0.04


def test_the_threshold_lets_films_of_a_source_not_fitted_on_pass() -> None:
    random = np.random.default_rng(0)
    sources = np.repeat(["a", "b", "c", "odd"], 200)
    cells = random.normal(size=(800, PLACES, WIDTH))
    cells[sources == "odd"] += 1.5 * random.normal(size=WIDTH)
    patients = np.arange(800)
    by_source = fit_gate(cells, leave_out(patients, sources), components=6)
    by_patients = fit_gate(cells, leave_out(patients, None), components=6)
    assert by_source.threshold > by_patients.threshold
    rest = sources != "odd"
    without_it = fit_gate(cells[rest], leave_out(patients[rest], None), components=6)
    odd = ood_scores(without_it, cells[~rest])
    assert (odd <= by_source.threshold).mean() == pytest.approx(0.95, abs=0.02)
    assert (odd <= without_it.threshold).mean() < 0.8


def test_a_channel_that_is_still_in_chest_films_does_not_break_the_fit() -> None:
    cells = np.random.default_rng(0).normal(size=(50, 4, 6))
    cells[..., 2] = 0
    gate = fit_gate(cells, by_patient(50), components=3)
    assert np.isfinite(ood_scores(gate, cells)).all()


def test_synthetic_chests_pass_and_noise_does_not() -> None:
    model = lively_model(small_config(96), seed=1)
    preprocessing = model.config.preprocessing

    def cells(pictures: list[np.ndarray]) -> np.ndarray:
        squares = np.stack(
            [cv2.resize(p, (96, 96), interpolation=cv2.INTER_AREA) for p in pictures]
        )
        with torch.inference_mode():
            return features(model.encode(to_input(squares, preprocessing)), "middle")

    films = [draw(PhantomSpec(seed, height=96, width=96)).pixels for seed in range(28)]
    gate = fit_gate(cells(films[:22]), by_patient(22), components=5)
    random = np.random.default_rng(0)
    noise = [random.integers(0, 256, (96, 96), dtype=np.uint8) for _ in range(10)]
    turned = [np.ascontiguousarray(np.rot90(film)) for film in films[22:]]
    assert (ood_scores(gate, cells(films[22:])) <= gate.threshold).mean() >= 0.8
    assert (ood_scores(gate, cells(noise)) > gate.threshold).all()
    assert (ood_scores(gate, cells(turned)) > gate.threshold).mean() >= 0.8


def test_what_is_stored_comes_back() -> None:
    gate = a_gate(WIDTH, PLACES)
    cells = np.random.default_rng(1).normal(size=(3, PLACES, WIDTH))
    again = OODDetector.from_bytes(gate.to_bytes(), gate.numbers())
    assert np.array_equal(ood_scores(again, cells), ood_scores(gate, cells))
    assert identity(again) == identity(gate) != identity(a_gate(WIDTH, PLACES, seed=1))
    assert again.layer == "middle"
    before = {name: value for name, value in gate.numbers().items() if name != "layer"}
    assert OODDetector.from_bytes(gate.to_bytes(), before).layer == "cells"


@pytest.mark.parametrize(
    ("part", "value", "words"),
    [
        ("mean", np.zeros(WIDTH + 1, np.float32), "mean has the shape"),
        ("scale", np.zeros(WIDTH, np.float32), "not positive"),
        ("places", np.full((PLACES, 2), np.nan, np.float32), "places holds non-numbers"),
        ("threshold", 0.0, "not positive"),
        ("layer", "backbone", "a layer that there is not"),
    ],
)
def test_what_is_no_gate_is_refused(part: str, value: np.ndarray | float, words: str) -> None:
    gate = a_gate(WIDTH, PLACES)
    object.__setattr__(gate, part, value)
    with pytest.raises(DamagedError, match=words):
        OODDetector.from_bytes(gate.to_bytes(), gate.numbers())
    with pytest.raises(DamagedError, match="lacks or damages"):
        OODDetector.from_bytes(b"no safetensors", gate.numbers())

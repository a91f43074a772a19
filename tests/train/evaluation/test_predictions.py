"""One pass for every scenario, against reading each image by itself."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest
import torch

from lmeran.checkpoint import load_checkpoint
from lmeran.explain.influence import influence
from lmeran.findings import FINDINGS, State
from lmeran.imaging.preprocess import to_input
from lmeran.imaging.radiograph import Radiograph
from lmeran.model.lmeran import LMeRAN
from lmeran.predictor import Predictor
from tests.conftest import film_pixels
from tests.support.study_making import made_index
from train.data.index import read_index
from train.evaluation.metrics import known_masks
from train.evaluation.predictions import (
    FREE,
    Scenario,
    predict,
    sample_rows,
    trials_of,
)
from train.evaluation.scoring import predict_index

SIZE = 96


@pytest.fixture()
def pixels() -> np.ndarray:
    return np.stack([film_pixels(SIZE, SIZE, k) for k in range(8)])


def test_predictions_equal_those_of_training_and_of_the_viewer(
    data: Path, checkpoint_folder: Path, pixels: np.ndarray
) -> None:
    checkpoint, index = load_checkpoint(checkpoint_folder), read_index(data, "test")
    scenarios = [FREE, Scenario(7), Scenario(10), Scenario(7, "positive"), Scenario(7, "all", 0.5)]
    found = predict(checkpoint, pixels, index, scenarios, [2, 5], batch_size=3)
    assert found.known_counts == (0, 7, 10)
    by_batches = predict_index(checkpoint.model, pixels, index, (0, 7, 10))
    for known, expected in by_batches.items():
        np.testing.assert_allclose(found.known(known), expected, atol=2e-6)

    predictor = Predictor(checkpoint)
    for place, row in enumerate((2, 5)):
        film = predictor.encode(Radiograph(pixels[row], "PNG", 8))
        np.testing.assert_allclose(found.free[row], predictor.read(film, {}).free, atol=2e-6)
        alone = influence(predictor, film.encoding, {})
        assert found.single.rows[place] == row
        np.testing.assert_allclose(found.single.positive[place], alone.positive, atol=2e-6)
        np.testing.assert_allclose(found.single.negative[place], alone.negative, atol=2e-6)
        for scenario in scenarios[3:]:
            for mask, states in trials_of(index.names[row], index.labels[row], scenario):
                pins = {FINDINGS[i]: State(int(states[i])) for i in np.flatnonzero(states)}
                read = predictor.read(film, pins).conditioned
                np.testing.assert_allclose(
                    found.probabilities[scenario][row, mask], read[mask], atol=2e-6
                )


def test_the_backbone_sees_each_image_once(
    data: Path, checkpoint_folder: Path, pixels: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[torch.Tensor] = []
    encode = LMeRAN.encode

    def counting(model: LMeRAN, images: torch.Tensor) -> object:
        seen.extend(images)
        return encode(model, images)

    checkpoint = load_checkpoint(checkpoint_folder)
    monkeypatch.setattr(LMeRAN, "encode", counting)
    scenarios = [FREE, Scenario(3), Scenario(7), Scenario(7, "negative")]
    predict(checkpoint, pixels, read_index(data, "test"), scenarios, range(8))
    assert len(seen) == 8
    expected = to_input(pixels, checkpoint.config.preprocessing)
    assert torch.equal(torch.stack(seen), expected)


def test_a_finding_never_sees_its_own_label(
    data: Path, checkpoint_folder: Path, pixels: np.ndarray
) -> None:
    checkpoint, index = load_checkpoint(checkpoint_folder), read_index(data, "test")
    scenarios = [Scenario(7, "positive"), Scenario(7, "negative"), Scenario(10, "all", 0.3)]
    before = predict(checkpoint, pixels, index, scenarios).probabilities
    flipped = index.labels.copy()
    flipped[:, 4] = 1 - flipped[:, 4]
    other = dataclasses.replace(index, labels=flipped)
    after = predict(checkpoint, pixels, other, scenarios).probabilities
    for scenario in scenarios:
        np.testing.assert_allclose(after[scenario][:, 4], before[scenario][:, 4], atol=2e-6)
        assert np.abs(after[scenario] - before[scenario]).max() > 1e-4


def test_scenarios_pin_what_they_say() -> None:
    index = made_index(50)
    for row, name in enumerate(index.names):
        truth = np.where(index.labels[row] > 0.5, int(State.POSITIVE), int(State.NEGATIVE))
        masks = known_masks(name, 14, 7)
        both = [list(trials_of(name, index.labels[row], Scenario(7, w))) for w in
                ("all", "positive", "negative")]  # fmt: skip
        for mask, *trials in zip(masks, *both, strict=True):
            assert all(np.array_equal(mask, found) for found, _ in trials)
            mixed, positive, negative = (states for _, states in trials)
            assert np.array_equal(mixed, np.where(mask, 0, truth))
            assert np.array_equal(positive + negative, mixed)
            assert set(positive) <= {0, State.POSITIVE}
            assert set(negative) <= {0, State.NEGATIVE}


def test_a_share_of_the_pins_is_wrong_and_more_pins_keep_them_wrong() -> None:
    index = made_index(400)
    wrong = pinned = 0
    for row, name in enumerate(index.names):
        truth = np.where(index.labels[row] > 0.5, int(State.POSITIVE), int(State.NEGATIVE))
        bad = {}
        for known in (3, 10):
            trials = list(trials_of(name, index.labels[row], Scenario(known, "all", 0.1)))
            bad[known] = {i for _, s in trials for i in np.flatnonzero((s != 0) & (s != truth))}
            wrong += sum(((s != 0) & (s != truth)).sum() for _, s in trials)
            pinned += sum((s != 0).sum() for _, s in trials)
        assert bad[3] <= bad[10]
    assert wrong / pinned == pytest.approx(0.1, abs=0.01)


def test_a_sample_depends_on_names_alone() -> None:
    index = made_index(40)
    rows = sample_rows(index, 10)
    assert len(set(rows)) == 10
    backwards = index.take(np.arange(39, -1, -1))
    names = {index.names[r] for r in rows}
    assert {backwards.names[r] for r in sample_rows(backwards, 10)} == names
    assert sample_rows(index, 0) == sample_rows(index, 99) == list(range(40))

"""Faithfulness: masks and imputation by hand, a model whose answer is known, the whole section."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from lmeran.checkpoint import load_checkpoint
from lmeran.config import Preprocessing
from lmeran.findings import FINDINGS
from lmeran.imaging.preprocess import network_pixels
from lmeran.predictor import Predictor
from tests.support.study_making import bare_study
from train.data.index import read_index
from train.evaluation.faithfulness.masks import (
    SHARES,
    Film,
    area,
    cell_order,
    first_cells,
    neighbour_means,
    pixels_of,
    solve_missing,
)
from train.evaluation.faithfulness.section import (
    NAMES,
    RANDOM,
    Pair,
    choose_pairs,
    faithfulness_section,
    free_maps,
    measure_curves,
    probabilities,
)
from train.evaluation.localisation.cases import read_film
from train.evaluation.localisation.maps import MODEL_MAPS

MASS = FINDINGS.index("Mass")


def test_cells_come_from_the_highest_to_the_lowest_ties_shuffled() -> None:
    values = np.array([[0.2, 0.9, 0.5], [0.0, 0.0, 0.0], [0.0, 0.0, 0.7]])
    orders = [cell_order(values, np.random.default_rng(seed)) for seed in range(200)]
    assert all(order[:4].tolist() == [1, 8, 2, 0] for order in orders)
    assert {tuple(sorted(order[4:])) for order in orders} == {(3, 4, 5, 6, 7)}
    assert {int(order[4]) for order in orders} == {3, 4, 5, 6, 7}, "no tie has a fixed order"


@pytest.mark.parametrize("stride", [16, 32])
def test_the_first_cells_are_whole_cells_of_the_network(stride: int) -> None:
    pixels = pixels_of(first_cells(np.array([3, 0, 1, 2]), 0.5), 2 * stride)
    assert pixels.shape == (2 * stride, 2 * stride)
    cells = pixels.reshape(2, stride, 2, stride).mean(axis=(1, 3))
    assert cells.tolist() == [[1, 0], [0, 1]]
    assert not first_cells(np.arange(4), 0).any()
    assert first_cells(np.arange(4), 1).all()


def test_deletion_ends_gray_and_insertion_ends_whole() -> None:
    gray = np.random.default_rng(0).random((96, 96), np.float32)
    film, order = Film(gray, np.random.default_rng(1)), np.arange(9)
    away, back = np.split(np.stack(film.pictures(order))[: 2 * len(SHARES)], 2)
    assert np.array_equal(away[0], gray)
    assert np.ptp(away[-1]) == 0
    assert away[-1][0, 0] == pytest.approx(gray.mean())
    assert np.array_equal(back[-1], gray)
    assert np.ptp(back[0]) < 0.2 * np.ptp(gray)
    kept = ~pixels_of(first_cells(order, SHARES[4]), 96)
    assert np.array_equal(away[4][kept], gray[kept])
    assert np.array_equal(back[4][~kept], gray[~kept])


def test_the_area_is_the_mean_height() -> None:
    assert area(SHARES**1) == pytest.approx(0.5)
    assert area(np.stack([np.full(len(SHARES), 0.3), SHARES])) == pytest.approx([0.3, 0.5])


def test_imputation_solves_the_mean_of_neighbours() -> None:
    rng = np.random.default_rng(1)
    picture, missing = rng.random((9, 7)), rng.random((9, 7)) < 0.6
    missing[0, 0] = False
    found = solve_missing(picture, missing, neighbour_means(9, 7))
    assert np.array_equal(found[~missing], picture[~missing])
    # The same by repeated averaging, neighbour by neighbour.
    slow = np.where(missing, 0.5, picture)
    for _ in range(3000):
        for y, x in zip(*np.nonzero(missing), strict=True):
            total = weights = 0.0
            for down in (-1, 0, 1):
                for across in (-1, 0, 1):
                    inside = 0 <= y + down < 9 and 0 <= x + across < 7
                    if (down or across) and inside:
                        weight = 1 / 12 if down and across else 1 / 6
                        total += weight * slow[y + down, x + across]
                        weights += weight
            slow[y, x] = total / weights
        if np.abs(slow - found).max() < 1e-9:
            break
    assert found == pytest.approx(slow, abs=1e-8)


def test_imputation_continues_a_slope_and_leaves_the_rest_alone() -> None:
    gray = np.tile(np.linspace(0.2, 0.8, 128, dtype=np.float32), (128, 1))
    cells = np.zeros((4, 4), bool)
    cells[1:3, 1] = True
    missing = pixels_of(cells.ravel(), 128)
    found = Film(gray, np.random.default_rng(0)).without(missing)
    assert np.array_equal(found[~missing], gray[~missing])
    assert np.abs(found - gray).mean() < 0.01
    assert np.std((found - gray)[missing]) == pytest.approx(0.01, rel=0.3)
    nothing = np.zeros_like(missing)
    assert np.array_equal(solve_missing(gray, nothing, neighbour_means(128, 128)), gray)


class BrightCell:
    """A stand-in whose every probability is the sigmoid of one cell's brightness above gray."""

    config = SimpleNamespace(grid=3, preprocessing=Preprocessing(image_size=96, mean=0, std=1))

    def encode(self, images: torch.Tensor) -> torch.Tensor:
        return images[:, 0, 32:64, 64:96].mean(dim=(1, 2))

    def condition(self, encoding: torch.Tensor, states: torch.Tensor) -> SimpleNamespace:
        assert not states.any()
        return SimpleNamespace(logits=(10 * (encoding - 0.5))[:, None].expand(-1, 14))


def test_the_map_that_names_the_cell_used_is_the_faithful_one() -> None:
    film = np.zeros((1, 96, 96), np.uint8)
    film[:, 32:64, 64:96] = 255
    right = np.zeros((3, 3))
    right[1, 2] = 1
    maps = {"right": right[None], "wrong": -right[None]}
    curves = measure_curves(BrightCell(), film, ["a"], [Pair(0, MASS)], maps, "cpu")
    high, low = 1 / (1 + np.exp(-5)), 1 / (1 + np.exp(-10 * (1 / 9 - 0.5)))
    # 9 cells and 8 steps: the first step takes one cell, the last one the ninth.
    assert curves["right"].deletion[0] == pytest.approx([high] + [low] * 8, abs=1e-3)
    assert curves["wrong"].deletion[0] == pytest.approx([high] * 8 + [low], abs=1e-3)
    assert curves["right"].insertion[0][1:] == pytest.approx(high, abs=1e-3)
    assert curves["wrong"].insertion[0][:8] == pytest.approx(curves["wrong"].insertion[0][0])
    assert curves["wrong"].insertion[0][8] == pytest.approx(high, abs=1e-3)
    assert curves["right"].road[0] > 0.5
    assert curves["wrong"].road[0] == pytest.approx(-curves["right"].road[0], abs=0.1)
    middle = [area(curves[kind].deletion)[0] for kind in ("right", RANDOM, "wrong")]
    assert middle == sorted(middle)


def test_the_probability_of_an_untouched_film_is_the_reading(
    data: Path, predictor: Predictor
) -> None:
    index = read_index(data, "test")
    film = read_film(index, 1)
    expected = predictor.read(predictor.encode(film), {}).free[MASS]
    config = predictor.checkpoint.config.preprocessing
    square = network_pixels(film.pixels, config).astype(np.float32) / 255
    found = probabilities(predictor.checkpoint.model, np.stack([square] * 3), "cpu")
    assert found[:, MASS] == pytest.approx(np.full(3, expected), abs=1e-5)


def test_pairs_are_the_true_findings_of_films_chosen_by_name(data: Path) -> None:
    index = read_index(data, "train_val")
    few, more = choose_pairs(index, 3), choose_pairs(index, 6)
    assert more[: len(few)] == few
    assert len({pair.row for pair in few}) == 3
    for row in {pair.row for pair in more}:
        own = [pair.finding for pair in more if pair.row == row]
        assert own == np.flatnonzero(index.labels[row] > 0.5).tolist()
    backwards = index.take(np.arange(len(index))[::-1])
    names = {index.names[pair.row] for pair in few}
    assert {backwards.names[pair.row] for pair in choose_pairs(backwards, 3)} == names


def test_the_section_is_complete(data: Path, checkpoint_folder: Path, tmp_path: Path) -> None:
    checkpoint = load_checkpoint(checkpoint_folder)
    study = bare_study(checkpoint, read_index(data, "train_val"), tmp_path, map_films=2)
    section = faithfulness_section(study)
    assert section.facts["films"] == 2
    areas = section.frames["faithfulness"].set_index(["order", "measure"])["value"]
    assert areas[NAMES[RANDOM], "deletion less random"] == 0
    attention = MODEL_MAPS["attention"]
    assert areas[attention, "deletion less random"] == pytest.approx(
        areas[attention, "deletion"] - areas[NAMES[RANDOM], "deletion"]
    )
    for name, figure in section.figures.items():
        figure.savefig(tmp_path / f"{name}.png", dpi=40)
    none = dataclasses.replace(study.config, map_films=0)
    assert faithfulness_section(dataclasses.replace(study, config=none)) is None


def test_maps_of_another_film_are_those_of_that_film(data: Path, predictor: Predictor) -> None:
    index = read_index(data, "train_val")
    pairs = [Pair(3, MASS), Pair(3, 2), Pair(7, MASS)]
    maps = free_maps(predictor, index, pairs)
    for k, pair in enumerate(pairs):
        reading = predictor.read(predictor.encode(read_film(index, pair.row)), {})
        expected = reading.maps()[pair.finding].values
        assert maps["attention"][k] == pytest.approx(expected, rel=1e-4)


def test_without_a_true_finding_there_is_no_section(
    data: Path, checkpoint_folder: Path, tmp_path: Path
) -> None:
    index = read_index(data, "test")
    blank = dataclasses.replace(index, labels=np.zeros_like(index.labels))
    checkpoint = load_checkpoint(checkpoint_folder)
    assert faithfulness_section(bare_study(checkpoint, blank, tmp_path)) is None

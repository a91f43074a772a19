"""The synthetic world: its posterior against brute force, its draws against its own laws."""

from __future__ import annotations

import itertools
import json
import math

import numpy as np
import pytest

from lmeran.findings import FINDINGS, State, finding_index, states_of
from train.phantom.world import (
    World,
    draw_labels,
    draw_levels,
    log_likelihood_ratio,
    posteriors,
)

N = len(FINDINGS)
PINS = (
    {},
    {"Effusion": State.POSITIVE},
    {"Edema": State.NEGATIVE, "Pneumonia": State.POSITIVE, "Hernia": State.POSITIVE},
)


def posterior(world: World, levels: np.ndarray | None, pins: np.ndarray) -> np.ndarray:
    return posteriors(world, levels, pins[None])[0]


@pytest.fixture(scope="module")
def world() -> World:
    return World()


def density(world: World, level: float, present: int) -> float:
    """p(e | y) as the module's text gives it; at 0 the probability that nothing is drawn."""
    shown, slope = world.shown[present], world.slope[present]
    if level == 0:
        return 1 - shown
    return shown * slope * math.exp(slope * level) / (math.exp(slope) - 1)


def brute_force(world: World, levels: np.ndarray | None, pins: np.ndarray) -> np.ndarray:
    """The posterior by walking over all states with plain products of probabilities."""
    pairs = [(finding_index(a), finding_index(b), j) for a, b, j in world.couplings]
    biases = [float(world.log_prior[1 << i] - world.log_prior[0]) for i in range(N)]
    total, present = 0.0, np.zeros(N)
    for y in itertools.product((0, 1), repeat=N):
        if any(
            pin != State.UNKNOWN and value != (pin == State.POSITIVE)
            for pin, value in zip(pins, y, strict=True)
        ):
            continue
        energy = sum(b * v for b, v in zip(biases, y, strict=True))
        energy += sum(j * y[a] * y[b] for a, b, j in pairs)
        weight = math.exp(energy)
        if levels is not None:
            weight *= math.prod(density(world, e, v) for e, v in zip(levels, y, strict=True))
        total += weight
        present += weight * np.array(y)
    return present / total


@pytest.mark.parametrize("pins", PINS, ids=["free", "one pin", "three pins"])
def test_the_posterior_equals_brute_force(world: World, pins: dict[str, State]) -> None:
    levels = np.array([0, 0.9, 0, 0.3, 0, 0, 1.0, 0, 0.05, 0, 0.6, 0, 0, 0.0])
    states = states_of(pins)
    found = posterior(world, levels, states)
    np.testing.assert_allclose(found, brute_force(world, levels, states), atol=1e-10)
    assert (found[states == State.POSITIVE] == 1).all()
    assert (found[states == State.NEGATIVE] == 0).all()
    without = posterior(world, None, states)
    np.testing.assert_allclose(without, brute_force(world, None, states), atol=1e-10)


def test_many_sets_of_pins_at_once_equal_one_by_one(world: World) -> None:
    levels = draw_levels(world, np.zeros((1, N)), np.random.default_rng(1))[0]
    pins = np.stack([states_of(pins) for pins in PINS])
    singly = np.stack([posterior(world, levels, row) for row in pins])
    np.testing.assert_allclose(posteriors(world, levels, pins), singly, atol=1e-14)


def test_prevalences_and_couplings_are_those_that_were_asked_for(world: World) -> None:
    probability = np.exp(world.log_prior)
    assert probability.sum() == pytest.approx(1)
    np.testing.assert_allclose(probability @ world.states, world.prevalence, atol=1e-10)
    # The log odds ratio of two findings is J whatever the other twelve are.
    for first, second, value in world.couplings:
        i, j = 1 << finding_index(first), 1 << finding_index(second)
        others = 0b10_0000_0100_0001 & ~(i | j)
        p = world.log_prior
        ratio = p[others | i | j] + p[others] - p[others | i] - p[others | j]
        assert ratio == pytest.approx(value, abs=1e-9)


def test_the_likelihood_ratio_is_that_of_the_densities(world: World) -> None:
    for level in (0.0, 1e-4, 0.25, 1.0):
        wanted = math.log(density(world, level, 1) / density(world, level, 0))
        assert log_likelihood_ratio(world, np.array(level)) == pytest.approx(wanted)
    for present in (0, 1):
        grid = (np.arange(2000) + 0.5) / 2000
        mass = np.mean([density(world, e, present) for e in grid]) + density(world, 0.0, present)
        assert mass == pytest.approx(1, abs=1e-6)


def test_draws_follow_the_laws(world: World) -> None:
    random = np.random.default_rng(2)
    labels = draw_labels(world, 40_000, random)
    np.testing.assert_allclose(labels.mean(0), world.prevalence, atol=0.01)
    probability = np.exp(world.log_prior)
    pairs = (world.states * probability[:, None]).T @ world.states
    np.testing.assert_allclose(labels.T @ labels / len(labels), pairs, atol=0.01)
    levels = draw_levels(world, labels, random)
    assert ((levels >= 0) & (levels <= 1)).all()
    for present in (0, 1):
        of_class = levels[labels == present]
        assert (of_class == 0).mean() == pytest.approx(1 - world.shown[present], abs=0.01)
        counts, edges = np.histogram(of_class[of_class > 0], bins=10, range=(0, 1))
        middles = (edges[1:] + edges[:-1]) / 2
        expected = [0.1 * density(world, e, present) / world.shown[present] for e in middles]
        np.testing.assert_allclose(counts / counts.sum(), expected, atol=0.015)


def test_the_posterior_is_calibrated(world: World) -> None:
    """Of the findings said to be present with probability p, a share p is."""
    random = np.random.default_rng(3)
    labels = draw_labels(world, 400, random)
    levels = draw_levels(world, labels, random)
    known = random.random(labels.shape) < 0.3
    pins = np.where(known, np.where(labels > 0.5, State.POSITIVE, State.NEGATIVE), State.UNKNOWN)
    said = np.stack([posterior(world, e, row) for e, row in zip(levels, pins, strict=True)])
    unknown, present = said[~known], labels[~known]
    for low, high in ((0, 0.05), (0.05, 0.2), (0.2, 0.5), (0.5, 1)):
        rows = (unknown >= low) & (unknown < high)
        spread = 4 * math.sqrt(unknown[rows].mean() * (1 - unknown[rows].mean()) / rows.sum())
        assert present[rows].mean() == pytest.approx(unknown[rows].mean(), abs=spread)


def test_a_world_goes_through_json(world: World) -> None:
    other = World(couplings=(("Mass", "Nodule", 2.0),), shown=(0.1, 0.9))
    assert World.from_dict(json.loads(json.dumps(other.to_dict()))) == other
    assert other != world

"""Shapley values against their definition, on small games made here."""

from __future__ import annotations

from collections.abc import Callable
from itertools import permutations

import numpy as np
import pytest

from lmeran.explain.shapley import exact_shares, sampled_shares, shapley


def shares_over_all_orders(
    players: int, value: Callable[[np.ndarray], np.ndarray], n: int
) -> np.ndarray:
    """The definition: marginal contributions averaged over every order of joining."""
    total = np.zeros((players, n))
    orders = list(permutations(range(players)))
    for order in orders:
        members = np.zeros((1, players), dtype=bool)
        before = value(members)[0]
        for player in order:
            members[0, player] = True
            after = value(members)[0]
            total[player] += after - before
            before = after
    return total / len(orders)


def toy_game(players: int, seed: int = 0) -> Callable[[np.ndarray], np.ndarray]:
    """Two values a coalition, with interactions of every pair and a bend."""
    rng = np.random.default_rng(seed)
    single, pair = rng.normal(size=(players, 2)), rng.normal(size=(players, players, 2))

    def value(coalitions: np.ndarray) -> np.ndarray:
        s = coalitions.astype(float)
        linear = s @ single + np.einsum("si,sj,ijn->sn", s, s, pair)
        return linear + np.tanh(linear)

    return value


@pytest.mark.parametrize("players", [1, 2, 3, 4])
def test_exact_shares_are_the_definition(players: int) -> None:
    value = toy_game(players)
    shares = exact_shares(players, value)
    np.testing.assert_allclose(shares.values, shares_over_all_orders(players, value, 2), atol=1e-12)


@pytest.mark.parametrize("players", [0, 1, 5, 6, 7, 9, 14])
def test_shares_are_efficient(players: int) -> None:
    value = toy_game(players)
    shares = shapley(players, value)
    total = value(np.ones((1, players), bool)) - value(np.zeros((1, players), bool))
    np.testing.assert_allclose(shares.values.sum(0), total[0], rtol=0, atol=1e-9)
    assert shares.method == ("exact" if players <= 6 else "sampled")


@pytest.mark.parametrize("shares_of", [exact_shares, sampled_shares])
def test_a_dummy_gets_nothing_and_equals_get_the_same(shares_of: Callable) -> None:
    def value(coalitions: np.ndarray) -> np.ndarray:
        # players 0 and 1 are interchangeable, 2 is a dummy, 3 matters with the others
        pair = coalitions[:, 0].astype(float) + coalitions[:, 1]
        return (pair**2 + 3 * coalitions[:, 3] * pair + coalitions[:, 3])[:, None]

    shares = shares_of(4, value)
    np.testing.assert_allclose(shares.values[2], 0, atol=1e-12)
    if shares.method == "exact":
        assert shares.values[0] == pytest.approx(shares.values[1], abs=1e-12)
    else:
        distance = np.abs(shares.values[0] - shares.values[1])
        assert (distance <= 4 * (shares.errors[0] + shares.errors[1]) + 1e-12).all()


def test_sampled_shares_lie_as_near_the_exact_as_they_state() -> None:
    z = []
    for seed in range(60):
        value = toy_game(7, seed)
        exact, sampled = exact_shares(7, value), sampled_shares(7, value, pairs=40, seed=seed)
        z.append((sampled.values - exact.values) / sampled.errors)
    deviation = np.sqrt(np.mean(np.square(z)))
    assert 0.8 < deviation < 1.2
    assert np.abs(z).max() < 6


def test_opposite_orders_get_games_of_pairs_exactly() -> None:
    pair = np.random.default_rng(0).normal(size=(7, 7))

    def value(coalitions: np.ndarray) -> np.ndarray:
        s = coalitions.astype(float)
        return np.einsum("si,sj,ij->s", s, s, pair)[:, None]

    sampled = sampled_shares(7, value, pairs=2)
    np.testing.assert_allclose(sampled.values, exact_shares(7, value).values, atol=1e-12)
    np.testing.assert_allclose(sampled.errors, 0, atol=1e-12)

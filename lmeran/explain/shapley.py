"""Shapley values: an order-free share of what several players together change.

A game gives every coalition S of k players a value v(S). Player i's share is its marginal
contribution v(S + i) - v(S), averaged over all orders in which the players can join:

    phi_i = sum over S without i of |S|! (k - |S| - 1)! / k! * (v(S + i) - v(S))

The shares sum to v(all) - v(none), whatever the game. Here a value is a vector of n numbers (one a
finding), so one evaluation of a coalition serves n games.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from math import factorial
from typing import Literal

import numpy as np

EXACT_UP_TO = 6
"""Players up to which all 2^k coalitions are evaluated (64); more players are sampled."""

SAMPLED_PAIRS = 8
"""Pairs of opposite orders drawn beyond that: with 10 players at most 146 coalitions, not 1024."""

SEED = 20250918
"""Of the sampled orders, fixed so that the same game always gets the same shares."""

Method = Literal["exact", "sampled"]
Value = Callable[[np.ndarray], np.ndarray]
"""Coalitions, bool (S, k), to their values, float64 (S, n)."""


@dataclass(frozen=True, eq=False)
class Shares:
    """What each of k players contributes to n values.

    values: float64 (k, n), the shares; they sum over the players to `total`.
    errors: float64 (k, n), the standard error of each share where sampled; None where exact.
    empty, total: float64 (n,), v(none) and v(all) - v(none).
    """

    values: np.ndarray
    errors: np.ndarray | None
    empty: np.ndarray
    total: np.ndarray
    method: Method


def shapley(players: int, value: Value) -> Shares:
    """Exact up to `EXACT_UP_TO` players, sampled beyond. `value` is called once."""
    shares = exact_shares if players <= EXACT_UP_TO else sampled_shares
    return shares(players, value)


def exact_shares(players: int, value: Value) -> Shares:
    """The shares from all 2^k coalitions."""
    codes = np.arange(2**players)
    values = value(_members(codes, players))
    sizes = _members(codes, players).sum(axis=1)
    k = players
    orders = np.array([factorial(s) * factorial(k - s - 1) / factorial(k) for s in range(k)])
    shares = np.zeros((k, values.shape[1]))
    for player in range(k):
        without = codes[(codes >> player) & 1 == 0]
        marginal = values[without | (1 << player)] - values[without]
        shares[player] = orders[sizes[without]] @ marginal
    return Shares(shares, None, values[0], values[-1] - values[0], "exact")


def sampled_shares(
    players: int, value: Value, pairs: int = SAMPLED_PAIRS, seed: int = SEED
) -> Shares:
    """The shares averaged over `pairs` random orders, each taken forwards and backwards.

    Within one order the marginal contributions sum to v(all) - v(none), so their average does.
    The two orders of a pair are not independent, so the standard error is that of the pairs' means.
    """
    rng = np.random.default_rng(seed)
    forwards = np.stack([rng.permutation(players) for _ in range(pairs)])
    orders = np.stack([forwards, forwards[:, ::-1]], axis=1)
    joined = np.cumsum(1 << orders, axis=-1)
    prefixes = np.concatenate([np.zeros_like(joined[..., :1]), joined], axis=-1)
    codes, position = np.unique(prefixes, return_inverse=True)
    values = value(_members(codes, players))
    path = values[position.reshape(prefixes.shape)]
    # steps (pairs, 2, k, n) stand in the order of joining; by_player in the order of the players
    steps = np.diff(path, axis=2)
    by_player = np.take_along_axis(steps, np.argsort(orders, axis=-1)[..., None], axis=2)
    pair_means = by_player.mean(axis=1)
    errors = pair_means.std(axis=0, ddof=1) / pairs**0.5
    return Shares(pair_means.mean(axis=0), errors, values[0], values[-1] - values[0], "sampled")


def _members(codes: np.ndarray, players: int) -> np.ndarray:
    """Coalitions as bit patterns (S,) to bool (S, k)."""
    return (codes[:, None] >> np.arange(players)) & 1 == 1

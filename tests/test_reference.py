"""Reference distributions against counting films; what is stored comes back or is refused."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from lmeran.findings import FINDINGS, State
from lmeran.reference import (
    LEVELS,
    ReferenceDistribution,
    percent_below,
    shift_percentiles,
)
from lmeran.stored import DamagedError
from tests.support.fitting import a_reference

FILMS, N = 400, len(FINDINGS)


def drawn() -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Free probabilities, labels and the shifts of single pins of made-up films; three have the
    last finding."""
    random = np.random.default_rng(0)
    free = random.random((FILMS, N))
    labels = (random.random((FILMS, N)) < free).astype(np.float32)
    labels[:, -1] = 0
    labels[:3, -1] = 1
    negative, positive = random.normal(0, 0.1, (2, FILMS, N, N))
    for shifts in (negative, positive):
        shifts[:, np.arange(N), np.arange(N)] = np.nan
    return free, labels, negative, positive


def test_percentiles_are_the_share_of_films_below() -> None:
    free, labels, negative, positive = drawn()
    reference = ReferenceDistribution.of(free, labels, negative, positive)
    film = np.linspace(0.05, 0.95, N)
    for quantiles, has in ((reference.absent, 0), (reference.present, 1)):
        found = percent_below(quantiles, film)
        for i in range(N - 1):
            below = 100 * (free[labels[:, i] == has, i] < film[i]).mean()
            assert found[i] == pytest.approx(below, abs=2)
    assert np.isnan(percent_below(reference.present, film)[-1]), "three films are too few"
    assert percent_below(reference.absent, np.full(N, 2.0)).tolist() == [100] * N


@pytest.mark.parametrize("state", [State.NEGATIVE, State.POSITIVE])
def test_a_shift_is_compared_with_the_same_single_pin(state: State) -> None:
    free, labels, negative, positive = drawn()
    reference = ReferenceDistribution.of(free, labels, negative, positive)
    states, shift = np.zeros(N, np.int64), np.full(N, 0.05)
    assert shift_percentiles(reference, states, shift) is None
    states[4], shift[4] = state, np.nan
    found = shift_percentiles(reference, states, shift)
    of_pin = {State.NEGATIVE: negative, State.POSITIVE: positive}[state][:, 4]
    assert np.isnan(found[4])
    for j in (0, 5, 13):
        assert found[j] == pytest.approx(100 * (of_pin[:, j] < 0.05).mean(), abs=2)
    states[7] = State.POSITIVE
    assert shift_percentiles(reference, states, shift) is None, "two pins were not measured"


def test_what_is_stored_comes_back() -> None:
    reference = ReferenceDistribution.of(*drawn())
    found = ReferenceDistribution.from_bytes(reference.to_bytes(), reference.numbers())
    assert (found.films, found.pinned_films) == (FILMS, FILMS)
    for name in ("absent", "present", "negative", "positive"):
        np.testing.assert_array_equal(getattr(found, name), getattr(reference, name))
    assert len(reference.to_bytes()) < 150_000


def test_what_is_no_reference_is_refused() -> None:
    good = a_reference()
    falling = replace(good, absent=good.absent[:, ::-1])
    short = replace(good, present=good.present[:, 1:])
    for bad, words in ((falling, "absent"), (short, f"{len(LEVELS)} rising quantiles")):
        with pytest.raises(DamagedError, match=words):
            ReferenceDistribution.from_bytes(bad.to_bytes(), bad.numbers())
    with pytest.raises(DamagedError, match="damages"):
        ReferenceDistribution.from_bytes(good.to_bytes()[:-9], good.numbers())
    with pytest.raises(DamagedError, match="films"):
        ReferenceDistribution.from_bytes(good.to_bytes(), {})

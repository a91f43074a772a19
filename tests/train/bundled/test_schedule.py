"""Stages: rates, order, averages, and going on where a run was stopped."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from train.bundled.schedule import Resumable, Stage, batches
from train.optimiser import adamw, decay_groups, moving_average, set_rate


def test_the_rate_rises_and_falls_to_zero() -> None:
    stage = Stage("a", steps=100)
    rates = []
    for step in range(101):
        stage.step = step
        rates.append(stage.rate(1.0))
    assert np.argmax(rates) == 5
    assert rates[0] < 0.1
    assert rates[-1] == pytest.approx(0, abs=1e-9)
    assert all(b <= a for a, b in pairwise(rates[5:]))


def test_every_film_comes_once_an_epoch_and_a_stopped_stage_sees_the_rest() -> None:
    rows = np.arange(100, 112)
    whole = list(batches(rows, 4, Stage("a", steps=6), seed=3))
    assert sorted(np.concatenate(whole[:3]).tolist()) == rows.tolist()
    assert sorted(np.concatenate(whole[3:]).tolist()) == rows.tolist()
    later = Stage("a", steps=6)
    later.step = 4
    rest = list(batches(rows, 4, later, seed=3))
    assert [r.tolist() for r in rest] == [r.tolist() for r in whole[4:]]


def test_too_few_films_for_a_batch_are_refused() -> None:
    with pytest.raises(ValueError, match="as many films"):
        next(batches(np.arange(3), 4, Stage("a", steps=1), seed=0))


def test_the_average_is_that_of_the_formula() -> None:
    module = nn.Linear(2, 1)
    average = moving_average(module, decay=0.5)
    expected = None
    for update in range(5):
        with torch.no_grad():
            module.weight.fill_(float(update))
        average.update_parameters(module)
        decay = min(0.5, (1 + update) / (10 + update))
        expected = update if expected is None else decay * expected + (1 - decay) * update
    assert average.module.weight.detach().flatten().tolist() == pytest.approx([expected] * 2)


def test_weight_decay_spares_vectors_and_what_is_named() -> None:
    module = nn.Sequential(nn.Linear(3, 3), nn.Embedding(4, 3))
    groups = decay_groups(module.parameters(), 0.1, (module[1].weight,))
    decayed = {id(p) for g in groups if g["weight_decay"] for p in g["params"]}
    assert decayed == {id(module[0].weight)}


def _run(kept: Path, stop: int | None, steps: int = 9) -> list[float]:
    torch.manual_seed(0)
    module = nn.Linear(4, 1)
    stage = Stage("a", steps=steps)
    optimizer = adamw(decay_groups(module.parameters(), 0.1), torch.device("cpu"))
    average = moving_average(module, 0.9)
    parts = {"module": module, "optimizer": optimizer, "average": average}
    state = Resumable(kept, stage, parts, every=3)
    state.restore()
    for batch in batches(np.arange(20), 4, stage, seed=1):
        inputs = torch.from_numpy(np.stack([batch % k for k in (2, 3, 5, 7)], 1)).float()
        set_rate(optimizer, stage.rate(0.1))
        optimizer.zero_grad()
        (module(inputs) - 1).square().mean().backward()
        optimizer.step()
        average.update_parameters(module)
        state.step()
        if stop is not None and stage.step + 1 == stop:
            break
    return [*module.weight.flatten().tolist(), *average.module.weight.flatten().tolist()]


def test_a_stopped_stage_ends_where_an_unbroken_one_does(tmp_path: Path) -> None:
    whole = _run(tmp_path / "a.state", None)
    _run(tmp_path / "b.state", 5)  # kept after the third step
    assert _run(tmp_path / "b.state", None) == whole

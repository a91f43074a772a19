"""Which images a step sees, under which masks: functions of seed and step alone."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch

from lmeran.findings import State
from tests.support.training import config
from train.batches import Batch, Source
from train.data.index import read_index


def _source(data: Path, **changes: object) -> Source:
    index = read_index(data, "train_val")
    pixels = np.arange(len(index), dtype=np.uint8)[:, None, None].repeat(4, 1).repeat(4, 2)
    return Source(config(**changes), index, pixels, None)


def _images(batches: list[Batch]) -> list[int]:
    return sorted(int(g) for batch in batches for g in batch.gray[:, 0, 0])


def test_the_passes_of_a_step_are_dealt_out_to_the_processes(data: Path) -> None:
    source = _source(data, batch_size=8, micro_batch=2)
    alone = list(source.batches(0, 4, 0, 1))
    assert [len(step) for step in alone] == [4] * 4
    dealt = [list(source.batches(0, 4, rank, 2)) for rank in (0, 1)]
    for step in range(4):
        for k, batch in enumerate(alone[step]):
            twin = dealt[k % 2][step][k // 2]
            for name in ("gray", "labels", "states", "mask"):
                assert torch.equal(getattr(batch, name), getattr(twin, name)), name
            assert batch.seed == twin.seed
    seen = _images([b for step in alone for b in step])
    assert seen == sorted(range(len(source.index)))  # 32 films: an epoch of four steps


def test_a_run_that_goes_on_sees_what_it_would_have_seen(data: Path) -> None:
    source = _source(data, free_share=0.3)
    whole = list(source.batches(0, 8, 0, 1))
    rest = list(source.batches(5, 8, 0, 1))
    for one, other in zip(whole[5:], rest, strict=True):
        assert all(torch.equal(a.mask, b.mask) for a, b in zip(one, other, strict=True))
        assert _images(one) == _images(other)
    assert _images(whole[0]) != _images(whole[4])


def test_states_tell_the_labels_that_are_not_masked(data: Path) -> None:
    (batch,) = next(_source(data, batch_size=32).batches(0, 1, 0, 1))
    known = ~batch.mask
    assert (batch.states[batch.mask] == int(State.UNKNOWN)).all()
    positive = batch.states[known] == int(State.POSITIVE)
    assert torch.equal(positive, batch.labels[known] > 0.5)
    assert batch.mask.sum(1).min() >= 4  # at least a quarter of 14


def test_the_free_share_is_read_with_everything_masked(data: Path) -> None:
    source = _source(data, free_share=0.5, batch_size=32)
    shares = [b.mask.all(1).float().mean().item() for (b,) in source.batches(0, 30, 0, 1)]
    # one of eleven counts of masked findings is all of them anyway
    assert abs(np.mean(shares) - (0.5 + 0.5 / 11)) < 0.06
    (whole,) = next(_source(data, label_masking=False).batches(0, 1, 0, 1))
    assert whole.mask.all()

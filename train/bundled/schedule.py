"""How long a stage lasts, what its learning rate is, and what it resumes from."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from train.states import load_state, save_state

WARMUP = 0.05


@dataclass
class Stage:
    """A stage that ends after `seconds` or `steps`, whichever comes first.

    On a GPU that is lent by the minute the clock ends it; elsewhere steps do.
    """

    name: str
    seconds: float = math.inf
    steps: float = math.inf
    started: float = field(default_factory=time.monotonic)
    step: int = 0

    @property
    def progress(self) -> float:
        spent = (time.monotonic() - self.started) / self.seconds
        return min(1.0, max(spent, self.step / self.steps))

    def rate(self, peak: float) -> float:
        """Linear warm-up, then a cosine to zero, over the stage's own progress."""
        done = self.progress
        if done < WARMUP:
            return peak * max(done / WARMUP, 0.02)
        return peak * 0.5 * (1 + math.cos(math.pi * (done - WARMUP) / (1 - WARMUP)))


def batches(rows: np.ndarray, size: int, stage: Stage, seed: int) -> Iterator[np.ndarray]:
    """Rows of the batch of each step, epoch by epoch in new order, until the stage ends.

    From the step where the stage stands, so that a stage that goes on sees what it would have seen.
    Raises `ValueError` where there are fewer rows than a batch has.
    """
    an_epoch = len(rows) // size
    if not an_epoch:
        raise ValueError(f"a batch of {size} needs as many films: {len(rows)}")
    while stage.progress < 1:
        epoch, position = divmod(stage.step, an_epoch)
        order = np.random.default_rng([seed, epoch]).permutation(rows)
        yield order[position * size :][:size]
        if not stage.step:  # the first step chooses and compiles kernels
            stage.started = time.monotonic()
        stage.step += 1


class Resumable:
    """What a stage goes on with after a stop: kept every `every` steps (`train.states`).

    parts: things with `state_dict` and `load_state_dict`. Without a path nothing is kept.
    """

    def __init__(self, path: Path | None, stage: Stage, parts: dict[str, Any], every: int) -> None:
        self.path, self.stage, self.parts, self.every = path, stage, parts, every

    def restore(self) -> bool:
        """Whether there was something to go on with."""
        state = None if self.path is None else load_state(self.path, "cpu")[0]
        if state is None:
            return False
        self.stage.step = state.pop("step")
        for name, part in self.parts.items():
            part.load_state_dict(state[name])
        return True

    def step(self) -> None:
        """After a step was made, which the stage does not count yet."""
        if self.path is not None and (self.stage.step + 1) % self.every == 0:
            state = {name: part.state_dict() for name, part in self.parts.items()}
            save_state(state | {"step": self.stage.step + 1}, self.path)

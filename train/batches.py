"""What each forward pass of a run gets: rows, labels and masks, all a function of seed and step.

Nothing here keeps state, so a run that resumes after a kill, and a run over several processes, see
exactly the same images under the same masks.
"""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
import torch

from lmeran.model.masking import sample_label_mask, states_under_mask
from train.config import TrainConfig
from train.data.index import Index
from train.data.pixels import Pixels


@dataclass(frozen=True, eq=False)
class Batch:
    """One forward pass.

    gray: uint8 (B, S, S); labels: float32 (B, 14); states: int64 (B, 14); mask: bool (B, 14), True
    where the finding is scored; offsets: float32 (B, 14) added to the logits, or None; seed: of the
    pass's augmentation and dropout.
    """

    gray: torch.Tensor
    labels: torch.Tensor
    states: torch.Tensor
    mask: torch.Tensor
    offsets: torch.Tensor | None
    seed: int

    def to(self, device: torch.device) -> Batch:
        """The same on another device."""
        if device.type == "cpu":
            return self
        moved = {
            name: value.pin_memory().to(device, non_blocking=True)
            for name, value in vars(self).items()
            if isinstance(value, torch.Tensor)
        }
        return Batch(**{**vars(self), **moved})


@dataclass(frozen=True, eq=False)
class Source:
    """The training split as batches come from it. offsets: (N, 14) of `source_offsets`, or None."""

    config: TrainConfig
    index: Index
    pixels: Pixels
    offsets: np.ndarray | None

    @property
    def steps_per_epoch(self) -> int:
        return max(1, len(self.index) // self.config.batch_size)

    def batches(self, first: int, end: int, rank: int, size: int) -> Iterator[list[Batch]]:
        """This process's passes of the steps from `first` to before `end`, read one step ahead.

        A step's passes are dealt to the processes in turn: `size` changes who computes, not what.
        """
        with ThreadPoolExecutor(1) as reader:
            coming = reader.submit(self._step, first, rank, size) if first < end else None
            for step in range(first, end):
                assert coming is not None
                now = coming.result()
                if step + 1 < end:
                    coming = reader.submit(self._step, step + 1, rank, size)
                yield now

    def _step(self, step: int, rank: int, size: int) -> list[Batch]:
        epoch, position = divmod(step, self.steps_per_epoch)
        order = np.random.default_rng([self.config.seed, epoch]).permutation(len(self.index))
        wanted = order[position * self.config.batch_size :][: self.config.batch_size]
        passes = np.array_split(wanted, self.config.passes(size))
        return [self._pass(np.sort(passes[k]), step, k) for k in range(rank, len(passes), size)]

    def _pass(self, rows: np.ndarray, step: int, number: int) -> Batch:
        config = self.config
        seed = int(np.random.SeedSequence([config.seed, step, number]).generate_state(1)[0])
        generator = torch.Generator().manual_seed(seed + 1)
        labels = torch.from_numpy(self.index.labels[rows])
        mask = torch.ones_like(labels, dtype=torch.bool)
        if config.label_masking:
            mask = sample_label_mask(*labels.shape, config.mask_lower, generator)
            mask[torch.rand(len(rows), generator=generator) < config.free_share] = True
        return Batch(
            gray=torch.from_numpy(np.array(self.pixels[rows])),
            labels=labels,
            states=states_under_mask(labels, mask),
            mask=mask,
            offsets=None if self.offsets is None else torch.from_numpy(self.offsets[rows]),
            seed=seed,
        )

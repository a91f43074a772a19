"""The processes of one run, as PyTorch's launcher `torchrun` starts them; without it, one."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import distributed

from lmeran.cli.launch import Launch


@dataclass(frozen=True)
class Processes:
    """This process among the `size` of the run; `rank` 0 writes the files and prints."""

    rank: int
    size: int
    device: torch.device

    @property
    def first(self) -> bool:
        return self.rank == 0

    def wait(self) -> None:
        """Block until every process has got here."""
        if self.size > 1:
            distributed.barrier()

    def gather(self, value: Any) -> list[Any]:
        """The value of every process, in the order of ranks."""
        if self.size == 1:
            return [value]
        values: list[Any] = [None] * self.size
        distributed.all_gather_object(values, value)
        return values

    def any(self, flag: bool) -> bool:
        """Whether the flag is set in any process."""
        if self.size == 1:
            return flag
        seen = torch.tensor(int(flag), device=self.device)
        distributed.all_reduce(seen, distributed.ReduceOp.MAX)
        return bool(seen.item())

    def average_buffers(self, module: torch.nn.Module) -> None:
        """Mean over the processes of all floating-point buffers (running batch statistics)."""
        if self.size > 1:
            for buffer in module.buffers():
                if buffer.is_floating_point():
                    distributed.all_reduce(buffer)
                    buffer /= self.size


def device_named(name: str) -> torch.device:
    """ "auto", "cpu", "cuda" or "cuda:N". Raises `LaunchError` for a device that is not there."""
    return torch.device(Launch.of(os.environ).device(name))


@contextmanager
def started(device: str) -> Iterator[Processes]:
    """Join the run that `torchrun` describes in the environment, or run alone.

    device: as in `device_named`. Gloo carries CPU tensors, NCCL those of GPUs.
    """
    size = int(os.environ.get("WORLD_SIZE", "1"))
    chosen = device_named(device)
    if size == 1:
        yield Processes(0, 1, chosen)
        return
    if chosen.type == "cuda":
        torch.cuda.set_device(chosen)
    distributed.init_process_group("nccl" if chosen.type == "cuda" else "gloo")
    try:
        yield Processes(distributed.get_rank(), size, chosen)
    finally:
        distributed.destroy_process_group()

"""Which process of a launcher this is, and what of the machine it may use.

PyTorch's launcher, `torchrun --nproc_per_node 4 -m lmeran predict DIR --out F`, tells each process
its place by RANK, WORLD_SIZE, LOCAL_RANK and LOCAL_WORLD_SIZE. They compute apart and never talk.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import torch

from lmeran.errors import UserError


class LaunchError(UserError):
    """The launcher's variables contradict each other, or there is no such device."""


@dataclass(frozen=True)
class Launch:
    """rank of world processes in all, local_rank of local_world on this machine."""

    rank: int = 0
    world: int = 1
    local_rank: int = 0
    local_world: int = 1

    @classmethod
    def of(cls, environment: Mapping[str, str]) -> Launch:
        """From the launcher's variables; alone without them. Raises `LaunchError`."""
        names = ("RANK", "WORLD_SIZE", "LOCAL_RANK", "LOCAL_WORLD_SIZE")
        if not {"RANK", "WORLD_SIZE"} <= environment.keys():
            return cls()
        try:
            launch = cls(*(int(environment.get(n, k)) for n, k in zip(names, "0101", strict=True)))
        except ValueError:
            launch = cls(rank=-1)
        if not 0 <= launch.rank < launch.world:
            raise LaunchError(
                "RANK and WORLD_SIZE contradict each other; start by torchrun, or unset them."
            )
        return launch

    def file(self, path: Path) -> Path:
        """The file of this process: out.csv of one, out.1-of-4.csv of several."""
        if self.world == 1:
            return path
        return path.with_name(f"{path.stem}.{self.rank}-of-{self.world}{path.suffix}")

    def device(self, wanted: str) -> str:
        """A torch device. "auto": a GPU where there is one; "cuda": the one of this process.

        Raises `LaunchError` for one that is not there.
        """
        gpus = torch.cuda.device_count() if torch.cuda.is_available() else 0
        if wanted == "auto":
            wanted = "cuda" if gpus else "cpu"
        try:
            device = torch.device(wanted)
        except RuntimeError:
            raise LaunchError(f"There is no device '{wanted}'; give cpu, cuda or cuda:N.") from None
        if device.type == "cuda" and (device.index or 0) >= gpus:
            raise LaunchError(f"PyTorch finds {gpus} GPUs here; give another --device, or cpu.")
        return f"cuda:{self.local_rank % gpus}" if wanted == "cuda" else wanted

    def cores(self) -> int:
        """This process's share of the cores it is allowed to use, at least 1."""
        allowed = getattr(os, "sched_getaffinity", None)
        count = len(allowed(0)) if allowed else os.cpu_count() or 1
        return max(count // self.local_world, 1)

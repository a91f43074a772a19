"""A training run in a process of its own that is killed at random points and started again."""

from __future__ import annotations

import contextlib
import csv
import multiprocessing
import os
import resource
import signal
import time
from pathlib import Path

import numpy as np
import torch

from lmeran.checkpoint import load_checkpoint
from tests.support.training import CPU, config
from train.config import TrainConfig
from train.fit import fit
from train.states import StateError

LONG = {"epochs": 8, "save_every": 1, "batch_size": 4}
"""48 steps: long enough to be killed in the middle of."""


def train_silently(settings: TrainConfig, data: Path, out: Path, file_limit: int = 0) -> None:
    """A run whose progress bars go nowhere; file_limit: the largest file it may write, in bytes."""
    torch.set_num_threads(1)
    if file_limit:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (file_limit, file_limit))
    out.mkdir(parents=True, exist_ok=True)
    with Path(os.devnull).open("w") as nowhere, contextlib.redirect_stderr(nowhere):
        try:
            fit(settings, data, out, CPU)
        except StateError as error:
            (out.parent / "said.txt").write_text(str(error))
            raise SystemExit(3) from None


def quick_processes() -> multiprocessing.context.BaseContext:
    """Forked from a clean process that has imported torch but run nothing: quick to start."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload([__name__])
    return context


def start(
    processes: multiprocessing.context.BaseContext, data: Path, out: Path, file_limit: int = 0
) -> multiprocessing.process.BaseProcess:
    """The long run as a process."""
    arguments = (config(**LONG), data, out, file_limit)
    child = processes.Process(target=train_silently, args=arguments)
    child.start()
    return child


def await_progress(child: multiprocessing.process.BaseProcess, out: Path, before: int) -> None:
    """Until the run has saved something since `before` (of `last_saved`), or has ended."""
    deadline = time.monotonic() + 60
    while last_saved(out) == before and child.is_alive() and time.monotonic() < deadline:
        time.sleep(0.01)


def last_saved(out: Path) -> int:
    """When the run's state was written, 0 for never."""
    state = out / "state.pt"
    return state.stat().st_mtime_ns if state.is_file() else 0


def killed_runs(
    processes: multiprocessing.context.BaseContext, data: Path, folder: Path, kills: int
) -> list[Path]:
    """Runs that were killed `kills` times altogether, each at a random point after some progress,
    and all went on to their end."""
    chance = np.random.default_rng(7)
    killed, runs = 0, [folder / "0"]
    while killed < kills:
        before = last_saved(runs[-1])
        child = start(processes, data, runs[-1])
        await_progress(child, runs[-1], before)
        child.join(chance.uniform(0, 0.4))
        if child.exitcode is None:
            os.kill(child.pid, signal.SIGKILL)
            killed += 1
        child.join()
        if child.exitcode == 0:  # reached its end before it could be killed
            runs.append(folder / str(len(runs)))
        else:
            assert child.exitcode == -signal.SIGKILL
    train_silently(config(**LONG), data, runs[-1])
    return runs


def assert_same_run(one: Path, other: Path) -> None:
    """Weights, averages and history are equal bit for bit."""
    expected, found = (torch.load(p / "state.pt", weights_only=True) for p in (one, other))
    assert found["step"] == expected["step"]
    assert found["epoch_loss"] == expected["epoch_loss"]
    for part in ("learner", "average"):
        for name, tensor in expected[part].items():
            assert torch.equal(tensor, found[part][name]), name
    histories = [list(csv.DictReader((p / "history.csv").open())) for p in (one, other)]
    for row, again in zip(*histories, strict=True):
        assert {**row, "seconds": 0} == {**again, "seconds": 0}
    assert load_checkpoint(one / "best").identity == load_checkpoint(other / "best").identity

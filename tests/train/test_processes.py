"""Several processes under PyTorch's launcher compute what one does."""

from __future__ import annotations

import csv
import os
import socket
from pathlib import Path

import pytest
import torch
from torch.multiprocessing import start_processes

from lmeran.checkpoint import load_checkpoint
from lmeran.config import ConfigError
from tests.support.killing import quick_processes
from tests.support.training import CPU, config
from train.fit import fit
from train.plan import prepare
from train.processes import Processes, started

SETTINGS = {"micro_batch": 4, "free_share": 0.25}


def _part(rank: int, port: int, data: Path, out: Path) -> None:
    """One of two processes, as PyTorch's launcher would start it."""
    os.environ |= {"RANK": str(rank), "WORLD_SIZE": "2", "LOCAL_RANK": str(rank)}
    os.environ |= {"LOCAL_WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port)}
    torch.set_num_threads(1)
    with started("cpu") as processes:
        fit(config(**SETTINGS), data, out, processes)


def test_two_processes_give_the_loss_curve_and_weights_of_one(data: Path, tmp_path: Path) -> None:
    fit(config(**SETTINGS), data, tmp_path / "1", CPU)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    quick_processes()
    start_processes(_part, (port, data, tmp_path / "2"), nprocs=2, start_method="forkserver")
    curves, states = [], []
    for out in (tmp_path / "1", tmp_path / "2"):
        rows = list(csv.DictReader((out / "history.csv").open()))
        curves.append([float(row["loss"]) for row in rows])
        states.append(torch.load(out / "state.pt", weights_only=True))
        load_checkpoint(out / "best")
    assert len(curves[0]) == 2
    assert curves[0][0] != curves[0][1]
    assert curves[1] == pytest.approx(curves[0], abs=2e-5)
    for name, tensor in states[0]["learner"].items():
        if "running_" in name or not tensor.is_floating_point():
            continue  # one process sees the forward passes of a step one after the other
        torch.testing.assert_close(states[1]["learner"][name], tensor, rtol=2e-3, atol=2e-4)


def test_accumulated_passes_give_the_mean_of_their_gradients(data: Path, tmp_path: Path) -> None:
    """Against the same passes put together by hand."""
    settings = config(epochs=1, max_steps=1, micro_batch=4, warmup=0.0, ema=0.0)
    plan, run = prepare(settings, data, tmp_path / "hand", Processes(0, 1, CPU))
    run.learner.train()
    (batches,) = plan.source.batches(0, 1, 0, 1)
    assert [len(batch.labels) for batch in batches] == [4, 4]
    losses = [run.learner(batch, 64) for batch in batches]
    (sum(losses) / 2).backward()
    torch.nn.utils.clip_grad_norm_(run.learner.parameters(), 1.0)
    for group in run.optimizer.param_groups:
        group["lr"] = settings.learning_rate
    run.optimizer.step()

    fit(settings, data, tmp_path / "run", CPU)
    state = torch.load(tmp_path / "run" / "state.pt", weights_only=True)
    assert state["epoch_loss"] == pytest.approx(sum(losses).item() / 2, abs=1e-6)
    for name, parameter in run.learner.named_parameters():
        torch.testing.assert_close(state["learner"][name], parameter.detach(), rtol=0, atol=1e-5)


def test_passes_that_do_not_go_evenly_over_processes_are_refused(
    data: Path, tmp_path: Path
) -> None:
    with pytest.raises(ConfigError, match="evenly"):
        fit(config(micro_batch=4), data, tmp_path, Processes(0, 3, CPU))
    with pytest.raises(ConfigError, match="multiple"):
        config(micro_batch=3)


def test_alone_nothing_is_exchanged() -> None:
    alone = Processes(0, 1, CPU)
    assert alone.gather("x") == ["x"]
    assert alone.any(True)
    assert not alone.any(False)

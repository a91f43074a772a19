"""Several processes under PyTorch's launcher compute what one does."""

from __future__ import annotations

import csv
import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from lmeran.checkpoint import load_checkpoint
from lmeran.config import ConfigError
from tests.conftest import ROOT
from tests.support.training import CPU, config
from train.fit import fit
from train.plan import prepare
from train.processes import Processes

OPTIONS = """
epochs: 2
batch_size: 8
micro_batch: 4
validation_share: 0.3
learning_rate: 1.0e-3
free_share: 0.25
model:
  layers: 2
  preprocessing: {image_size: 64}
  backbone: {growth_rate: 8, layers_per_block: [2, 2, 2, 2], initial_features: 16}
"""


def _launch(data: Path, out: Path, count: int) -> None:
    (out.parent / "run.yaml").write_text(OPTIONS)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    launcher = ["-m", "torch.distributed.run", f"--nproc_per_node={count}"]
    launcher += ["--master_addr=127.0.0.1", f"--master_port={port}"]
    command = ["-m", "train", "fit", "--config", str(out.parent / "run.yaml")]
    command += ["--data", str(data), "--out", str(out), "--device", "cpu"]
    done = subprocess.run(
        [sys.executable, *(launcher if count > 1 else []), *command],
        cwd=ROOT,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]


def test_two_processes_give_the_loss_curve_and_weights_of_one(data: Path, tmp_path: Path) -> None:
    curves, states = [], []
    for count in (1, 2):
        out = tmp_path / str(count) / "run"
        out.parent.mkdir()
        _launch(data, out, count)
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

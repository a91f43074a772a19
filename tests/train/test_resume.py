"""Nothing lost: runs that are killed, interrupted, or run out of disk or of numbers."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest
import torch

from tests.support.killing import (
    LONG,
    assert_same_run,
    await_progress,
    killed_runs,
    last_saved,
    quick_processes,
    start,
    train_silently,
)
from tests.support.training import CPU, config
from train.fit import TrainingError, fit
from train.learner import Learner
from train.run import StateError

KILLS = 5
"""`python -m tests.benchmarks.kills` kills more often."""


@pytest.fixture(scope="module")
def processes():
    return quick_processes()


@pytest.fixture(scope="module")
def undisturbed(data: Path, tmp_path_factory: pytest.TempPathFactory, processes) -> Path:
    out = tmp_path_factory.mktemp("whole") / "run"
    child = start(processes, data, out)
    child.join()
    assert child.exitcode == 0
    return out


def test_killed_at_random_points_it_ends_in_the_same_weights(
    data: Path, tmp_path: Path, undisturbed: Path, processes
) -> None:
    for run in killed_runs(processes, data, tmp_path, KILLS):
        assert_same_run(undisturbed, run)


def test_an_interrupt_ends_after_a_whole_step_and_the_run_goes_on(
    data: Path,
    tmp_path: Path,
    undisturbed: Path,
    processes,
) -> None:
    out = tmp_path / "run"
    for number in (signal.SIGINT, signal.SIGTERM):
        before = last_saved(out)
        child = start(processes, data, out)
        await_progress(child, out, before)
        os.kill(child.pid, number)
        child.join()
        assert child.exitcode == 0
    assert torch.load(out / "state.pt", weights_only=True)["step"] < 48
    assert (out / "curves.png").is_file() or not (out / "history.csv").is_file()
    train_silently(config(**LONG), data, out)
    assert_same_run(undisturbed, out)


def test_a_full_disk_is_told_and_the_last_state_stays_good(
    data: Path,
    tmp_path: Path,
    undisturbed: Path,
    processes,
) -> None:
    out = tmp_path / "run"
    fit(config(**{**LONG, "max_steps": 6}), data, tmp_path / "short", CPU)
    size = (tmp_path / "short" / "state.pt").stat().st_size
    child = start(processes, data, out, size // 2)
    child.join()
    assert child.exitcode == 3
    assert "could not be saved" in (tmp_path / "said.txt").read_text()
    assert not list(out.glob("*.partial"))
    train_silently(config(**LONG), data, out)
    assert_same_run(undisturbed, out)


def test_a_damaged_state_is_refused_in_words(data: Path, tmp_path: Path) -> None:
    fit(config(epochs=1, max_steps=1), data, tmp_path, CPU)
    state = tmp_path / "state.pt"
    state.write_bytes(state.read_bytes()[:1000])
    with pytest.raises(StateError, match="new folder"):
        fit(config(epochs=1, max_steps=1), data, tmp_path, CPU)


def test_a_loss_that_is_no_number_stops_with_words(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = config(epochs=4, save_every=2)
    fit(config(epochs=4, save_every=2), data, tmp_path / "good", CPU)
    forward, calls = Learner.forward, iter(range(100))

    def failing(self: Learner, *arguments: object) -> torch.Tensor:
        return forward(self, *arguments) * (float("nan") if next(calls) == 4 else 1.0)

    with monkeypatch.context() as patched:
        patched.setattr(Learner, "forward", failing)
        with pytest.raises(TrainingError, match="learning_rate"):
            fit(settings, data, tmp_path / "bad", CPU)
    saved = torch.load(tmp_path / "bad" / "state.pt", weights_only=True)
    assert saved["step"] == 4
    assert all(t.isfinite().all() for t in saved["learner"].values())
    fit(settings, data, tmp_path / "bad", CPU)
    assert_same_run(tmp_path / "good", tmp_path / "bad")

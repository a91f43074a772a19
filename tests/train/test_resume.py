"""Nothing lost: runs that are killed, interrupted, or run out of disk or of numbers."""

from __future__ import annotations

import os
import re
import shutil
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
from train.run import Learner
from train.states import StateError, alone_in, load_state, save_state

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
    said = (tmp_path / "said.txt").read_text()
    assert re.search(r"could not be saved .* room for [1-9]\d* MB more", said)
    assert not list(out.glob("*.partial"))
    train_silently(config(**LONG), data, out)
    assert_same_run(undisturbed, out)


def _damage(path: Path, how: str) -> None:
    data = bytearray(path.read_bytes())
    if how == "cut":
        del data[len(data) // 2 :]
    elif how == "byte":
        data[len(data) // 2] ^= 1
    path.write_bytes(b"" if how == "empty" else bytes(data))


@pytest.mark.parametrize("how", ["cut", "byte", "empty"])
def test_from_a_damaged_state_the_run_goes_on_from_the_one_before(
    data: Path, tmp_path: Path, undisturbed: Path, how: str, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "run"
    shutil.copytree(undisturbed, out)
    _damage(out / "state.pt", how)
    fit(config(**LONG), data, out, CPU)
    told = "state.pt is damaged; the run continues from the state before it. Resumed at step 47."
    assert told in capsys.readouterr().out
    assert_same_run(undisturbed, out)


def test_a_damaged_state_never_takes_the_place_of_a_good_one(tmp_path: Path) -> None:
    path = tmp_path / "state.pt"
    for step in (1, 2):
        save_state({"step": step}, path)
    _damage(path, "byte")
    save_state({"step": 3}, path)
    _damage(path, "byte")
    state, told = load_state(path, "cpu")
    assert (state["step"], "damaged" in told) == (1, True)
    path.unlink()  # killed between the two renamings
    assert load_state(path, "cpu") == ({"step": 1}, "")


def test_two_damaged_states_are_refused_in_words(data: Path, tmp_path: Path) -> None:
    fit(config(epochs=1, max_steps=1), data, tmp_path, CPU)
    _damage(tmp_path / "state.pt", "cut")
    with pytest.raises(StateError, match=r"state\.pt cannot be read .* new folder"):
        fit(config(epochs=1, max_steps=1), data, tmp_path, CPU)


def test_a_state_of_another_model_is_refused_in_words(data: Path, tmp_path: Path) -> None:
    fit(config(epochs=1, max_steps=1), data, tmp_path, CPU)
    save_state({"learner": {}}, tmp_path / "state.pt")
    with pytest.raises(StateError, match=r"not a state of this run .* new folder"):
        fit(config(epochs=1, max_steps=1), data, tmp_path, CPU)


def test_a_second_run_in_one_folder_is_refused_at_once(data: Path, tmp_path: Path) -> None:
    with alone_in(tmp_path), pytest.raises(StateError, match="Another run is writing"):
        fit(config(epochs=1, max_steps=1), data, tmp_path, CPU)
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

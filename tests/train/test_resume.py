"""Nothing lost: runs that are killed, interrupted, or run out of disk or of numbers."""

from __future__ import annotations

import contextlib
import csv
import multiprocessing
import os
import re
import resource
import shutil
import signal
import time
from pathlib import Path

import numpy as np
import pytest
import torch

from lmeran.checkpoint import load_checkpoint
from tests.support.training import CPU, config
from train.config import TrainConfig
from train.fit import TrainingError, fit
from train.learner import Learner
from train.states import StateError, alone_in, load_state, save_state

KILLS = 20
LONG = {"epochs": 8, "save_every": 1, "batch_size": 4}
"""48 steps: long enough to be killed in the middle of."""


def _train(settings: TrainConfig, data: Path, out: Path, file_limit: int = 0) -> None:
    """In a process of its own, silent; file_limit: the largest file it may write, in bytes."""
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


@pytest.fixture(scope="module")
def processes() -> multiprocessing.context.BaseContext:
    """Forked from a clean process that has imported torch but run nothing: quick to start."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["tests.train.test_resume"])
    return context


@pytest.fixture(scope="module")
def undisturbed(data: Path, tmp_path_factory: pytest.TempPathFactory, processes) -> Path:
    out = tmp_path_factory.mktemp("whole") / "run"
    child = processes.Process(target=_train, args=(config(**LONG), data, out))
    child.start()
    child.join()
    assert child.exitcode == 0
    return out


def _assert_same(one: Path, other: Path) -> None:
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


def test_killed_at_twenty_random_points_it_ends_in_the_same_weights(
    data: Path,
    tmp_path: Path,
    undisturbed: Path,
    processes,
) -> None:
    chance = np.random.default_rng(7)
    settings, killed, run = config(**LONG), 0, 0
    while killed < KILLS:
        out = tmp_path / str(run)
        child = processes.Process(target=_train, args=(settings, data, out))
        child.start()
        before = _written(out)
        deadline = time.monotonic() + 60
        while _written(out) == before and child.is_alive() and time.monotonic() < deadline:
            time.sleep(0.01)  # until it has saved something: every kill comes after some progress
        child.join(chance.uniform(0, 0.4))
        if child.exitcode is None:
            os.kill(child.pid, signal.SIGKILL)
            killed += 1
        child.join()
        if child.exitcode == 0:  # reached its end before it could be killed
            _assert_same(undisturbed, out)
            run += 1
        else:
            assert child.exitcode == -signal.SIGKILL
    _train(settings, data, tmp_path / str(run))
    _assert_same(undisturbed, tmp_path / str(run))


def _written(out: Path) -> int:
    state = out / "state.pt"
    return state.stat().st_mtime_ns if state.is_file() else 0


def test_an_interrupt_ends_after_a_whole_step_and_the_run_goes_on(
    data: Path,
    tmp_path: Path,
    undisturbed: Path,
    processes,
) -> None:
    out = tmp_path / "run"
    for number in (signal.SIGINT, signal.SIGTERM):
        child = processes.Process(target=_train, args=(config(**LONG), data, out))
        child.start()
        before = _written(out)
        while _written(out) == before and child.is_alive():
            time.sleep(0.01)
        os.kill(child.pid, number)
        child.join()
        assert child.exitcode == 0
    assert torch.load(out / "state.pt", weights_only=True)["step"] < 48
    assert (out / "curves.png").is_file() or not (out / "history.csv").is_file()
    _train(config(**LONG), data, out)
    _assert_same(undisturbed, out)


def test_a_full_disk_is_told_and_the_last_state_stays_good(
    data: Path,
    tmp_path: Path,
    undisturbed: Path,
    processes,
) -> None:
    out = tmp_path / "run"
    fit(config(**{**LONG, "max_steps": 6}), data, tmp_path / "short", CPU)
    size = (tmp_path / "short" / "state.pt").stat().st_size
    child = processes.Process(target=_train, args=(config(**LONG), data, out, size // 2))
    child.start()
    child.join()
    assert child.exitcode == 3
    said = (tmp_path / "said.txt").read_text()
    assert re.search(r"could not be saved .* room for [1-9]\d* MB more", said)
    assert not list(out.glob("*.partial"))
    _train(config(**LONG), data, out)
    _assert_same(undisturbed, out)


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
    told = "state.pt is damaged; the run goes on from the state before it. Resumed at step 47."
    assert told in capsys.readouterr().out
    _assert_same(undisturbed, out)


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
    _assert_same(tmp_path / "good", tmp_path / "bad")

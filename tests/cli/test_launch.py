"""A process's place among others, by the launcher's variables."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from lmeran.cli.launch import Launch, LaunchError


def variables(rank: int, world: int, **more: int) -> dict[str, str]:
    given = {"RANK": rank, "WORLD_SIZE": world, **more}
    return {name: str(value) for name, value in given.items()}


def test_alone_without_a_launcher() -> None:
    for environment in ({}, {"LOCAL_RANK": "3"}, {"WORLD_SIZE": "4"}, variables(0, 1)):
        launch = Launch.of(environment)
        assert (launch.rank, launch.world) == (0, 1)
        assert launch.file(Path("a/out.csv")) == Path("a/out.csv")


def test_each_process_has_a_file_of_its_own() -> None:
    launches = [Launch.of(variables(rank, 3)) for rank in range(3)]
    files = [launch.file(Path("a/out.csv")) for launch in launches]
    assert files == [Path(f"a/out.{rank}-of-3.csv") for rank in range(3)]
    assert launches[1].file(Path("out")) == Path("out.1-of-3")


@pytest.mark.parametrize(
    "environment", [variables(2, 2), variables(-1, 2), {"RANK": "a", "WORLD_SIZE": "2"}]
)
def test_a_place_that_cannot_be_is_refused(environment: dict[str, str]) -> None:
    with pytest.raises(LaunchError, match="torchrun"):
        Launch.of(environment)


def test_each_process_of_a_machine_has_its_gpu_and_its_share_of_the_cores(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    launch = Launch.of(variables(6, 8, LOCAL_RANK=2, LOCAL_WORLD_SIZE=4))
    monkeypatch.setattr("os.sched_getaffinity", lambda _: set(range(16)), raising=False)
    assert launch.cores() == 4
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 4)
    assert [launch.device(wanted) for wanted in ("auto", "cuda", "cuda:1", "cpu")] == [
        "cuda:2",
        "cuda:2",
        "cuda:1",
        "cpu",
    ]
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    assert launch.device("cuda") == "cuda:0"
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert launch.device("auto") == "cpu"
    for wanted in ("cuda", "cuda:0", "gpu"):
        with pytest.raises(LaunchError, match="device"):
            launch.device(wanted)

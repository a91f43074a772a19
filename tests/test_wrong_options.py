"""Every option of every command with wrong values: a sentence that names it, no traceback."""

from __future__ import annotations

import argparse
import typing
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

import lmeran.cli.main as reading
import train.__main__ as training
import train.bundled.__main__ as bundled
from train.commands import command_parser, commands

NOWHERE = "/dev/null/nowhere"
"""Nothing can be read from or written to below a file."""
COMMANDS: dict[str, tuple[str, ...]] = {
    "predict": (NOWHERE,),
    "explain": (NOWHERE,),
    "export": (NOWHERE,),
    "replay": (NOWHERE, "--image", NOWHERE),
    "fit": ("--data", NOWHERE, "--out", NOWHERE),
    "evaluate": ("--checkpoint", NOWHERE, "--data", NOWHERE),
    "calibrate": ("--checkpoint", NOWHERE, "--data", NOWHERE),
    "card": ("--checkpoint", NOWHERE, "--report", NOWHERE),
    "publish": ("--checkpoint", NOWHERE, "--to", NOWHERE),
    "ablate": (NOWHERE, "--data", NOWHERE, "--out", NOWHERE),
    "phantom": ("--out", NOWHERE),
    "prove": ("--checkpoint", NOWHERE, "--data", NOWHERE, "--out", NOWHERE),
    "index": (NOWHERE,),
    "study": (NOWHERE, "--out", NOWHERE),
    "pack": ("--data", NOWHERE, "--checkpoint", NOWHERE, "--out", NOWHERE),
    "run": ("--pack", NOWHERE, "--out", NOWHERE),
    "speed": (),
    "assemble": (
        *("--run", NOWHERE, "--pack", NOWHERE, "--data", NOWHERE),
        *("--initial", NOWHERE, "--out", NOWHERE),
    ),
}
"""What each command needs at least; a new one without an entry here fails."""
OF_THE_MODEL = {"layer", "head"}
"""Whole numbers that only the checkpoint can judge."""
MAY_BE_ZERO = {
    *("micro_batch", "max_steps", "min_size", "seed", "frozen", "films", "pin_films", "map_films"),
    *("gate_films", "tolerance", "known", "mask_lower", "free_share", "warmup", "ema", "dropout"),
    *("learning_rate", "residual_weight", "mean", "rotate", "contrast"),
    "branch_rate",
    *("batch of run", "rate", "arms", "steps of run"),
    *("weight_decay", "workers of predict", "workers of explain", "workers of phantom"),
}


def walk(parser: argparse.ArgumentParser) -> Iterator[tuple[str, argparse.Action]]:
    [commands] = [a for a in parser._actions if isinstance(a, argparse._SubParsersAction)]
    for command, inner in commands.choices.items():
        for action in inner._actions:
            if (
                action.option_strings
                and action.nargs != 0
                and action.dest not in ("help", "config")
            ):
                yield command, action


def kinds(action: argparse.Action) -> set[type]:
    """The types of an option's values, without `None` and the lists around them."""
    found, todo = set(), [getattr(action, "_typehint", None) or action.type or str]
    while todo:
        kind = todo.pop()
        if typing.get_origin(kind) is typing.Literal:
            found.add(typing.Literal)
        elif typing.get_args(kind):
            todo.extend(typing.get_args(kind))
        elif kind in (type(None), ...):
            continue
        elif isinstance(kind, type):
            found.add(next((base for base in (bool, int, float) if issubclass(kind, base)), kind))
        elif callable(kind):
            found.add(int)
    return found


def wrong_values(command: str, action: argparse.Action) -> Iterator[str]:
    name, kind = action.dest.split(".")[-1], kinds(action)
    if name in OF_THE_MODEL or action.choices is not None:
        yield "nonsense"
    elif kind & {int, float}:
        yield from ("nonsense", "-1", "nan", "1e400")
        if not {name, f"{name} of {command}"} & MAY_BE_ZERO:
            yield "0"
    elif kind & {bool, typing.Literal}:
        yield "nonsense"


TRAINING = commands()
PARSERS = (
    (reading.main, reading._parser()),
    (training.main, command_parser(TRAINING)),
    (bundled.main, bundled.command_parser()),
)
OPTIONS = [
    pytest.param(main, command, action, id=f"{command} {action.dest}")
    for main, parser in PARSERS
    for command, action in walk(parser)
]


@pytest.fixture(autouse=True)
def built_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """A parser of all commands takes longer to build than to use."""
    monkeypatch.setattr("train.commands.commands", lambda: TRAINING)
    monkeypatch.setattr("train.commands.command_parser", lambda _: PARSERS[1][1])
    monkeypatch.setattr(bundled, "command_parser", lambda: PARSERS[2][1])


def told(
    main: Callable[[list[str]], int], given: list[str], capsys: pytest.CaptureFixture[str]
) -> str:
    """What a command says that ends with an error, by itself or by its parser."""
    try:
        status = main(given)
    except SystemExit as stopped:
        status = stopped.code
    assert status in (1, 2)
    return capsys.readouterr().err


@pytest.mark.parametrize(("main", "command", "action"), OPTIONS)
def test_a_wrong_value_is_refused_by_its_name_and_a_wrong_text_in_one_line(
    main: Callable[[list[str]], int],
    command: str,
    action: argparse.Action,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    monkeypatch.chdir(tmp_path)
    option = action.option_strings[0]
    values = list(wrong_values(command, action))
    for value in values:
        said = told(main, [command, *COMMANDS[command], f"{option}={value}"], capsys)
        named = said.split("usage:")[-1].split("error:")[-1]
        assert option.split(".")[-1].lstrip("-") in named, value
    if values:
        return
    said = told(main, [command, *COMMANDS[command], f"{option}={NOWHERE}"], capsys)
    if "usage:" not in said:
        assert len(said.splitlines()) == 1
        assert said.rstrip().endswith(".")
    assert "Traceback" not in said


@pytest.mark.parametrize("device", ["nonsense", "-1", "", "cuda:77", "cpu:x"])
@pytest.mark.parametrize("command", ["evaluate", "calibrate"])
def test_a_device_that_is_not_there_is_told_before_anything_is_opened(
    command: str, device: str, capsys: pytest.CaptureFixture[str]
) -> None:
    said = told(training.main, [command, *COMMANDS[command], f"--device={device}"], capsys)
    assert "device" in said
    assert len(said.splitlines()) == 1

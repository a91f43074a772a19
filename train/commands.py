"""The commands of `python -m train`: each a function whose parameters are its options."""

from __future__ import annotations

import dataclasses
import inspect
from collections.abc import Callable
from pathlib import Path
from typing import Any

from jsonargparse import ActionConfigFile, ArgumentParser, Namespace

from train.ablation.ablate import run_ablate
from train.calibration.calibrate import CalibrateConfig, run_calibrate
from train.card.publish import publish
from train.card.write import run_card
from train.config import TrainConfig
from train.evaluation.evaluate import EvaluateConfig, run_evaluate
from train.fit import run_fit
from train.phantom.commands import phantom
from train.phantom.proof.prove import prove
from train.reader_study.study import run_study
from train.release.build import run_index

Command = tuple[ArgumentParser, Callable[[Namespace], None]]
"""Options, and what is done with them."""


def command_parser(known: dict[str, Command]) -> ArgumentParser:
    """The parser of all commands. known: of `commands`."""
    parser = ArgumentParser(prog="python -m train", description="Training and evaluation.")
    subcommands = parser.add_subcommands(dest="command")
    for name, (options, _) in known.items():
        subcommands.add_subcommand(name, options)
    return parser


def commands() -> dict[str, Command]:
    """All commands by name."""
    variants = {"variants": {"type": Path, "help": "YAML, as those in train/ablation"}}
    release = {
        "folder": {"type": Path, "help": "folder that the release was unpacked to"},
        "--partial": {
            "action": "store_true",
            "help": "accept missing images, rows and boxes",
        },
    }
    answers = {"answers": {"type": Path, "nargs": "+", "help": "files that Save answers gave"}}
    return {
        "fit": _command(run_fit, TrainConfig),
        "evaluate": _command(run_evaluate, EvaluateConfig),
        "calibrate": _command(run_calibrate, CalibrateConfig),
        "card": _command(run_card),
        "publish": _command(publish),
        "ablate": _command(run_ablate, arguments=variants),
        "phantom": _command(phantom),
        "prove": _command(prove),
        "index": _command(run_index, arguments=release),
        "study": _command(run_study, arguments=answers),
    }


def _command(
    run: Callable[..., None],
    config: type | None = None,
    arguments: dict[str, dict[str, Any]] | None = None,
) -> Command:
    """Options from a function's parameters and docstring.

    config: a dataclass whose fields are options, too; the function takes it as its first argument.
    arguments: `add_argument` of those parameters that are positional or flags.
    """
    arguments = arguments or {}
    parser = ArgumentParser(description=inspect.getdoc(run).splitlines()[0])
    for name, keywords in arguments.items():
        parser.add_argument(name, **keywords)
    made = {name.lstrip("-") for name in arguments} | ({"config"} if config else set())
    parser.add_function_arguments(run, skip=made)
    if config is None:
        return parser, lambda given: run(**given.as_dict())
    parser.add_argument("--config", action=ActionConfigFile, help="YAML with any option")
    parser.add_class_arguments(config)
    names = {field.name for field in dataclasses.fields(config)}

    def configured(given: Namespace) -> None:
        options = {name: given[name] for name in names}
        rest = [name for name in inspect.signature(run).parameters if name != "config"]
        run(config(**options), **{name: given[name] for name in rest})

    return parser, configured

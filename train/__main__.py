"""Command line of training: `python -m train fit`, `evaluate`, `phantom` and others."""

from __future__ import annotations

import dataclasses
import sys
from collections.abc import Callable
from pathlib import Path

import torch
from jsonargparse import ActionConfigFile, ArgumentParser, Namespace

from lmeran.config import ConfigError
from lmeran.errors import UserError
from train.ablation.ablate import ablate_parser, run_ablate
from train.calibration.calibrate import calibrate_parser, run_calibrate
from train.card.publish import publish_parser, run_publish
from train.card.write import card_parser, run_card
from train.config import TrainConfig
from train.data.index import DataError
from train.distill.teacher import TeacherConfig, teach
from train.evaluation.evaluate import evaluate_parser, run_evaluate
from train.fit import fit
from train.phantom.commands import phantom_parser, prove_parser, run_phantom, run_prove
from train.processes import started
from train.release.commands import index_parser, run_index
from train.run import StateError


def main(arguments: list[str] | None = None) -> int:
    """Exit status 0, or 1 with one sentence on standard error."""
    commands = _commands()
    parser = ArgumentParser(prog="python -m train", description=__doc__)
    subcommands = parser.add_subcommands(dest="command")
    for name, (command_parser, _) in commands.items():
        subcommands.add_subcommand(name, command_parser)
    given = parser.instantiate(parser.parse_args(arguments))
    _, run = commands[given.command]
    try:
        run(given[given.command])
    except (UserError, ConfigError, DataError, StateError) as error:
        print(error, file=sys.stderr)
        return 1
    return 0


def _commands() -> dict[str, tuple[ArgumentParser, Callable[[Namespace], None]]]:
    """Name of each command to its options and what it does with them."""
    return {
        "fit": (_fit_parser(), _fit),
        "teach": (_teach_parser(), _teach),
        "evaluate": (evaluate_parser(), lambda given: run_evaluate(given, _device(given.device))),
        "calibrate": (
            calibrate_parser(),
            lambda given: run_calibrate(given, _device(given.device)),
        ),
        "card": (card_parser(), run_card),
        "publish": (publish_parser(), run_publish),
        "ablate": (ablate_parser(), run_ablate),
        "phantom": (phantom_parser(), run_phantom),
        "prove": (prove_parser(), run_prove),
        "index": (index_parser(), run_index),
    }


def _fit_parser() -> ArgumentParser:
    parser = ArgumentParser(description="Train; the same command again resumes.")
    parser.add_argument("--config", action=ActionConfigFile, help="YAML with any option")
    parser.add_argument("--data", type=str, required=True, help="folder with index.csv")
    parser.add_argument("--out", type=str, required=True, help="folder of the run")
    parser.add_argument("--device", type=str, default="auto", help="auto, cpu, cuda or cuda:N")
    parser.add_class_arguments(TrainConfig)
    return parser


def _teach_parser() -> ArgumentParser:
    parser = ArgumentParser(description="Fine-tune a teacher from ImageNet weights.")
    parser.add_argument("--config", action=ActionConfigFile, help="YAML with any option")
    parser.add_argument("--data", type=str, required=True, help="folder with index.csv")
    parser.add_argument("--out", type=str, required=True, help="folder of the teacher")
    parser.add_argument("--device", type=str, default="auto")
    parser.add_class_arguments(TeacherConfig)
    return parser


def _fit(given: Namespace) -> None:
    config = TrainConfig(**{f.name: given[f.name] for f in dataclasses.fields(TrainConfig)})
    with started(given.device) as processes:
        best = fit(config, Path(given.data), Path(given.out), processes)
        if processes.first:
            print(f"best checkpoint: {best}")


def _teach(given: Namespace) -> None:
    config = TeacherConfig(**{f.name: given[f.name] for f in dataclasses.fields(TeacherConfig)})
    teach(config, Path(given.data), Path(given.out), _device(given.device))


def _device(name: str) -> torch.device:
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    return torch.device(name)


if __name__ == "__main__":
    sys.exit(main())

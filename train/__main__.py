"""Command line of training: `python -m train fit`, `evaluate`, `phantom` and others."""

from __future__ import annotations

import dataclasses
import sys
from collections.abc import Callable
from pathlib import Path

import torch
from jsonargparse import ActionConfigFile, ArgumentParser, Namespace

from lmeran.cli.launch import Launch
from lmeran.errors import UserError
from train.ablation.ablate import ablate_parser, run_ablate
from train.calibration.calibrate import calibrate_parser, run_calibrate
from train.card.publish import publish_parser, run_publish
from train.card.write import card_parser, run_card
from train.config import TrainConfig
from train.distill.teacher import TeacherConfig, teach
from train.evaluation.evaluate import evaluate_parser, run_evaluate
from train.fit import fit
from train.phantom.commands import phantom_parser, prove_parser, run_phantom, run_prove
from train.processes import started
from train.reader_study.study import run_study, study_parser
from train.release.commands import index_parser, run_index

Command = Callable[[Namespace], None]


def main(arguments: list[str] | None = None) -> int:
    """Exit status 0, or 1 with one sentence on standard error."""
    known = commands()
    parser = command_parser(known)
    given = parser.parse_args(arguments)
    try:
        given = parser.instantiate(given)
        known[given.command][1](given[given.command])
    except UserError as error:
        print(error, file=sys.stderr)
        return 1
    except OSError as error:
        print(f"{error.filename or 'A file'} cannot be used ({error.strerror}).", file=sys.stderr)
        return 1
    return 0


def command_parser(known: dict[str, tuple[ArgumentParser, Command]]) -> ArgumentParser:
    """The parser of all commands. known: of `commands`."""
    parser = ArgumentParser(prog="python -m train", description=__doc__)
    subcommands = parser.add_subcommands(dest="command")
    for name, (options, _) in known.items():
        subcommands.add_subcommand(name, options)
    return parser


def commands() -> dict[str, tuple[ArgumentParser, Command]]:
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
        "study": (study_parser(), run_study),
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
    return torch.device(Launch().device(name))


if __name__ == "__main__":
    sys.exit(main())

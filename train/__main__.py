"""Command line of training: `python -m train fit`, `evaluate` and `phantom`."""

from __future__ import annotations

import dataclasses
import sys
from pathlib import Path

import torch
from jsonargparse import ActionConfigFile, ArgumentParser, Namespace

from lmeran.checkpoint import CheckpointError
from lmeran.config import ConfigError
from train.config import TrainConfig
from train.evaluate import evaluate_parser, run_evaluate
from train.fit import TrainingError, fit
from train.index import DataError
from train.phantom.commands import phantom_parser, run_phantom


def main(arguments: list[str] | None = None) -> int:
    """Exit status 0, or 1 with one sentence on standard error."""
    parser = _parser()
    given = parser.instantiate(parser.parse_args(arguments))
    try:
        match given.command:
            case "fit":
                _fit(given.fit)
            case "evaluate":
                run_evaluate(given.evaluate, _device(given.evaluate.device))
            case "phantom":
                run_phantom(given.phantom)
    except (CheckpointError, ConfigError, DataError, TrainingError) as error:
        print(error, file=sys.stderr)
        return 1
    return 0


def _parser() -> ArgumentParser:
    parser = ArgumentParser(prog="python -m train", description=__doc__)
    commands = parser.add_subcommands(dest="command")

    fit_parser = ArgumentParser(description="Train; the same command again resumes.")
    fit_parser.add_argument("--config", action=ActionConfigFile, help="YAML with any option")
    fit_parser.add_argument("--data", type=str, required=True, help="folder with index.csv")
    fit_parser.add_argument("--out", type=str, required=True, help="folder of the run")
    fit_parser.add_argument("--device", type=str, default="auto", help="auto, cpu, cuda or cuda:N")
    fit_parser.add_class_arguments(TrainConfig)
    commands.add_subcommand("fit", fit_parser)

    commands.add_subcommand("evaluate", evaluate_parser())

    commands.add_subcommand("phantom", phantom_parser())
    return parser


def _fit(given: Namespace) -> None:
    config = TrainConfig(**{f.name: given[f.name] for f in dataclasses.fields(TrainConfig)})
    best = fit(config, Path(given.data), Path(given.out), _device(given.device))
    print(f"best checkpoint: {best}")


def _device(name: str) -> torch.device:
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    return torch.device(name)


if __name__ == "__main__":
    sys.exit(main())

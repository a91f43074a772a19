"""Command line of training: `python -m train fit`, `evaluate` and `phantom`."""

from __future__ import annotations

import dataclasses
import sys
from pathlib import Path

import torch
from jsonargparse import ActionConfigFile, ArgumentParser, Namespace

from lmeran.checkpoint import CheckpointError
from lmeran.cli.launch import Launch, LaunchError
from lmeran.config import ConfigError
from train.ablation.ablate import AblationError, ablate_parser, run_ablate
from train.calibration.calibrate import calibrate_parser, run_calibrate
from train.card.publish import PublishError, publish_parser, run_publish
from train.card.write import card_parser, run_card
from train.config import TrainConfig
from train.data.index import DataError
from train.distill.teacher import TeacherConfig, teach
from train.evaluation.evaluate import evaluate_parser, run_evaluate
from train.fit import TrainingError, fit
from train.phantom.commands import phantom_parser, prove_parser, run_phantom, run_prove
from train.processes import started
from train.release.commands import index_parser, prefetch_parser, run_index, run_prefetch
from train.release.download import PrefetchError
from train.states import StateError


def main(arguments: list[str] | None = None) -> int:
    """Exit status 0, or 1 with one sentence on standard error."""
    parser = _parser()
    given = parser.parse_args(arguments)
    try:
        given = parser.instantiate(given)
        match given.command:
            case "fit":
                _fit(given.fit)
            case "teach":
                _teach(given.teach)
            case "evaluate":
                run_evaluate(given.evaluate, _device(given.evaluate.device))
            case "calibrate":
                run_calibrate(given.calibrate, _device(given.calibrate.device))
            case "card":
                run_card(given.card)
            case "publish":
                run_publish(given.publish)
            case "ablate":
                run_ablate(given.ablate)
            case "phantom":
                run_phantom(given.phantom)
            case "prove":
                run_prove(given.prove)
            case "index":
                run_index(given.index)
            case "prefetch":
                run_prefetch(given.prefetch)
    except (
        AblationError,
        CheckpointError,
        ConfigError,
        DataError,
        LaunchError,
        PrefetchError,
        PublishError,
        StateError,
        TrainingError,
    ) as error:
        print(error, file=sys.stderr)
        return 1
    except OSError as error:
        print(f"{error.filename or 'A file'} cannot be used ({error.strerror}).", file=sys.stderr)
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

    teach_parser = ArgumentParser(description="Fine-tune a teacher from ImageNet weights.")
    teach_parser.add_argument("--config", action=ActionConfigFile, help="YAML with any option")
    teach_parser.add_argument("--data", type=str, required=True, help="folder with index.csv")
    teach_parser.add_argument("--out", type=str, required=True, help="folder of the teacher")
    teach_parser.add_argument("--device", type=str, default="auto")
    teach_parser.add_class_arguments(TeacherConfig)
    commands.add_subcommand("teach", teach_parser)

    commands.add_subcommand("evaluate", evaluate_parser())
    commands.add_subcommand("calibrate", calibrate_parser())
    commands.add_subcommand("card", card_parser())
    commands.add_subcommand("publish", publish_parser())
    commands.add_subcommand("ablate", ablate_parser())

    commands.add_subcommand("phantom", phantom_parser())
    commands.add_subcommand("prove", prove_parser())

    commands.add_subcommand("prefetch", prefetch_parser())
    commands.add_subcommand("index", index_parser())
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

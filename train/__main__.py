"""Command line of training: `python -m train fit`, `evaluate` and `phantom`."""

from __future__ import annotations

import dataclasses
import json
import sys
import tempfile
from pathlib import Path

import torch
from jsonargparse import ActionConfigFile, ArgumentParser, Namespace

from lmeran.checkpoint import CheckpointError, load_checkpoint, record_metrics
from lmeran.config import ConfigError
from train.config import TrainConfig
from train.evaluate import as_json, choose_split, evaluate, report
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
                _evaluate(given.evaluate)
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

    evaluate_parser = ArgumentParser(description="AUC per finding, free and with known findings.")
    evaluate_parser.add_argument("--checkpoint", type=str, required=True)
    evaluate_parser.add_argument("--data", type=str, required=True, help="folder with index.csv")
    evaluate_parser.add_argument(
        "--split", type=str, default="test", help="test, validation or train_val"
    )
    evaluate_parser.add_argument("--known", type=list[int], default=[0, 7], help="known findings")
    evaluate_parser.add_argument("--min_size", type=int, default=0, help="smallest side in pixels")
    evaluate_parser.add_argument("--device", type=str, default="auto")
    evaluate_parser.add_argument("--out", type=str | None, help="also write JSON here")
    evaluate_parser.add_argument(
        "--record", type=bool, default=False, help="also put the scores into the checkpoint's JSON"
    )
    commands.add_subcommand("evaluate", evaluate_parser)

    commands.add_subcommand("phantom", phantom_parser())
    return parser


def _fit(given: Namespace) -> None:
    config = TrainConfig(**{f.name: given[f.name] for f in dataclasses.fields(TrainConfig)})
    best = fit(config, Path(given.data), Path(given.out), _device(given.device))
    print(f"best checkpoint: {best}")


def _evaluate(given: Namespace) -> None:
    checkpoint = load_checkpoint(given.checkpoint)
    index = choose_split(checkpoint, Path(given.data), given.split, given.min_size)
    with tempfile.TemporaryDirectory() as cache:
        scores = evaluate(checkpoint, index, Path(cache), tuple(given.known), _device(given.device))
    print(f"{len(index)} images of {given.split}, checkpoint {checkpoint.identity}")
    print(report(scores, index))
    measured = {"min_size": given.min_size, **as_json(scores, index)}
    if given.out:
        Path(given.out).write_text(json.dumps(measured, indent=1))
    if given.record:
        record_metrics(given.checkpoint, given.split, measured)


def _device(name: str) -> torch.device:
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    return torch.device(name)


if __name__ == "__main__":
    sys.exit(main())

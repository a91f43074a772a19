"""python -m train.bundled pack | run | speed | assemble: for a machine without network."""

from __future__ import annotations

import argparse
import json
import math
import sys
from collections.abc import Callable
from pathlib import Path

from lmeran.errors import UserError


def main(arguments: list[str] | None = None) -> int:
    """Exit status 0, or 1 with one sentence on standard error."""
    given = command_parser().parse_args(arguments)
    try:
        given.run(given)
    except UserError as error:
        print(error, file=sys.stderr)
        return 1
    except OSError as error:
        reason = error.strerror or str(error).rstrip(".")
        print(f"{error.filename or 'A file'} cannot be used ({reason}).", file=sys.stderr)
        return 1
    return 0


def whole(least: int) -> Callable[[str], int]:
    """The type of an option: a whole number, `least` or more."""

    def number(text: str) -> int:
        if not text.isdecimal() or int(text) < least:
            raise argparse.ArgumentTypeError(f"give a whole number, {least} or more")
        return int(text)

    return number


def amount(text: str) -> float:
    """The type of an option: a number, 0 or more."""
    value = float(text)
    if not 0 <= value < math.inf:
        raise argparse.ArgumentTypeError("give a number, 0 or more")
    return value


def share(text: str) -> float:
    """The type of an option: a number between 0 and 1."""
    value = float(text)
    if not 0 < value < 1:
        raise argparse.ArgumentTypeError("give a number between 0 and 1")
    return value


def command_parser() -> argparse.ArgumentParser:
    """The parser of all commands."""
    parser = argparse.ArgumentParser(prog="python -m train.bundled", description=__doc__)
    commands = parser.add_subparsers(required=True)
    pack = commands.add_parser("pack", help="films, labels and first weights in one small folder")
    pack.add_argument("--data", type=Path, required=True)
    pack.add_argument("--checkpoint", type=Path, required=True, help="DenseNet-121 to start from")
    pack.add_argument("--out", type=Path, required=True)
    pack.add_argument("--size", type=whole(1), default=224)
    pack.add_argument("--quality", type=whole(1), default=60)
    pack.add_argument("--small_quality", type=whole(1), default=70)
    pack.add_argument("--share", type=share, default=0.13)
    pack.add_argument("--seed", type=whole(0), default=1)
    pack.add_argument("--limit", type=whole(0), default=0, help="films a part, to try it out")
    pack.set_defaults(run=_pack)
    run = commands.add_parser("run", help="teacher, backbone, label statistics, branch, arms")
    run.add_argument("--pack", type=Path, required=True)
    run.add_argument("--out", type=Path, required=True)
    run.add_argument(
        "--start", type=Path, help="an earlier run, whose weights this one goes on from"
    )
    run.add_argument("--seconds", type=amount, nargs=4, default=[75, 270, 15, 110])
    run.add_argument(
        "--steps", type=whole(0), nargs=4, default=[0, 0, 0, 0], help="0: by the clock"
    )
    run.add_argument(
        "--size", type=whole(1), default=224, help="input of a checkpoint with a new backbone"
    )
    run.add_argument(
        "--sizes", type=whole(1), nargs="*", default=[], help="of the input in training, in pixels"
    )
    run.add_argument("--keep", action="store_true", help="keep the backbone's state, to go on")
    run.add_argument("--batch", type=whole(0), default=0)
    run.add_argument("--rate", type=amount, default=0, help="peak of the backbone's learning rate")
    run.add_argument("--arms", type=whole(0), default=0)
    run.add_argument("--seed", type=whole(0), default=1)
    run.add_argument("--compile", action="store_true")
    run.set_defaults(run=_run)
    speed = commands.add_parser("speed", help="images a second and hours for 50 epochs")
    speed.add_argument("--compile", action="store_true")
    speed.add_argument("--sizes", type=whole(1), nargs="+", default=[224, 448])
    speed.add_argument("--batch", type=whole(1), default=64)
    speed.add_argument("--steps", type=whole(1), default=20)
    speed.set_defaults(run=_speed)
    assemble = commands.add_parser("assemble", help="the parts of a run as a checkpoint")
    for name in ("run", "pack", "data", "initial", "out"):
        assemble.add_argument(f"--{name}", dest=f"{name}_folder", type=Path, required=True)
    assemble.set_defaults(run=_assemble)
    return parser


def _pack(given: argparse.Namespace) -> None:
    import torch

    from lmeran.checkpoint import load_checkpoint
    from train.bundled.pack import add_weights, make_pack
    from train.bundled.teacher import imagenet_weights

    given.out.mkdir(parents=True, exist_ok=True)
    model = load_checkpoint(given.checkpoint).model
    (given.out / "config.json").write_text(json.dumps(model.config.to_dict()))
    add_weights(
        given.out, "init", {f"backbone.{k}": v for k, v in model.backbone.state_dict().items()}
        | {"class_weight": model.class_weight, "class_bias": model.class_bias}
    )  # fmt: skip
    lite = torch.load(imagenet_weights(), map_location="cpu", weights_only=True)
    add_weights(given.out, "teacher", {k: v for k, v in lite.items() if not k.startswith("_fc.")})
    total = make_pack(
        given.data, given.out, given.size, given.quality, given.small_quality, given.share,
        given.seed, given.limit,
    )  # fmt: skip
    print(f"{given.out}: {total / 1e6:.1f} MB")


def _run(given: argparse.Namespace) -> None:
    from train.bundled.run import run

    run(given)


def _assemble(given: argparse.Namespace) -> None:
    from train.bundled.assemble import assemble

    assemble(
        given.run_folder,
        given.pack_folder,
        given.data_folder,
        given.initial_folder,
        given.out_folder,
    )


def _speed(given: argparse.Namespace) -> None:
    from train.bundled.speed import speed

    speed(given)


if __name__ == "__main__":
    sys.exit(main())

"""`python -m train average`: the best weights on the line between two checkpoints, by validation.

A run that starts from another's weights often ends in the same valley of the loss; the weights
between both are then an ensemble at the cost of one network (Wortsman et al., "Robust fine-tuning
of zero-shot models", CVPR 2022). Batch statistics do not lie on that line: they are taken anew.
"""

from __future__ import annotations

import copy
import tempfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from jsonargparse import ArgumentParser, Namespace
from torch.optim.swa_utils import update_bn

from lmeran.checkpoint import Checkpoint, load_checkpoint, save_checkpoint
from lmeran.model import LMeRAN
from lmeran.preprocess import to_input
from train.evaluate import choose_split
from train.index import DataError, Index, read_index, split_by_patient
from train.pixels import cached_pixels
from train.run import check_fits
from train.scoring import Score, as_metrics, predict_index, score

SHARES = [0.0, 0.25, 0.5, 0.75, 1.0]
STATISTICS_FILMS = 2048
"""Training films for the batch statistics; more do not change them."""


@dataclass(frozen=True, eq=False)
class Point:
    """One point of the line: its weights and what validation says of them."""

    share: float
    model: LMeRAN
    scores: list[Score]

    @property
    def within(self) -> float:
        return self.scores[0].within or 0.0


def average_parser() -> ArgumentParser:
    parser = ArgumentParser(description="The best weights between two checkpoints.")
    parser.add_argument("--first", type=str, required=True, help="checkpoint at share 0")
    parser.add_argument("--second", type=str, required=True, help="at share 1; trained from it")
    parser.add_argument("--data", type=str, required=True, help="folder with index.csv")
    parser.add_argument("--out", type=str, required=True, help="folder of the new checkpoint")
    parser.add_argument("--shares", type=list[float], default=SHARES, help="points to try")
    parser.add_argument("--precision", type=str, default="fp32", help="fp32 or bf16")
    parser.add_argument("--device", type=str, default="auto")
    return parser


def run_average(given: Namespace, device: torch.device) -> None:
    """The command. Raises `CheckpointError`, `ConfigError`, `DataError`."""
    first, second = load_checkpoint(given.first), load_checkpoint(given.second)
    with tempfile.TemporaryDirectory() as cache:
        points = line(
            first,
            second,
            Path(given.data),
            tuple(given.shares),
            Path(cache),
            device,
            given.precision,
        )
    best = max(points, key=lambda point: point.within)
    facts = {
        **second.training,
        "averaged": {
            "first": first.identity,
            "second": second.identity,
            "share_of_second": best.share,
            "statistics_films": STATISTICS_FILMS if 0 < best.share < 1 else None,
        },
    }
    measured = {
        "images": second.training["validation_images"],
        "scores": as_metrics(best.scores),
    }
    save_checkpoint(given.out, best.model, facts, {"validation": measured})
    print(f"share {best.share} kept: {given.out}")


def line(
    first: Checkpoint,
    second: Checkpoint,
    data: Path,
    shares: tuple[float, ...],
    cache: Path,
    device: torch.device,
    precision: str = "fp32",
) -> list[Point]:
    """Points at `shares` of the way from the first checkpoint to the second, measured on the films
    that both kept for validation. Raises `ConfigError` for networks that differ, `DataError` where
    the two were not trained on the same split."""
    check_fits(first.model, second.model)
    digests = {c.training.get("validation_split_sha256") for c in (first, second)}
    if len(digests) > 1:
        raise DataError("The two checkpoints did not keep the same films for validation.")
    validation = choose_split(second, data, "validation", 0)
    training = _training_films(second, data)
    preprocessing = second.config.preprocessing
    pixels = cached_pixels(validation, preprocessing, cache)
    statistics = cached_pixels(training, preprocessing, cache)
    points = []
    for share in shares:
        model = between(first.model, second.model, share).to(device)
        if 0 < share < 1:
            renew_statistics(model, statistics, device)
        found = predict_index(model, pixels, validation, (0, 7), 64, device, precision)
        point = Point(share, model, score(validation, found))
        points.append(point)
        free, known = (s.mean or 0.0 for s in point.scores)
        print(
            f"share {share}: validation mean AUC free {free:.4f} ({point.within:.4f} within "
            f"sources), 7 known {known:.4f}",
            flush=True,
        )
    return points


def between(first: LMeRAN, second: LMeRAN, share: float) -> LMeRAN:
    """A model whose weights lie `share` of the way from the first to the second."""
    model = copy.deepcopy(second)
    start, end = first.state_dict(), second.state_dict()
    mixed = {
        name: torch.lerp(start[name], value, share) if value.is_floating_point() else value
        for name, value in end.items()
    }
    model.load_state_dict(mixed)
    return model


@torch.no_grad()
def renew_statistics(model: LMeRAN, pixels: np.ndarray, device: torch.device) -> None:
    """Batch statistics of the backbone from films, uint8 (N, S, S), as the reader's are read."""
    preprocessing = model.config.preprocessing
    batches = (
        to_input(np.array(pixels[start : start + 32]), preprocessing).contiguous(
            memory_format=torch.channels_last
        )
        for start in range(0, len(pixels), 32)
    )
    update_bn(batches, model.backbone, device)
    model.eval()


def _training_films(checkpoint: Checkpoint, data: Path) -> Index:
    """At most `STATISTICS_FILMS` of the films the checkpoint was trained on, evenly spread."""
    run = checkpoint.training["config"]
    whole = read_index(data, "train_val", run["min_size"])
    training = split_by_patient(whole, run["validation_share"], run["seed"])[0]
    rows = np.linspace(0, len(training) - 1, min(len(training), STATISTICS_FILMS))
    return training.take(np.unique(rows.round().astype(np.int64)))

"""`python -m train evaluate`: AUC per finding and the mean, free and with known findings."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch

from lmeran.checkpoint import Checkpoint
from lmeran.findings import FINDINGS, display_name
from train.index import DataError, Index, read_index, split_by_patient
from train.pixels import cached_pixels
from train.scoring import Score, as_metrics, predict_index, score


def choose_split(checkpoint: Checkpoint, data: Path, split: str, min_size: int) -> Index:
    """Rows of the split. "validation" is the patient-wise share the checkpoint's training kept."""
    if split != "validation":
        return read_index(data, split, min_size)
    run = checkpoint.training.get("config")
    if run is None:
        raise DataError("The checkpoint does not say how its validation split was drawn.")
    whole = read_index(data, "train_val", max(min_size, run["min_size"]))
    return split_by_patient(whole, run["validation_share"], run["seed"])[1]


def evaluate(
    checkpoint: Checkpoint,
    index: Index,
    cache: Path,
    known: tuple[int, ...],
    device: torch.device,
    batch_size: int = 32,
) -> list[Score]:
    """Scores of the checkpoint on an index, for each count of known findings."""
    pixels = cached_pixels(index, checkpoint.config.preprocessing, cache)
    model = checkpoint.model.to(device)
    probabilities = predict_index(model, pixels, index, known, batch_size, device)
    return score(index, probabilities)


def report(scores: list[Score], index: Index) -> str:
    """The table as text: findings down, counts of known findings across."""
    heads = ["free" if s.known == 0 else f"{s.known} known" for s in scores]
    lines = [f"{'finding':<20}{'positive':>9}" + "".join(f"{h:>10}" for h in heads)]
    for i, finding in enumerate(FINDINGS):
        cells = "".join(_cell(s.per_finding[i]) for s in scores)
        lines.append(f"{display_name(finding):<20}{int(index.labels[:, i].sum()):>9}{cells}")
    lines.append(f"{'mean':<20}{'':>9}" + "".join(_cell(s.mean) for s in scores))
    lines.append(f"{'mean within sources':<29}" + "".join(_cell(s.within) for s in scores))
    return "\n".join(lines)


def as_json(scores: list[Score], index: Index) -> dict[str, Any]:
    """The same with what it was measured on."""
    return {"images": len(index), "index_sha256": index.digest, "scores": as_metrics(scores)}


def _cell(value: float | None) -> str:
    return f"{'one class':>10}" if value is None else f"{value:>10.4f}"

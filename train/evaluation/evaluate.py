"""`python -m train evaluate`: prints a table of AUC, and with --out writes the whole evaluation.

OUT/report.html       one self-contained page
OUT/metrics.json      every figure of it
OUT/predictions.csv   labels and probabilities of every image
OUT/tables/, figures/ a CSV of every table, an SVG of every figure
"""

from __future__ import annotations

import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pandas as pd
import torch
from jsonargparse.typing import NonNegativeInt, PositiveInt, restricted_number_type

from lmeran.checkpoint import Checkpoint, load_checkpoint, record_metrics
from lmeran.findings import FINDINGS, display_name
from train.data.index import DataError, Index, read_index, split_by_patient
from train.data.pixels import cached_pixels
from train.evaluation.scoring import Score, as_metrics, predict_index, score
from train.processes import device_named

SplitName = Literal["test", "validation", "train_val"]
KnownCount = restricted_number_type("KnownCount", int, [(">=", 0), ("<", len(FINDINGS))])


@dataclass(frozen=True)
class EvaluateConfig:
    """Options of `python -m train evaluate`.

    Args:
        checkpoint: folder of the checkpoint
        data: folder with index.csv
        split: which images
        known: numbers of known findings in the table
        min_size: smallest side of the images in pixels
        device: auto, cpu, cuda or cuda:N
        out: folder for the report and its tables; without it, the table alone is printed
        record: also put the scores into the checkpoint's JSON
        resamples: of the patients, for intervals
        compare: another checkpoint to test against
        pin_films: images read with single pins; 0: all
        map_films: images for the tests of maps, about 200 backbone passes each; 0: none
        gate_films: images for the input gate, each also spoiled in several ways; 0: none
        dicom: folder of DICOM files of any kind, for the input gate
        alike: folders of other frontal chest films, each one kind, for the input gate
        unlike: folders of other pictures, each one kind, for the input gate
    """

    checkpoint: Path
    data: Path
    split: SplitName = "test"
    known: list[KnownCount] = field(default_factory=lambda: [0, 7])
    min_size: NonNegativeInt = 0
    device: str = "auto"
    out: Path | None = None
    record: bool = False
    resamples: PositiveInt = 2000
    compare: Path | None = None
    pin_films: NonNegativeInt = 500
    map_films: NonNegativeInt = 24
    gate_films: NonNegativeInt = 300
    dicom: Path | None = None
    alike: list[Path] = field(default_factory=list)
    unlike: list[Path] = field(default_factory=list)


def run_evaluate(config: EvaluateConfig) -> None:
    """AUC per finding; with --out a report of everything that was measured.

    Raises `CheckpointError` and `DataError`.
    """
    device = device_named(config.device)
    checkpoint = load_checkpoint(config.checkpoint)
    index = choose_split(checkpoint, config.data, config.split, config.min_size)
    print(f"{len(index)} images of {config.split}, checkpoint {checkpoint.identity}")
    with tempfile.TemporaryDirectory() as cache:
        if config.out is None:
            scores = evaluate(checkpoint, index, Path(cache), tuple(config.known), device)
            print(report(scores, index))
        else:
            scores = _write_report(config, config.out, checkpoint, index, Path(cache), device)
    if config.record:
        measured = {"min_size": config.min_size, **as_json(scores, index)}
        record_metrics(config.checkpoint, config.split, measured)


def _write_report(
    config: EvaluateConfig,
    out: Path,
    checkpoint: Checkpoint,
    index: Index,
    cache: Path,
    device: torch.device,
) -> list[Score]:
    """Everything of --out; returns the scores of the table."""
    # here, because matplotlib takes seconds that no other command needs
    from train.evaluation.report import study_facts, write_report
    from train.evaluation.sections import sections_of
    from train.evaluation.study import make_study

    study = make_study(config, checkpoint, index, cache, device)
    scores = score(index, {known: study.predictions.known(known) for known in config.known})
    print(report(scores, index))
    facts = {"min_size": config.min_size, "scores": as_metrics(scores)}
    write_report(study, sections_of(study), out, {**study_facts(study), **facts})
    print(f"the report is {out / 'report.html'}")
    return scores


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
    table = pd.DataFrame(
        {"free" if s.known == 0 else f"{s.known} known": s.per_finding for s in scores},
        index=map(display_name, FINDINGS),
        dtype=float,
    )
    table.insert(0, "positive", index.labels.sum(axis=0).astype(int))
    table.loc["mean"] = [np.nan, *(s.mean for s in scores)]
    table.loc["mean within sources"] = [np.nan, *(s.within for s in scores)]
    shown = {"positive": lambda count: "" if np.isnan(count) else f"{count:.0f}"}
    return table.to_string(formatters=shown, float_format="{:.4f}".format, na_rep="one class")


def as_json(scores: list[Score], index: Index) -> dict[str, Any]:
    """The same with what it was measured on."""
    return {"images": len(index), "index_sha256": index.digest, "scores": as_metrics(scores)}

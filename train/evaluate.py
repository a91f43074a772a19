"""`python -m train evaluate`: a table of AUC on the screen, and with --out the whole evidence.

OUT/report.html       one self-contained page
OUT/metrics.json      every figure of it
OUT/predictions.csv   labels and probabilities of every image
OUT/tables/, figures/ a CSV of every table, an SVG of every figure
"""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from jsonargparse import ArgumentParser, Namespace
from tqdm import tqdm

from lmeran.checkpoint import Checkpoint, load_checkpoint, record_metrics
from lmeran.findings import FINDINGS, display_name
from train.evidence.arms import MIXED, SCENARIOS
from train.evidence.bootstrap import draw
from train.evidence.comparison import comparison_section
from train.evidence.conditioning import conditioning_section
from train.evidence.cooccurrence import cooccurrence_section
from train.evidence.discrimination import discrimination_section
from train.evidence.faithfulness import FILMS, faithfulness_section
from train.evidence.localisation import localisation_section, why_no_localisation
from train.evidence.predictions import FREE, Predictions, Scenario, predict, sample_rows
from train.evidence.report import study_facts, write_report
from train.evidence.section import Section
from train.evidence.shifts import shifts_section
from train.evidence.study import Part, Study
from train.evidence.subgroups import subgroups_section
from train.index import DataError, Index, read_index, split_by_patient
from train.pixels import cached_pixels
from train.scoring import Score, as_metrics, predict_index, score


def _localisation(study: Study) -> Section:
    why = why_no_localisation(study.index)
    if why is not None:
        return Section("localisation", "Localisation", (why,))
    checkpoint, resamples = study.predictions.checkpoint, len(study.resamples)
    return localisation_section(checkpoint, study.index, study.cache, study.device, resamples)


def _faithfulness(study: Study) -> Section | None:
    if not study.map_films:
        return None
    return faithfulness_section(
        study.predictions.checkpoint,
        study.index,
        study.cache,
        study.device,
        len(study.resamples),
        study.map_films,
    )


PARTS: tuple[Part, ...] = (
    discrimination_section,
    comparison_section,
    conditioning_section,
    shifts_section,
    cooccurrence_section,
    _localisation,
    _faithfulness,
    subgroups_section,
)
"""The sections of the report, in order. Another one is a function of a `Study` in this list."""


def evaluate_parser() -> ArgumentParser:
    parser = ArgumentParser(description="AUC per finding; with --out a report of all evidence.")
    parser.add_argument("--checkpoint", type=str, required=True)
    parser.add_argument("--data", type=str, required=True, help="folder with index.csv")
    parser.add_argument("--split", type=str, default="test", help="test, validation or train_val")
    parser.add_argument("--known", type=list[int], default=[0, 7], help="known findings")
    parser.add_argument("--min_size", type=int, default=0, help="smallest side in pixels")
    parser.add_argument("--device", type=str, default="auto")
    parser.add_argument("--out", type=str | None, help="folder for the report and its tables")
    parser.add_argument(
        "--record", type=bool, default=False, help="also put the scores into the checkpoint's JSON"
    )
    parser.add_argument(
        "--resamples", type=int, default=2000, help="of the patients, for intervals"
    )
    parser.add_argument("--compare", type=str | None, help="another checkpoint to test against")
    parser.add_argument(
        "--without_masking", type=str | None, help="a checkpoint trained without label masking"
    )
    parser.add_argument(
        "--pin_films", type=int, default=500, help="images read with single pins; 0: all"
    )
    parser.add_argument(
        "--map_films", type=int, default=FILMS, help="images for the tests of maps; 0: none"
    )
    return parser


def run_evaluate(given: Namespace, device: torch.device) -> None:
    """The command. Raises `CheckpointError` and `DataError`."""
    checkpoint = load_checkpoint(given.checkpoint)
    index = choose_split(checkpoint, Path(given.data), given.split, given.min_size)
    known = tuple(given.known)
    with tempfile.TemporaryDirectory() as folder:
        cache = Path(folder)
        if given.out is None:
            scores = evaluate(checkpoint, index, cache, known, device)
        else:
            study = make_study(given, checkpoint, index, cache, device)
            scores = score(index, {k: study.predictions.known(k) for k in known})
        print(f"{len(index)} images of {given.split}, checkpoint {checkpoint.identity}")
        print(report(scores, index))
        measured = {"min_size": given.min_size, **as_json(scores, index)}
        if given.out is not None:
            facts = {**study_facts(study), "min_size": given.min_size, "scores": measured["scores"]}
            write_report(study, sections_of(study), Path(given.out), facts)
            print(f"the report is {Path(given.out) / 'report.html'}")
    if given.record:
        record_metrics(given.checkpoint, given.split, measured)


def make_study(
    given: Namespace, checkpoint: Checkpoint, index: Index, cache: Path, device: torch.device
) -> Study:
    """Every prediction the sections need, each checkpoint and image read once."""
    scenarios = dict.fromkeys([*SCENARIOS, *(Scenario(k) for k in given.known)])
    others: dict[str, Predictions] = {}
    for path, wanted in ((given.without_masking, MIXED), (given.compare, (FREE,))):
        if path is not None and path not in others:
            others[path] = _predict(load_checkpoint(path), index, cache, wanted, device)
    rows = sample_rows(index, given.pin_films)
    return Study(
        index=index,
        split=given.split,
        data=Path(given.data),
        cache=cache,
        device=device,
        predictions=_predict(checkpoint, index, cache, list(scenarios), device, rows),
        resamples=draw(index.patients, given.resamples),
        without_masking=others.get(given.without_masking),
        compared=others.get(given.compare),
        map_films=given.map_films,
    )


def sections_of(study: Study) -> list[Section]:
    """Every part that has something to say of the study, with progress."""
    made = [part(study) for part in tqdm(PARTS, desc="sections", unit="part", leave=False)]
    return [section for section in made if section is not None]


def _predict(
    checkpoint: Checkpoint,
    index: Index,
    cache: Path,
    scenarios: Sequence[Scenario],
    device: torch.device,
    single_rows: Sequence[int] = (),
) -> Predictions:
    pixels = cached_pixels(index, checkpoint.config.preprocessing, cache)
    label = f"checkpoint {checkpoint.identity}"
    return predict(checkpoint, pixels, index, scenarios, single_rows, device, label=label)


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

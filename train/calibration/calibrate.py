"""`python -m train calibrate`: calibration, operating points, percentiles, input gate and reference
distributions of a checkpoint, fitted on the validation films that its training kept back."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jsonargparse import ArgumentParser, Namespace

from lmeran.calibration import Calibration, FindingCalibration
from lmeran.checkpoint import load_checkpoint, record_extras, record_metrics
from lmeran.config import check_least
from lmeran.explain.influence import Influence, influence
from lmeran.explain.label_prior import LabelPrior
from lmeran.extras import Extras
from lmeran.findings import FINDINGS, display_name
from lmeran.model.lmeran import Encoding
from lmeran.ood import Gate, features, identity
from lmeran.predictor import Predictor
from lmeran.reference import ReferenceDistribution
from train.calibration.left_out import LeftOut, leave_out
from train.calibration.ood import fit_gate
from train.calibration.platt import PlattFit, choose_platt, logits_of, operating_points
from train.data.index import DataError, Index
from train.data.pixels import cached_pixels
from train.evaluation.conditioning.counting import fit_weight
from train.evaluation.evaluate import choose_split
from train.evaluation.scoring import predict_index

GATE_FILMS = 1500
"""More hardly change a distribution in 16 components, and their cells must fit in memory."""


@dataclass(frozen=True)
class CalibrateConfig:
    """What `python -m train calibrate` fits on.

    Args:
        min_size: leave out films smaller than this many pixels a side
        source: fit calibration, operating points, percentiles and reference distributions on films
            of this one source (column `source` of the index), because how often findings occur
            differs between sources; the gate is always fitted on all. None: all films
        known: numbers of known findings at which a map must not lose; it is fitted at 0
        min_positives: a finding with fewer positive films than this gets neither map nor points
        pin_films: films read under every single pin, for the usual size of a shift
        batch_size: images in one pass
    """

    min_size: int = 0
    source: str | None = None
    known: tuple[int, ...] = (0, 3, 7, 10)
    min_positives: int = 10
    pin_films: int = 200
    batch_size: int = 32

    def __post_init__(self) -> None:
        check_least(self, 1, "batch_size", "pin_films")
        check_least(self, 2, "min_positives")
        check_least(self, 0, "min_size")
        rising = list(self.known) == sorted(set(self.known))
        if not rising or not self.known or self.known[0] != 0 or self.known[-1] >= len(FINDINGS):
            raise DataError(f"known must begin with 0, rise and end below {len(FINDINGS)}.")


def calibrate_parser() -> ArgumentParser:
    parser = ArgumentParser(description="Fit calibration and input gate into a checkpoint.")
    parser.add_argument("--checkpoint", type=str, required=True, help="folder, changed in place")
    parser.add_argument("--data", type=str, required=True, help="folder with index.csv")
    parser.add_argument("--device", type=str, default="auto")
    parser.add_class_arguments(CalibrateConfig)
    return parser


def run_calibrate(given: Namespace, device: torch.device) -> None:
    """The command. Raises `CheckpointError` and `DataError`."""
    config = CalibrateConfig(**{f.name: given[f.name] for f in fields(CalibrateConfig)})
    with tempfile.TemporaryDirectory() as cache:
        folder, data = Path(given.checkpoint), Path(given.data)
        print(calibrate_checkpoint(folder, data, config, Path(cache), device))


def calibrate_checkpoint(
    folder: Path, data: Path, config: CalibrateConfig, cache: Path, device: torch.device
) -> str:
    """Fit everything and write it into the checkpoint's folder. Returns a report.

    cache: folder for the pixel cache. Raises `DataError` where validation has no such films,
    `CheckpointError` for an unusable checkpoint.
    """
    checkpoint = load_checkpoint(folder)
    every = choose_split(checkpoint, data, "validation", config.min_size)
    rows = rows_of_source(every, config.source)
    pixels = cached_pixels(every, checkpoint.config.preprocessing, cache)
    kept = _spread_rows(len(every), GATE_FILMS)
    pinned = set(rows[_spread_rows(len(rows), config.pin_films)].tolist())
    predictor = Predictor(checkpoint, device)
    cells: list[np.ndarray] = []
    moves: list[Influence] = []

    def keep(batch: np.ndarray, encoding: Encoding) -> None:
        # half precision: 14 x 14 cells of 1,500 films are 0.15 GB
        cells.append(features(encoding, "middle")[np.isin(batch, kept)].astype(np.float16))
        for row, film in zip(batch.tolist(), encoding.split(), strict=True):
            if row in pinned:
                moves.append(influence(predictor, film, {}))

    found = predict_index(
        checkpoint.model.to(device),
        pixels,
        every,
        config.known,
        config.batch_size,
        device,
        label="validation",
        seen=keep,
    )
    of_source = {known: values[rows] for known, values in found.items()}
    calibration, fits = fit_calibration(every.take(rows), of_source, config)
    gate = fit_gate(np.concatenate(cells), left_out_of(every.take(kept)))
    reference = ReferenceDistribution.of(
        of_source[0],
        every.labels[rows],
        negative=np.stack([film.negative for film in moves]),
        positive=np.stack([film.positive for film in moves]),
    )
    record_extras(folder, Extras(calibration, gate, reference))
    record_metrics(folder, "calibration", _as_json(calibration, fits, config.known))
    prior = LabelPrior.of(checkpoint)
    weight = None if prior is None else fit_weight(prior, every.take(rows), of_source)
    record_metrics(folder, "counting", {"weight": weight, "films": calibration.described})
    pins = f"reference distributions: shifts by every single pin on {reference.pinned_films} films"
    return "\n".join(
        [report(calibration, fits, gate, config.known), f"weight of counting: {weight}", pins]
    )


def rows_of_source(index: Index, source: str | None) -> np.ndarray:
    """Rows of the films of one source; all for None. Raises `DataError` where there is none."""
    if source is None:
        return np.arange(len(index))
    rows = np.flatnonzero(index.sources == source) if index.sources is not None else np.array([])
    if not len(rows):
        raise DataError(f"No validation film is of the source '{source}'; leave --source out.")
    return rows


def fit_calibration(
    index: Index, probabilities: Mapping[int, np.ndarray], config: CalibrateConfig
) -> tuple[Calibration, dict[str, PlattFit]]:
    """Calibration from raw probabilities (N, 14) for each of `config.known`, each made while that
    finding was unknown; and how the map of each finding with films enough was chosen.

    Raises `DataError` where no finding has films enough.
    """
    logits = np.stack([logits_of(probabilities[known]) for known in config.known])
    free, left_out = probabilities[0], left_out_of(index)
    fits: dict[str, PlattFit] = {}
    findings = []
    for i, finding in enumerate(FINDINGS):
        labels = index.labels[:, i]
        positives = int(labels.sum())
        if min(positives, len(labels) - positives) < config.min_positives:
            findings.append(FindingCalibration(positives))
            continue
        fits[finding] = choose_platt(logits[:, :, i], labels, index.patients, left_out)
        applied = fits[finding].applied
        points = operating_points(free[:, i], labels)
        findings.append(FindingCalibration(positives, applied.slope, applied.offset, *points))
    if not fits:
        raise DataError(
            f"No finding has {config.min_positives} positive validation films; "
            "give more films or a smaller --min_positives."
        )
    quantiles = np.quantile(free, np.linspace(0, 1, 101), axis=0)
    calibration = Calibration(
        films=len(index),
        source=config.source,
        min_size=config.min_size,
        min_positives=config.min_positives,
        index_sha256=index.digest,
        findings=tuple(findings),
        quantiles=tuple(tuple(float(f"{q:.6g}") for q in column) for column in quantiles.T),
    )
    return calibration, fits


def report(
    calibration: Calibration, fits: dict[str, PlattFit], gate: Gate, known: tuple[int, ...]
) -> str:
    """What was fitted, as text: a line for each finding."""
    applied = [display_name(name) for name, fit in fits.items() if fit.applied == fit.fitted]
    lines = [
        f"calibration {calibration.identity} on {calibration.described}",
        f"Platt scaling gains on films left out for: {', '.join(applied) or 'no finding'}; "
        "the others keep their raw probabilities",
        f"{'finding':<20}{'positive':>9}{'slope':>8}{'offset':>8}{'Youden':>9}{'90 % sens.':>12}",
        f"{'      nats gained, by known':<26}" + "".join(f"{k:>12}" for k in known),
    ]
    for finding, entry in zip(FINDINGS, calibration.findings, strict=True):
        start = f"{display_name(finding):<20}{entry.positives:>9}"
        if finding not in fits:
            lines.append(f"{start}   too few of one class: neither calibrated nor with points")
            continue
        lines.append(
            f"{start}{entry.slope:>8.3f}{entry.offset:>8.3f}"
            f"{entry.youden.threshold:>9.4f}{entry.sensitive.threshold:>12.4f}"
        )
        for gain in fits[finding].gains:
            values = "".join(f"{value:>+12.5f}" for value in gain.by_known)
            lines.append(f"{'':<6}{gain.left_out + ' left out':<20}{values}")
    lines.append(
        f"input gate {identity(gate)} on {gate.films} validation films of all sources, "
        f"threshold {gate.threshold:.4f} at {100 * gate.acceptance:.0f} % acceptance of what was "
        "left out"
    )
    return "\n".join(lines)


def left_out_of(index: Index) -> LeftOut:
    """What is left out of fits on these films. Raises `DataError` for too few patients."""
    try:
        return leave_out(index.patients, index.sources)
    except ValueError as error:
        raise DataError(f"{error}.") from None


def _spread_rows(rows: int, most: int) -> np.ndarray:
    """At most `most` rows, evenly spread."""
    return np.unique(np.linspace(0, rows - 1, min(rows, most)).round().astype(np.int64))


def _as_json(
    calibration: Calibration, fits: dict[str, PlattFit], known: tuple[int, ...]
) -> dict[str, Any]:
    """What stands in the checkpoint's metrics: how each map was chosen."""
    return {
        "calibration": calibration.identity,
        "films": calibration.described,
        "known": list(known),
        "findings": {name: asdict(fit) for name, fit in fits.items()},
    }

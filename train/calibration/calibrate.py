"""`python -m train calibrate`: calibration, operating points, percentiles, input gate and reference
distributions of a checkpoint, fitted on the validation films that its training kept back."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import torch

from lmeran.calibration import Calibration, FindingCalibration
from lmeran.checkpoint import load_checkpoint, record_extras, record_metrics
from lmeran.config import check_least
from lmeran.explain.influence import Influence, influence
from lmeran.explain.label_prior import LabelPrior
from lmeran.extras import Extras
from lmeran.findings import FINDINGS, display_name
from lmeran.model.lmeran import Encoding
from lmeran.ood import OODDetector, features, identity
from lmeran.predictor import Predictor
from lmeran.reference import ReferenceDistribution
from train.calibration.left_out import leave_out
from train.calibration.ood import fit_gate
from train.calibration.platt import PlattFit, choose_platt, logits_of, operating_points
from train.data.index import DataError, Index
from train.data.pixels import cached_pixels
from train.evaluation.conditioning.counting import fit_weight
from train.evaluation.evaluate import choose_split
from train.evaluation.scoring import predict_index
from train.processes import device_named

GATE_FILMS = 1500
"""More hardly change a distribution in 16 components, and their cells must fit in memory."""


@dataclass(frozen=True)
class CalibrateConfig:
    """What `python -m train calibrate` fits on.

    Args:
        min_size: leave out films smaller than this many pixels a side
        known: numbers of known findings at which a map must not lose; it is fitted at 0
        min_positives: a finding with fewer positive films than this gets neither map nor points
        pin_films: films read under every single pin, for the usual size of a shift
        batch_size: images in one pass
    """

    min_size: int = 0
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


def run_calibrate(
    config: CalibrateConfig, checkpoint: Path, data: Path, device: str = "auto"
) -> None:
    """Fit calibration and input gate into a checkpoint.

    Raises `CheckpointError` and `DataError`.

    Args:
        config: all other options
        checkpoint: folder, changed in place
        data: folder with index.csv
        device: auto, cpu, cuda or cuda:N
    """
    chosen = device_named(device)
    with tempfile.TemporaryDirectory() as cache:
        print(calibrate_checkpoint(checkpoint, data, config, Path(cache), chosen))


def calibrate_checkpoint(
    folder: Path, data: Path, config: CalibrateConfig, cache: Path, device: torch.device
) -> str:
    """Fit everything and write it into the checkpoint's folder. Returns a report.

    cache: folder for the pixel cache. Raises `DataError` where validation has no such films,
    `CheckpointError` for an unusable checkpoint.
    """
    checkpoint = load_checkpoint(folder)
    index = choose_split(checkpoint, data, "validation", config.min_size)
    pixels = cached_pixels(index, checkpoint.config.preprocessing, cache)
    kept = _spread_rows(len(index), GATE_FILMS)
    pinned = set(_spread_rows(len(index), config.pin_films).tolist())
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
        index,
        config.known,
        config.batch_size,
        device,
        label="validation",
        seen=keep,
    )
    calibration, fits = fit_calibration(index, found, config)
    sources = None if index.sources is None else index.sources[kept]
    gate = fit_gate(np.concatenate(cells), leave_out(index.patients[kept], sources))
    reference = ReferenceDistribution.of(
        found[0],
        index.labels,
        negative=np.stack([film.negative for film in moves]),
        positive=np.stack([film.positive for film in moves]),
    )
    record_extras(folder, Extras(calibration, gate, reference))
    measured = {name: asdict(fit) for name, fit in fits.items()}
    facts = {"calibration": calibration.identity, "films": calibration.described}
    facts |= {"known": list(config.known), "findings": measured}
    record_metrics(folder, "calibration", facts)
    prior = LabelPrior.of(checkpoint)
    weight = None if prior is None else fit_weight(prior, index, found)
    record_metrics(folder, "counting", {"weight": weight, "films": calibration.described})
    pins = f"reference distributions: shifts by every single pin on {reference.pinned_films} films"
    return "\n".join([report(calibration, fits, gate), f"weight of counting: {weight}", pins])


def fit_calibration(
    index: Index, probabilities: Mapping[int, np.ndarray], config: CalibrateConfig
) -> tuple[Calibration, dict[str, PlattFit]]:
    """Calibration from raw probabilities (N, 14) for each of `config.known`, each made while that
    finding was unknown; and how the map of each finding with films enough was chosen.

    Raises `DataError` where no finding has films enough.
    """
    logits = np.stack([logits_of(probabilities[known]) for known in config.known])
    free, left_out = probabilities[0], leave_out(index.patients, index.sources)
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
        source=None,
        min_size=config.min_size,
        min_positives=config.min_positives,
        index_sha256=index.digest,
        findings=tuple(findings),
        quantiles=tuple(tuple(float(f"{q:.6g}") for q in column) for column in quantiles.T),
    )
    return calibration, fits


def report(calibration: Calibration, fits: dict[str, PlattFit], gate: OODDetector) -> str:
    """What was fitted, as text: a line for each finding; a dash where it has too few films."""
    applied = [display_name(name) for name, fit in fits.items() if fit.applied == fit.fitted]
    rows = {}
    for finding, entry in zip(FINDINGS, calibration.findings, strict=True):
        row = {"positive": entry.positives}
        if finding in fits:
            row |= {"slope": entry.slope, "offset": entry.offset}
            row |= {"Youden": entry.youden.threshold, "90 % sens.": entry.sensitive.threshold}
            for gain in fits[finding].gains:
                row[f"nats gained, {gain.left_out} left out"] = float(np.mean(gain.by_known))
        rows[display_name(finding)] = row
    table = pd.DataFrame.from_dict(rows, orient="index")
    return "\n".join(
        [
            f"calibration {calibration.identity} on {calibration.described}",
            f"Platt scaling gains on films left out for: {', '.join(applied) or 'no finding'}; "
            "the others keep their raw probabilities",
            table.to_string(float_format="{:.4f}".format, na_rep="-"),
            f"input gate {identity(gate)} on {gate.films} validation films of all sources, "
            f"threshold {gate.threshold:.4f} at {100 * gate.acceptance:.0f} % acceptance of what "
            "was left out",
        ]
    )


def _spread_rows(rows: int, most: int) -> np.ndarray:
    """At most `most` rows, evenly spread."""
    return np.unique(np.linspace(0, rows - 1, min(rows, most)).round().astype(np.int64))

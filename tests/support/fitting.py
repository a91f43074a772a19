"""Calibration, gate and reference distributions for tests, made by hand and known exactly."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np

from lmeran.calibration import Calibration, FindingCalibration, OperatingPoint
from lmeran.checkpoint import load_checkpoint, record_extras
from lmeran.extras import Extras
from lmeran.findings import FINDINGS
from lmeran.ood import OODDetector
from lmeran.reference import LEVELS, ReferenceDistribution

UNCALIBRATED = "Hernia"
"""The one finding of `a_calibration` that validation had too few of."""

SLOPE, OFFSET = 0.5, -1.0


def a_calibration(threshold: float = 0.5) -> Calibration:
    """The same map and thresholds for every finding but one; percentiles are the probability."""
    low = OperatingPoint(threshold / 2, 0.91, 0.4)
    fitted = FindingCalibration(20, SLOPE, OFFSET, OperatingPoint(threshold, 0.7, 0.8), low)
    findings = tuple(FindingCalibration(1) if f == UNCALIBRATED else fitted for f in FINDINGS)
    quantiles = (tuple(np.linspace(0, 1, 101).tolist()),) * len(FINDINGS)
    return Calibration(300, None, 0, 10, "0" * 64, findings, quantiles)


def a_gate(width: int, places: int, threshold: float = 1.5, seed: int = 0) -> OODDetector:
    """A gate of two components; float32."""
    random = np.random.default_rng(seed)
    components = np.linalg.qr(random.normal(size=(width, 2)))[0].T
    spread = random.normal(size=(2, 2))
    return OODDetector(
        mean=random.normal(size=width).astype(np.float32),
        scale=random.uniform(0.5, 2, width).astype(np.float32),
        components=components.astype(np.float32),
        places=random.normal(size=(places, 2)).astype(np.float32),
        precision=(spread @ spread.T + np.eye(2)).astype(np.float32),
        threshold=threshold,
        films=300,
        acceptance=0.95,
    )


def a_reference() -> ReferenceDistribution:
    """Of films that are spread evenly: without a finding over 0 to 0.5, with it over 0 to 1, moved
    by a positive pin by 0 to 1 and by a negative one by -1 to 0."""
    n, rising = len(FINDINGS), np.array(LEVELS, np.float32) / 100
    one, many = (np.ones((*shape, 1), np.float32) for shape in ((n,), (n, n)))
    many[np.arange(n), np.arange(n)] = np.nan
    return ReferenceDistribution(
        300, 100, one * rising / 2, one * rising, many * (rising - 1), many * rising
    )


def without_maps(calibration: Calibration) -> Calibration:
    """The same, but every probability stays as it is."""
    findings = (replace(f, slope=1.0, offset=0.0) for f in calibration.findings)
    return replace(calibration, findings=tuple(findings))


def fitted_copy(
    checkpoint: Path,
    folder: Path,
    gate_threshold: float = 1e9,
    calibration: Calibration | None = None,
) -> Path:
    """A copy of a checkpoint with all that can be fitted; the gate accepts all by default."""
    shutil.copytree(checkpoint, folder)
    config = load_checkpoint(folder).config
    gate = a_gate(config.backbone.middle_width, config.grid**2, gate_threshold)
    record_extras(folder, Extras(calibration or a_calibration(), gate, a_reference()))
    return folder

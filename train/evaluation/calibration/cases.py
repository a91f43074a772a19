"""Which labels calibration is measured on: by mix of images, number of known findings, pins."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from lmeran.calibration import Calibration, calibrate
from train.evaluation.bootstrap import interval
from train.evaluation.calibration.measures import Agreement, agreement
from train.evaluation.predictions import Scenario, pins_given
from train.evaluation.statistics import Estimate
from train.evaluation.study import Study

MIX, ALL = "same mix", "all images"
EVERY, POSITIVE, NEGATIVE = "all", "a positive among them", "negative alone"

Score = Callable[[np.ndarray, np.ndarray], np.ndarray]
"""Of labels (N,) and probabilities (N,), each; smaller is better."""


@dataclass(frozen=True, eq=False)
class Case:
    """Some labels of the study, raw and calibrated.

    images: "same mix" as fitted on, or "all images". known: findings known; pins: which of them,
    in words. kept: bool (N, 14), the labels in it, of calibrated findings only.
    """

    images: str
    known: int
    pins: str
    labels: np.ndarray
    raw: np.ndarray
    fitted: np.ndarray
    kept: np.ndarray

    def agreement(self, values: np.ndarray) -> Agreement | None:
        """Of `raw` or `fitted` with the labels kept, all findings together."""
        return agreement(self.labels[self.kept], values[self.kept])


def cases_of(study: Study, calibration: Calibration) -> list[Case]:
    """Same mix first, each with nothing known first; with the most known also apart by whether a
    positive finding is among them."""
    rows = same_mix(study, calibration)
    selections = {MIX: rows, ALL: np.ones(len(rows), dtype=bool)} if rows.any() else {}
    if not rows.any() or rows.all():
        selections = {ALL: np.ones(len(rows), dtype=bool)}
    calibrated = np.array([f.slope is not None for f in calibration.findings])
    most = study.predictions.known_counts[-1]
    pinned = pins_given(study.index, Scenario(most))[..., 0] > 0
    found = []
    for images, kept in selections.items():
        for known in study.predictions.known_counts:
            raw = study.predictions.known(known)
            fitted = calibrate(calibration, raw)
            every = kept[:, None] & calibrated
            parts = {EVERY: every}
            if known == most and most:
                parts |= {POSITIVE: every & pinned, NEGATIVE: every & ~pinned}
            found += [
                Case(images, known, pins, study.labels, raw, fitted, mask)
                for pins, mask in parts.items()
            ]
    return found


def same_mix(study: Study, calibration: Calibration) -> np.ndarray:
    """Images of the source the calibration was fitted on, bool (N,); all where it was not one."""
    if calibration.source is None or study.index.sources is None:
        return np.ones(len(study.index), dtype=bool)
    return study.index.sources == calibration.source


def gain(study: Study, case: Case, score: Score) -> Estimate | None:
    """Mean over labels of the raw score less the calibrated one, with its patient bootstrap."""
    if not case.kept.any():
        return None
    difference = np.zeros(case.labels.shape)
    kept = case.kept
    labels = case.labels[kept]
    difference[kept] = score(labels, case.raw[kept]) - score(labels, case.fitted[kept])
    sums = study.resamples.sums(np.stack([difference.sum(axis=1), kept.sum(axis=1)], axis=1))
    with np.errstate(invalid="ignore", divide="ignore"):
        drawn = sums[:, 0] / sums[:, 1]
    return interval(float(difference[kept].mean()), drawn)

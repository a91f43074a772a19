"""Calibration and operating points on images they were not fitted on; raw probabilities, and
calibrated ones where they differ."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from lmeran.calibration import Calibration, calibrate
from lmeran.findings import FINDINGS
from train.evaluation.calibration.measures import agreement, reached
from train.evaluation.section import Section, row, tidy
from train.evaluation.study import Study

POINTS = {"youden": "Youden", "sensitive": "90 % sensitivity"}
"""Fields of `FindingCalibration` and what they are called."""


def calibration_section(study: Study) -> Section | None:
    """Agreement with the labels for each number of known findings, over all calibrated findings,
    and operating points; None for a checkpoint without calibration."""
    calibration = study.predictions.checkpoint.calibration
    if calibration is None:
        return None
    fitted = np.array([f.slope is not None for f in calibration.findings])
    labels, rows = study.labels[:, fitted].ravel(), []
    for known in study.predictions.known_counts:
        values = {"raw": study.predictions.known(known)}
        if not calibration.keeps_raw:
            values["calibrated"] = calibrate(calibration, values["raw"])
        for kind, found in values.items():
            p = found[:, fitted].ravel()
            for measure, value in agreement(labels, p).items():
                rows.append(row(value, known=known, probability=kind, measure=measure))
    return Section(
        key="calibration",
        facts={
            "identity": calibration.identity,
            "fitted_on": calibration.described,
            "keeps_raw": calibration.keeps_raw,
            "not_calibrated": [f for f, some in zip(FINDINGS, fitted, strict=True) if not some],
        },
        frames={"calibration": tidy(rows), "operating_points": tidy(_points(study, calibration))},
    )


def _points(study: Study, calibration: Calibration) -> Iterator[dict[str, Any]]:
    """Sensitivity and specificity of every operating point at the raw probability with nothing
    known, here and on the validation films it was chosen on."""
    for i, finding in enumerate(FINDINGS):
        for field, name in POINTS.items():
            point = getattr(calibration.findings[i], field)
            if point is None:
                continue
            keys = {"finding": finding, "point": name}
            here = reached(study.labels[:, i], study.predictions.free[:, i], point.threshold)
            yield row(point.threshold, **keys, measure="threshold")
            yield row(point.sensitivity, **keys, measure="sensitivity on validation")
            yield row(here[0], **keys, measure="sensitivity")
            yield row(point.specificity, **keys, measure="specificity on validation")
            yield row(here[1], **keys, measure="specificity")

"""Do the maps lie where radiologists drew the lesion? The localisation part of the report.

Nothing is fitted here: the threshold is the paper's, and the boxes serve to measure alone.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from lmeran.findings import FINDINGS
from lmeran.predictor import Predictor
from train.data.boxes import BOX_FILES, box_file, boxed_rows, read_boxes
from train.data.index import Index
from train.evaluation.bootstrap import Resamples, draw, finding_means, macro
from train.evaluation.localisation.cases import cases_of, measure
from train.evaluation.localisation.controls import training_heat
from train.evaluation.localisation.maps import CONTROLS, MODEL_MAPS
from train.evaluation.localisation.measures import MEASURES
from train.evaluation.section import Section, row, tidy
from train.evaluation.study import Study

NAMES = {**MODEL_MAPS, **CONTROLS}


def why_no_localisation(index: Index) -> str | None:
    """Why nothing is measured, in a sentence; None where it is."""
    if box_file(index.root) is None:
        return f"Localisation was not measured: there is no {BOX_FILES[0]} beside the index."
    if not boxed_rows(index, read_boxes(index.root)):
        return "Localisation was not measured: no film of this split has a box."
    return None


def localisation_section(study: Study) -> Section:
    """All maps and controls on every boxed film of the index.

    Raises `DataError` where the box list or a film cannot be read.
    """
    index, checkpoint = study.index, study.predictions.checkpoint
    why = why_no_localisation(index)
    if why is not None:
        return Section("localisation", {"not_measured": why})
    boxes = read_boxes(index.root)
    heat, cases = training_heat(index, boxes), cases_of(index, boxes)
    measured = measure(Predictor(checkpoint, study.device), index, cases, heat)
    rows, findings = (np.array([getattr(c, name) for c in cases]) for name in ("row", "finding"))
    draws = draw(index.patients[rows], len(study.resamples))
    return Section(
        key="localisation",
        facts={
            "boxes": len(cases),
            "films": len(set(rows.tolist())),
            "patients": len(draws.counts),
            "grid": checkpoint.config.grid,
            "centre_prior": "mean box of the training films" if heat else "Gaussian in the middle",
        },
        frames={
            "localisation": tidy(_mean_rows(measured, findings, draws)),
            "localisation_findings": tidy(_finding_rows(measured, findings)),
        },
    )


def _mean_rows(
    measured: dict[str, np.ndarray], findings: np.ndarray, draws: Resamples
) -> Iterator[dict[str, Any]]:
    """Mean over the findings of every map."""
    for kind in (kind for kind in NAMES if kind in measured):
        estimates = macro(measured[kind], findings, draws)
        for name, estimate in zip(MEASURES, estimates, strict=True):
            yield row(estimate, map=NAMES[kind], measure=name)


def _finding_rows(
    measured: dict[str, np.ndarray], findings: np.ndarray
) -> Iterator[dict[str, Any]]:
    """Mean over each finding's boxes."""
    for kind in (kind for kind in NAMES if kind in measured):
        for f, means in finding_means(measured[kind], findings).items():
            keys = {"finding": FINDINGS[f], "boxes": int((findings == f).sum())}
            for name, value in zip(MEASURES, means.tolist(), strict=True):
                yield row(value, **keys, map=NAMES[kind], measure=name)

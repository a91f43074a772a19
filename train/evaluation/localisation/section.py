"""Do the maps lie where radiologists drew the lesion? The localisation part of the report.

Definitions: `field-notes.md`, "IoU / hit rate" (see `localisation_measures`). Nothing is fitted
here: the threshold is the paper's, and the boxes serve to measure alone.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch

from lmeran.checkpoint import Checkpoint
from lmeran.model.maps import CONTOUR_LEVEL
from lmeran.predictor import Predictor
from train.data.boxes import BOX_FILES, box_file, boxed_rows, read_boxes
from train.data.index import Index
from train.evaluation.bootstrap import Resamples, draw
from train.evaluation.localisation.cases import Measured, cases_of, measure
from train.evaluation.localisation.controls import cached_best_maps, training_heat
from train.evaluation.localisation.figures import contact_sheet, threshold_curves
from train.evaluation.localisation.maps import MODEL_MAPS
from train.evaluation.localisation.measures import IOU, POINTING
from train.evaluation.localisation.scores import macro
from train.evaluation.localisation.tables import Rows, macro_rows, metrics, pin_effect, tables
from train.evaluation.section import Section
from train.evaluation.statistics import Estimate
from train.evaluation.wording import said

TITLE = "Localisation"


def why_no_localisation(index: Index) -> str | None:
    """Why there is no such section, in a sentence; None where there is one."""
    if box_file(index.root) is None:
        return f"Localisation was not measured: there is no {BOX_FILES[0]} beside the index."
    if not boxed_rows(index, read_boxes(index.root)):
        return "Localisation was not measured: no film of this split has a box."
    return None


def localisation_section(
    checkpoint: Checkpoint,
    index: Index,
    cache: Path,
    device: torch.device | str,
    resamples: int,
) -> Section | None:
    """All maps and controls on every boxed film of the index; None without boxes.

    cache: folder where the grid ceiling, the same for every checkpoint of that grid, is kept.
    resamples: of patients, for the intervals. `why_no_localisation` says why there is none.
    Raises `DataError` where the box list or a film cannot be read.
    """
    if why_no_localisation(index) is not None:
        return None
    boxes, grid = read_boxes(index.root), checkpoint.config.grid
    cases = cases_of(index, boxes)
    best = cached_best_maps([case.boxes for case in cases], grid, cache)
    heat = training_heat(index, boxes)
    measured = measure(Predictor(checkpoint, device), index, cases, best, heat)
    rows_of_cases = np.array([case.row for case in cases])
    draws = draw(index.patients[rows_of_cases], resamples)
    rows, pins = macro_rows(measured, draws), pin_effect(measured, draws)
    films, patients = len(set(rows_of_cases.tolist())), len(draws.counts)
    facts = {"films": films, "patients": patients, "resamples": resamples, "grid": grid}
    return Section(
        key="localisation",
        title=TITLE,
        text=(
            f"{len(cases)} boxes of {len(np.unique(measured.findings))} findings on {films} films "
            f"of {patients} patients. A map is resized to the film, divided by its maximum and cut "
            f"at {CONTOUR_LEVEL}, the paper's threshold; nothing was tuned on these films. Mean "
            "values are over the findings, intervals (95 %) over resampled patients.",
            *_map_sentences(measured, rows, draws),
            _ceiling_sentence(rows, grid),
            _centre_sentence(heat),
            *_pin_sentences(measured, pins),
            *_empty_sentences(measured),
        ),
        tables=tables(measured, rows, pins),
        plots=(contact_sheet(measured, index), threshold_curves(rows)),
        metrics=facts | metrics(measured, rows, pins),
    )


def _map_sentences(measured: Measured, rows: Rows, draws: Resamples) -> list[str]:
    """Each map of the model by itself and against the centre prior."""
    sentences = []
    for kind in measured.maps:
        own = rows[kind, False]
        gain = macro(measured.free[kind] - measured.free["centre"], measured.findings, draws)
        sentences.append(
            f"{MODEL_MAPS[kind]}: IoU {said(own[IOU])}, pointing {said(own[POINTING])}; "
            f"over the centre prior {said(gain[IOU], sign=True)} in IoU and "
            f"{said(gain[POINTING], sign=True)} in pointing."
        )
    return sentences


def _ceiling_sentence(rows: Rows, grid: int) -> str:
    best, chance = (rows[kind, False] for kind in ("ceiling", "random"))
    return (
        f"The limits: the best map found for each box on this grid of {grid} x {grid} cells has "
        f"IoU {best[IOU].value:.3f} and pointing {best[POINTING].value:.3f}; a random map has IoU "
        f"{chance[IOU].value:.3f} and pointing {chance[POINTING].value:.3f}."
    )


def _centre_sentence(heat: dict[int, np.ndarray]) -> str:
    if heat:
        return (
            "The centre prior is the mean box of the training films, for findings without one a "
            "Gaussian in the middle of the film."
        )
    return (
        "No training film has a box, so the centre prior is a Gaussian in the middle of the film."
    )


def _pin_sentences(measured: Measured, pins: dict[str, dict[str, list[Estimate]]]) -> list[str]:
    if not pins:
        return ["No boxed film has another true finding, so there is nothing to pin."]
    moved = "; ".join(
        f"{MODEL_MAPS[kind]} {said(parts['difference'][IOU], sign=True)}"
        for kind, parts in pins.items()
    )
    return [
        f"Pinning the film's other true findings ({int(measured.has_others.sum())} boxes have any) "
        f"changes IoU by: {moved}."
    ]


def _empty_sentences(measured: Measured) -> list[str]:
    counts = {MODEL_MAPS[kind]: measured.empty_maps(kind) for kind in measured.maps}
    told = ", ".join(f"{name} {n}" for name, n in counts.items() if n)
    if not told:
        return []
    return [f"Maps without a positive value, which detect nothing: {told}."]

"""Do the maps lie where radiologists drew the lesion? The localisation part of the report.

Nothing is fitted here: the threshold is the paper's, and the boxes serve to measure alone.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from lmeran.findings import FINDINGS
from lmeran.predictor import Predictor
from train.data.boxes import BOX_FILES, box_file, boxed_rows, read_boxes
from train.data.index import Index
from train.evaluation.bootstrap import Resamples, draw
from train.evaluation.figures import Line, line_figure
from train.evaluation.localisation.cases import Measured, cases_of, measure
from train.evaluation.localisation.controls import cached_best_maps, training_heat
from train.evaluation.localisation.maps import CONTROLS, MODEL_MAPS
from train.evaluation.localisation.measures import MEASURES, THRESHOLDS
from train.evaluation.localisation.scores import finding_means, macro
from train.evaluation.localisation.sheet import contact_sheet
from train.evaluation.section import Section, row, select, tidy
from train.evaluation.study import Study

NAMES = {**MODEL_MAPS, **CONTROLS}

WANG_2017 = (0.568, 0.373, 0.221, 0.116, 0.062, 0.028, 0.010)
"""T(IoU) of Wang et al., CVPR 2017, mean over 8 findings of all 984 boxes. Theirs is of boxes
drawn round the detected region, so it is a landmark, not a like-for-like figure."""


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
    why = why_no_localisation(study.index)
    if why is not None:
        return Section("localisation", {"not_measured": why})
    checkpoint, index = study.predictions.checkpoint, study.index
    boxes, grid = read_boxes(index.root), checkpoint.config.grid
    cases = cases_of(index, boxes)
    best = cached_best_maps([case.boxes for case in cases], grid, study.cache)
    heat = training_heat(index, boxes)
    measured = measure(Predictor(checkpoint, study.device), index, cases, best, heat)
    rows = np.array([case.row for case in cases])
    draws = draw(index.patients[rows], len(study.resamples))
    frame = tidy(_rows(measured, draws))
    return Section(
        key="localisation",
        facts={
            "boxes": len(cases),
            "films": len(set(rows.tolist())),
            "patients": len(draws.counts),
            "grid": grid,
            "centre_prior": "mean box of the training films" if heat else "Gaussian in the middle",
            "boxes_with_other_findings": int(measured.has_others.sum()),
            "empty_maps": {MODEL_MAPS[kind]: measured.empty_maps(kind) for kind in measured.maps},
        },
        frames={
            "localisation": frame,
            "localisation_findings": tidy(_finding_rows(measured)),
            "localisation_differences": tidy(_difference_rows(measured, draws)),
        },
        figures={
            "localisation_sheet": contact_sheet(measured, index),
            "localisation_thresholds": _threshold_figure(frame),
        },
    )


def _rows(measured: Measured, draws: Resamples) -> Iterator[dict[str, Any]]:
    """Mean over the findings of every map, free and with the film's other findings pinned."""
    for kind, name in NAMES.items():
        for pinned, values in ((False, measured.free), (True, measured.pinned)):
            if kind in values:
                estimates = macro(values[kind], measured.findings, draws)
                for measure_name, estimate in zip(MEASURES, estimates, strict=True):
                    yield row(estimate, map=name, others_pinned=pinned, measure=measure_name)


def _finding_rows(measured: Measured) -> Iterator[dict[str, Any]]:
    """Mean over each finding's boxes."""
    for kind, name in NAMES.items():
        for pinned, values in ((False, measured.free), (True, measured.pinned)):
            if kind not in values:
                continue
            for f, means in finding_means(values[kind], measured.findings).items():
                keys = {"finding": FINDINGS[f], "boxes": int((measured.findings == f).sum())}
                keys |= {"map": name, "others_pinned": pinned}
                for measure_name, value in zip(MEASURES, means.tolist(), strict=True):
                    yield row(value, **keys, measure=measure_name)


def _difference_rows(measured: Measured, draws: Resamples) -> Iterator[dict[str, Any]]:
    """Each map of the model less the centre prior; and with the others pinned less without, on the
    cases whose film has another true finding."""
    for kind, values in measured.maps.items():
        name = MODEL_MAPS[kind]
        gain = macro(measured.free[kind] - measured.free["centre"], measured.findings, draws)
        for measure_name, estimate in zip(MEASURES, gain, strict=True):
            yield row(estimate, map=name, difference="over the centre prior", measure=measure_name)
        some = np.flatnonzero(measured.has_others)
        if kind not in measured.pinned or not len(some) or not len(values):
            continue
        moved = measured.pinned[kind][some] - measured.free[kind][some]
        moved = macro(moved, measured.findings[some], draws.take(some))
        for measure_name, estimate in zip(MEASURES, moved, strict=True):
            yield row(estimate, map=name, difference="by pinning", measure=measure_name)


def _threshold_figure(frame: pd.DataFrame) -> Figure:
    """T(IoU) and T(IoBB) of the free maps and the controls, with intervals over patients."""
    free = select(frame, others_pinned=False)
    panels: dict[str, list[Line]] = {}
    for measure_name in ("IoU", "IoBB"):
        lines = []
        for name in dict.fromkeys(free["map"]):
            own = select(free, map=name).set_index("measure")
            some = own.loc[[f"{measure_name}>{t}" for t in THRESHOLDS]]
            columns = some[["value", "low", "high"]].to_numpy(dtype=float).T
            lines.append(Line(name, np.array(THRESHOLDS), *columns))
        panels[f"Share of boxes with {measure_name} > T"] = lines
    landmark = Line("Wang et al. 2017", np.array(THRESHOLDS), np.array(WANG_2017))
    next(iter(panels.values())).append(landmark)
    return line_figure(panels, ("T", "share of the boxes"), bounds="band", limits=(0, 1))

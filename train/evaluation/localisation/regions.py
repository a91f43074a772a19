"""Does a finding need the place where radiologists drew it? Each boxed film is read without the box
and without boxes of the same size elsewhere on the body (`lmeran.explain.region`)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from tqdm import tqdm

from lmeran.explain.region import Region, read_region
from lmeran.predictor import Predictor
from train.data.boxes import read_boxes
from train.evaluation.bootstrap import Resamples, draw, macro
from train.evaluation.localisation.cases import cases_of, read_film
from train.evaluation.localisation.section import why_no_localisation
from train.evaluation.section import Section, row, tidy
from train.evaluation.study import Study

NAMES = ("the box", "boxes elsewhere", "difference")
MEASURES = ("fall of the logit", "fall in points", "share that fall")


def regions_section(study: Study) -> Section | None:
    """How far a finding falls without its own box and without others, nothing pinned.

    None where localisation is not measured. Raises `DataError` where a film cannot be read.
    """
    index = study.index
    if why_no_localisation(index) is not None:
        return None
    predictor = Predictor(study.predictions.checkpoint, study.device)
    cases = cases_of(index, read_boxes(index.root))
    falls, rows, findings = [], [], []
    for case in tqdm(cases, desc="regions", unit="box", leave=False):
        film = predictor.encode(read_film(index, case.row))
        box = max(case.boxes, key=lambda b: (b.right - b.left) * (b.bottom - b.top))
        region = Region(box.left, box.top, box.right, box.bottom)
        found = read_region(predictor, film, region, {})
        controls = found["without_controls"]
        if len(controls):
            p = np.array([found["whole"], found["without"], *controls])[:, case.finding]
            falls.append(_falls(p))
            rows.append(case.row)
            findings.append(case.finding)
    facts = {"boxes": len(falls), "boxes_without_room_for_others": len(cases) - len(falls)}
    if not falls:
        return Section("regions", facts)
    draws = draw(index.patients[np.array(rows)], len(study.resamples))
    values, of = np.stack(falls), np.array(findings)
    return Section(
        key="regions",
        facts=facts,
        frames={"regions": tidy(_rows(values, of, draws))},
    )


def _falls(p: np.ndarray) -> np.ndarray:
    """(len(NAMES), len(MEASURES)) from the probabilities of the whole film, without the box, and
    without each of the others."""
    logit = np.log(p) - np.log1p(-p)
    fall = np.stack([logit[0] - logit[1:], 100 * (p[0] - p[1:]), logit[0] > logit[1:]])
    own, others = fall[:, 0], fall[:, 1:].mean(axis=1)
    return np.stack([own, others, own - others])


def _rows(values: np.ndarray, findings: np.ndarray, draws: Resamples) -> Iterator[dict[str, Any]]:
    """Means over the findings with their intervals. values: (N, len(NAMES), len(MEASURES))."""
    estimates = macro(values.reshape(len(values), -1), findings, draws)
    keys = [{"without": name, "measure": measure} for name in NAMES for measure in MEASURES]
    for key, estimate in zip(keys, estimates, strict=True):
        yield row(estimate, **key)

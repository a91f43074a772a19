"""The input gate on films it was not fitted on: how many it accepts, and what else it detects."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from lmeran.ood import OODDetector, features, identity, ood_scores
from train.data.pixels import cached_pixels
from train.evaluation.calibration.measures import wilson
from train.evaluation.ood.images import (
    SPOILED,
    dicom_files,
    patterns,
    photographs,
    pictures_in,
    spoiled,
)
from train.evaluation.predictions import sample_rows
from train.evaluation.scoring import encodings
from train.evaluation.section import Section, row, tidy
from train.evaluation.study import Study

REAL = "films of the split"
CHEST = "other frontal chest DICOM"
LATERAL = "lateral DICOM"


@dataclass(frozen=True, eq=False)
class Kind:
    """Pictures of one kind. accept: whether the gate should let them pass; scores: (N,)."""

    name: str
    accept: bool
    scores: np.ndarray


def gate_section(study: Study) -> Section | None:
    """Acceptance of films of the index and detection of what is none; None without a gate."""
    gate = study.predictions.checkpoint.gate
    if gate is None or not study.config.gate_films:
        return None
    return Section(
        key="gate",
        facts={
            "identity": identity(gate),
            "fitted_on_films": gate.films,
            "threshold": gate.threshold,
            "acceptance_on_validation": gate.acceptance,
        },
        frames={"gate": tidy(_rows(gate, measure(study, gate)))},
    )


def measure(study: Study, gate: OODDetector) -> list[Kind]:
    """Scores of every kind of picture, first the real films, which are chosen by their names."""
    checkpoint = study.predictions.checkpoint
    preprocessing = checkpoint.config.preprocessing
    chosen = study.index.take(np.array(sample_rows(study.index, study.config.gate_films)))
    real = np.array(cached_pixels(chosen, preprocessing, study.cache))
    pictures = [(REAL, True, real)]
    pictures += [(f"the same, {kind}", False, spoiled(real, kind)) for kind in SPOILED]
    if study.config.dicom is not None:
        chest, lateral, other = dicom_files(study.config.dicom, preprocessing)
        pictures += [(CHEST, True, chest), (LATERAL, False, lateral), ("other DICOM", False, other)]
    for accept, folders in ((True, study.config.alike), (False, study.config.unlike)):
        pictures += [(f.name, accept, pictures_in(f, preprocessing)) for f in folders]
    pictures += [
        ("photographs and parts of them", False, photographs(preprocessing)),
        ("noise and patterns", False, patterns(preprocessing.image_size)),
    ]
    model = checkpoint.model.to(study.device)
    found = []
    for name, accept, squares in pictures:
        if not len(squares):
            continue
        batches = encodings(model, squares, 32, study.device, label=name)
        scores = [ood_scores(gate, features(e, gate.layer)) for _, e in batches]
        found.append(Kind(name, accept, np.concatenate(scores)))
    return found


def _rows(gate: OODDetector, kinds: list[Kind]) -> Iterator[dict[str, Any]]:
    for kind in kinds:
        keys = {"pictures": kind.name, "should_pass": kind.accept}
        warned, count = int((kind.scores > gate.threshold).sum()), len(kind.scores)
        yield row(count, **keys, measure="number")
        yield row(wilson(warned, count), **keys, measure="warned of")

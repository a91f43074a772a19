"""The report of `python -m train evaluate --out`: its parts, in order, and what they are given."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import torch
from jsonargparse import Namespace
from tqdm import tqdm

from lmeran.checkpoint import Checkpoint, load_checkpoint
from train.evidence import faithfulness, gate
from train.evidence.arms import MIXED, SCENARIOS
from train.evidence.bootstrap import draw
from train.evidence.calibration import calibration_section
from train.evidence.comparison import comparison_section
from train.evidence.conditioning import conditioning_section
from train.evidence.cooccurrence import cooccurrence_section
from train.evidence.discrimination import discrimination_section
from train.evidence.localisation import localisation_section, why_no_localisation
from train.evidence.predictions import FREE, Predictions, Scenario, predict, sample_rows
from train.evidence.section import Section
from train.evidence.shifts import shifts_section
from train.evidence.study import Part, Study
from train.evidence.subgroups import subgroups_section
from train.index import Index
from train.pixels import cached_pixels


def _localisation(study: Study) -> Section:
    why = why_no_localisation(study.index)
    if why is not None:
        return Section("localisation", "Localisation", (why,))
    checkpoint, resamples = study.predictions.checkpoint, len(study.resamples)
    return localisation_section(checkpoint, study.index, study.cache, study.device, resamples)


def _faithfulness(study: Study) -> Section | None:
    films = faithfulness.FILMS if study.map_films is None else study.map_films
    if films == 0:
        return None
    checkpoint, resamples = study.predictions.checkpoint, len(study.resamples)
    return faithfulness.faithfulness_section(
        checkpoint, study.index, study.cache, study.device, resamples, films
    )


def _gate(study: Study) -> Section | None:
    films = gate.FILMS if study.gate_films is None else study.gate_films
    checkpoint = study.predictions.checkpoint
    return gate.gate_section(checkpoint, study.index, study.cache, study.device, films, study.dicom)


PARTS: tuple[Part, ...] = (
    discrimination_section,
    comparison_section,
    conditioning_section,
    shifts_section,
    cooccurrence_section,
    _localisation,
    _faithfulness,
    calibration_section,
    subgroups_section,
    _gate,
)
"""The sections of the report, in order. Another one is a function of a `Study` in this list."""


def make_study(
    given: Namespace, checkpoint: Checkpoint, index: Index, cache: Path, device: torch.device
) -> Study:
    """Every prediction the sections need, each checkpoint and image read once."""
    scenarios = dict.fromkeys([*SCENARIOS, *(Scenario(k) for k in given.known)])
    others: dict[str, Predictions] = {}
    for path, wanted in ((given.without_masking, MIXED), (given.compare, (FREE,))):
        if path is not None and path not in others:
            others[path] = _predict(load_checkpoint(path), index, cache, wanted, device)
    rows = sample_rows(index, given.pin_films)
    return Study(
        index=index,
        split=given.split,
        data=Path(given.data),
        cache=cache,
        device=device,
        predictions=_predict(checkpoint, index, cache, list(scenarios), device, rows),
        resamples=draw(index.patients, given.resamples),
        without_masking=others.get(given.without_masking),
        compared=others.get(given.compare),
        map_films=given.map_films,
        gate_films=given.gate_films,
        dicom=None if given.dicom is None else Path(given.dicom),
    )


def sections_of(study: Study) -> list[Section]:
    """Every part that has something to say of the study, with progress."""
    made = [part(study) for part in tqdm(PARTS, desc="sections", unit="part", leave=False)]
    return [section for section in made if section is not None]


def _predict(
    checkpoint: Checkpoint,
    index: Index,
    cache: Path,
    scenarios: Sequence[Scenario],
    device: torch.device,
    single_rows: Sequence[int] = (),
) -> Predictions:
    pixels = cached_pixels(index, checkpoint.config.preprocessing, cache)
    label = f"checkpoint {checkpoint.identity}"
    return predict(checkpoint, pixels, index, scenarios, single_rows, device, label=label)

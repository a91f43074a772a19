"""The report of `python -m train evaluate --out`: its parts, in order, and what they are given."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import torch
from jsonargparse import Namespace
from tqdm import tqdm

from lmeran.checkpoint import Checkpoint, load_checkpoint
from train.data.index import Index
from train.data.pixels import cached_pixels
from train.evaluation.bootstrap import draw
from train.evaluation.calibration.section import calibration_section
from train.evaluation.conditioning.arms import MIXED, SCENARIOS
from train.evaluation.conditioning.cooccurrence import cooccurrence_section
from train.evaluation.conditioning.section import conditioning_section
from train.evaluation.conditioning.shifts import shifts_section
from train.evaluation.discrimination.comparison import comparison_section
from train.evaluation.discrimination.section import discrimination_section
from train.evaluation.discrimination.subgroups import subgroups_section
from train.evaluation.faithfulness import section as faithfulness
from train.evaluation.localisation.section import localisation_section, why_no_localisation
from train.evaluation.ood import section as ood
from train.evaluation.predictions import FREE, Predictions, Scenario, predict, sample_rows
from train.evaluation.section import Section
from train.evaluation.study import Part, Study


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
    films = ood.FILMS if study.gate_films is None else study.gate_films
    checkpoint = study.predictions.checkpoint
    return ood.gate_section(checkpoint, study.index, study.cache, study.device, films, study.dicom)


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

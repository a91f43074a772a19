"""The sections of the report of `python -m train evaluate --out`, in order."""

from __future__ import annotations

from collections.abc import Callable

from tqdm import tqdm

from train.evaluation.calibration.section import calibration_section
from train.evaluation.conditioning.arms import conditioning_section
from train.evaluation.conditioning.shifts import shifts_section
from train.evaluation.discrimination.section import comparison_section, discrimination_section
from train.evaluation.discrimination.subgroups import subgroups_section
from train.evaluation.faithfulness.section import faithfulness_section
from train.evaluation.localisation.regions import regions_section
from train.evaluation.localisation.section import localisation_section
from train.evaluation.ood.section import gate_section
from train.evaluation.section import Section
from train.evaluation.study import Study

PARTS: tuple[Callable[[Study], Section | None], ...] = (
    discrimination_section,
    comparison_section,
    conditioning_section,
    shifts_section,
    localisation_section,
    regions_section,
    faithfulness_section,
    calibration_section,
    subgroups_section,
    gate_section,
)
"""Each makes one section, None where the study has nothing for it. Another section is a function
in this list and an entry of report.yaml."""


def sections_of(study: Study) -> list[Section]:
    """Every section that the study has data for, with progress."""
    made = [part(study) for part in tqdm(PARTS, desc="sections", unit="part", leave=False)]
    return [section for section in made if section is not None]

"""The paper's table 3, and a checkpoint's AUC beside it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import yaml

from lmeran.findings import FINDINGS, display_name
from train.evaluation.section import Table
from train.evaluation.statistics import Estimate
from train.evaluation.study import Study
from train.evaluation.wording import columns

PAPER = Path(__file__).with_name("paper.yaml")


@dataclass(frozen=True)
class Paper:
    """Published AUC: `auc` holds a row a finding, in the order of `FINDINGS`, a column a model."""

    source: str
    images: int
    training_images: int
    image_size: int
    models: tuple[str, ...]
    own: str
    auc: tuple[tuple[float, ...], ...]
    mean: tuple[float, ...]

    def of(self, finding: str) -> float:
        """AUC of the paper's own model."""
        return self.auc[FINDINGS.index(finding)][self.models.index(self.own)]

    @property
    def own_mean(self) -> float:
        """Mean AUC of the paper's own model."""
        return self.mean[self.models.index(self.own)]


def read_paper(path: Path = PAPER) -> Paper:
    """The published table."""
    values = yaml.safe_load(path.read_text(encoding="utf-8"))
    rows = tuple(tuple(values["auc"][finding]) for finding in FINDINGS)
    tuples = {"auc": rows, "models": tuple(values["models"]), "mean": tuple(values["mean"])}
    return Paper(**{**values, **tuples})


def paper_table(
    study: Study, auc: Sequence[Estimate | None], mean: Estimate | None, paper: Paper
) -> Table:
    """The measured AUC and the published ones; the note says whether the images are the same."""
    published = np.array([*paper.auc, paper.mean])
    frame = pd.DataFrame(
        {
            "Finding": [*(display_name(f) for f in FINDINGS), "Mean"],
            **columns("This checkpoint", [*auc, mean]),
            **{f"Published: {m}": published[:, k] for k, m in enumerate(paper.models)},
        }
    )
    return Table(
        "beside_the_paper", "Beside the published figures", frame, _conditions(study, paper)
    )


def _conditions(study: Study, paper: Paper) -> str:
    checkpoint = study.predictions.checkpoint
    films = checkpoint.training.get("train_images")
    own = f'This checkpoint: {len(study.index):,} images of the split "{study.split}", '
    own += f"{checkpoint.config.preprocessing.image_size} px"
    own += f", trained on {films:,} films." if films else "."
    same = study.split == "test" and len(study.index) == paper.images
    verdict = (
        "The test images are the same."
        if same
        else "The test images are not the same ones: read the columns apart, not as a race."
    )
    return (
        f"{own} Published ({paper.source}): all {paper.images:,} official-test images, "
        f"{paper.image_size} px, trained on {paper.training_images:,} films. {verdict}"
    )

"""The paper's table 3, and a checkpoint's AUC beside it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pandas as pd
import yaml

from lmeran.findings import FINDINGS
from train.evaluation.section import MEAN, row, tidy

PAPER = Path(__file__).with_name("paper.yaml")


@dataclass(frozen=True)
class Paper:
    """Published AUC. `auc`: a row per finding, in the order of `FINDINGS`; a column per model."""

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


def paper_frame(auc: pd.DataFrame, paper: Paper) -> pd.DataFrame:
    """A measured AUC of each finding and of the mean, and the published ones."""
    rows = []
    for measured in auc.to_dict("records"):
        finding = measured["finding"]
        keys = {"finding": finding, "model": "this checkpoint"}
        rows.append({**keys, **{name: measured[name] for name in ("value", "low", "high")}})
        published = paper.mean if finding == MEAN else paper.auc[FINDINGS.index(finding)]
        rows += [
            row(value, finding=finding, model=f"{model}, published")
            for model, value in zip(paper.models, published, strict=True)
        ]
    return tidy(rows)

"""What every part of the evaluation hands to the report: tidy frames, figures, plain values."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from train.evaluation.bootstrap import Estimate

MEAN = "mean"
"""In the column `finding`: the mean over the findings."""


@dataclass(frozen=True, eq=False)
class Section:
    """One part of the evaluation. Titles and notes are in report.yaml.

    key: name of the section in metrics.json. facts: plain values. frames: tidy data frames, each a
    CSV and a list of records in metrics.json: columns that say what is measured, and `value` with
    its interval `low` and `high` (None where there is none). figures: by the name of their file.
    """

    key: str
    facts: dict[str, Any] = field(default_factory=dict)
    frames: dict[str, pd.DataFrame] = field(default_factory=dict)
    figures: dict[str, Figure] = field(default_factory=dict)


def row(value: Estimate | float | None, **keys: Any) -> dict[str, Any]:
    """A row of a tidy frame: what is measured, then the value and its bounds."""
    if isinstance(value, Estimate):
        return {**keys, "value": value.value, "low": value.low, "high": value.high}
    return {**keys, "value": value, "low": None, "high": None}


def tidy(rows: Iterable[dict[str, Any]]) -> pd.DataFrame:
    """Rows to a frame that keeps whole numbers whole and None as it is."""
    return pd.DataFrame(list(rows), dtype=object)


def plain(value: Any) -> Any:
    """Plain Python for JSON: frames to records, numbers that are not finite to None."""
    if isinstance(value, pd.DataFrame):
        return plain(value.to_dict("records"))
    if isinstance(value, dict):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    if isinstance(value, np.ndarray | np.generic):
        return plain(value.tolist())
    if isinstance(value, float) and not np.isfinite(value):
        return None
    return value


def find(records: Iterable[dict[str, Any]], **keys: Any) -> dict[str, Any] | None:
    """The first record with these values, None where there is none: for templates of the card."""
    return next((r for r in records if all(r[k] == v for k, v in keys.items())), None)


def select(frame: pd.DataFrame, **keys: Any) -> pd.DataFrame:
    """The rows of a frame with these values; a list is any of its values."""
    kept = np.ones(len(frame), dtype=bool)
    for name, value in keys.items():
        kept &= frame[name].isin(value if isinstance(value, list) else [value]).to_numpy()
    return frame[kept]

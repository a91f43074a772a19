"""What every part of the evaluation hands to the report: words, tables, figures, plain values."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import pandas as pd
from matplotlib.figure import Figure


@dataclass(frozen=True, eq=False)
class Table:
    """A table of the report and a CSV of its own.

    name: file stem; note: what a reader must know to read it (units, interval, cases).
    Columns "X", "X low" and "X high" stand in one cell of the report, the interval in brackets; a
    name with "%" has one digit after the point, "p" and "p ..." are probabilities of a test.
    Values that lack are None. shown: whether the report shows it, or the CSV alone holds it.
    """

    name: str
    title: str
    frame: pd.DataFrame
    note: str = ""
    shown: bool = True


@dataclass(frozen=True, eq=False)
class Plot:
    """A figure of the report and a file of its own (`name`)."""

    name: str
    title: str
    figure: Figure
    note: str = ""


@dataclass(frozen=True, eq=False)
class Section:
    """One part of the evaluation.

    key: name under which `metrics` (plain JSON values) stand in metrics.json, beside the keys
        "title" and "text".
    text: plain sentences, each made from the measured values.
    """

    key: str
    title: str
    text: tuple[str, ...] = ()
    tables: tuple[Table, ...] = ()
    plots: tuple[Plot, ...] = ()
    metrics: dict[str, Any] = field(default_factory=dict)

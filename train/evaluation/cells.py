"""Tables of the report: the cells of a data frame as a reader should see them."""

from __future__ import annotations

import math
import numbers
from dataclasses import dataclass
from typing import Any

import pandas as pd

LACKING, BETWEEN, MINUS = "\N{EN DASH}", "\N{EN DASH}", "\N{MINUS SIGN}"


@dataclass(frozen=True)
class Column:
    """A column as shown; number: whether it is set flush right."""

    head: str
    number: bool
    cells: tuple[str, ...]


def shown_columns(frame: pd.DataFrame) -> list[Column]:
    """Columns of a `train.evaluation.section.Table`, intervals in the cell of their value.

    "X", "X low" and "X high" become one column, "0.697 (0.660-0.730)"; without an "X" the interval
    stands alone. Percentages ("%" in the name) have one digit after the point, other fractions
    three, whole numbers none.
    """
    names = [str(name) for name in frame.columns]
    found = []
    for place, name in enumerate(names):
        values = frame.iloc[:, place].tolist()
        base = _base(name, names)
        if base is not None:
            if name.endswith(" low") and base not in names:
                bounds = zip(values, frame[f"{base} high"].tolist(), strict=True)
                found.append(Column(base, True, tuple(_span(a, b, base) for a, b in bounds)))
            continue
        cells = [_cell(value, name) for value in values]
        if {f"{name} low", f"{name} high"} <= set(names):
            bounds = zip(frame[f"{name} low"].tolist(), frame[f"{name} high"].tolist(), strict=True)
            spans = [_span(low, high, name) for low, high in bounds]
            cells = [c if s == LACKING else f"{c} ({s})" for c, s in zip(cells, spans, strict=True)]
        number = all(_lacks(v) or isinstance(v, numbers.Real) for v in values)
        found.append(Column(name, number, tuple(cells)))
    return found


def _base(name: str, names: list[str]) -> str | None:
    """The X of "X low" or "X high" where both are there."""
    for end in (" low", " high"):
        base = name.removesuffix(end)
        if base != name and {f"{base} low", f"{base} high"} <= set(names):
            return base
    return None


def _span(low: Any, high: Any, name: str) -> str:
    if _lacks(low) or _lacks(high):
        return LACKING
    between = " to " if low < 0 else BETWEEN
    return f"{_cell(low, name)}{between}{_cell(high, name)}"


def _cell(value: Any, name: str) -> str:
    if _lacks(value):
        return LACKING
    if isinstance(value, bool) or not isinstance(value, numbers.Real):
        return str(value)
    if isinstance(value, numbers.Integral):
        return f"{value:,}".replace("-", MINUS)
    if name == "p" or name.startswith("p "):
        return "<0.001" if value < 0.001 else f"{value:.3f}"
    # z: no "-0.000"
    return f"{value:z.{1 if '%' in name else 3}f}".replace("-", MINUS)


def _lacks(value: Any) -> bool:
    return value is None or value is pd.NA or (isinstance(value, float) and math.isnan(value))

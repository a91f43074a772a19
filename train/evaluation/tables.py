"""Tables of the report: a tidy frame as rows and columns of text."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pandas as pd

from lmeran.findings import FINDINGS, display_name
from train.evaluation.section import MEAN, select

LACKING, MINUS = "\N{EN DASH}", "\N{MINUS SIGN}"


@dataclass(frozen=True)
class ShownTable:
    """head: names of the columns; rows: their cells; the first `names` columns are row headings."""

    head: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    names: int


def shown_table(
    frame: pd.DataFrame,
    down: list[str],
    across: str | None = None,
    where: dict[str, Any] | None = None,
) -> ShownTable:
    """A frame with the columns `down` as rows and the values of the column `across` as columns.

    A cell is "0.697 (0.660 to 0.730)": the value and its interval. across None: every column that
    is not in `down`, the interval in the cell of the value. where: the rows that are shown.
    """
    rows = select(frame, **(where or {}))
    if across is None:
        others = [c for c in rows.columns if c not in (*down, "value", "low", "high")]
        lines = [
            (*(words(r[c]) for c in down), *(words(r[c]) for c in others), cell(r))
            for r in rows.to_dict("records")
        ]
        return ShownTable(tuple(words(c) for c in (*down, *others, "value")), (*lines,), len(down))
    columns = list(dict.fromkeys(rows[across]))
    cells: dict[tuple[Any, ...], dict[Any, str]] = {}
    for record in rows.to_dict("records"):
        cells.setdefault(tuple(record[c] for c in down), {})[record[across]] = cell(record)
    lines = [
        (*(words(k) for k in key), *(line.get(column, LACKING) for column in columns))
        for key, line in cells.items()
    ]
    return ShownTable(tuple(words(c) for c in (*down, *columns)), (*lines,), len(down))


def cell(record: dict[str, Any]) -> str:
    """A value with its interval, an interval alone, or a dash."""
    value, low, high = (record[name] for name in ("value", "low", "high"))
    if value is None:
        return LACKING
    if low is None or high is None:
        return number(value)
    return f"{number(value)} ({number(low)} to {number(high)})"


def number(value: Any) -> str:
    """Whole numbers with thousands, others with three digits, tiny ones as a bound."""
    if not isinstance(value, int | float) or isinstance(value, bool):
        return words(value)
    if isinstance(value, int):
        return f"{value:,}".replace("-", MINUS)
    if 0 < value < 0.0005:
        return "<0.001"
    return f"{value:z.3f}".replace("-", MINUS)


def words(value: Any) -> str:
    """A key of a frame as a reader should see it."""
    if value is None:
        return LACKING
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return number(value)
    if value in FINDINGS:
        return display_name(value)
    text = str(value).replace("_", " ")
    return text.capitalize() if value == MEAN else text

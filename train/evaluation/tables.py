"""Tables of the report: a tidy frame as rows and columns of text."""

from __future__ import annotations

from typing import Any

import pandas as pd

from lmeran.findings import FINDINGS, display_name
from train.evaluation.section import MEAN, select

LACKING, MINUS = "\N{EN DASH}", "\N{MINUS SIGN}"


def shown_table(
    frame: pd.DataFrame,
    down: list[str],
    across: str | None = None,
    where: dict[str, Any] | None = None,
) -> dict[str, Any]:
    """A frame with the columns `down` as rows and the values of the column `across` as columns.

    A cell is "0.697 (0.660 to 0.730)": the value and its interval. across None: every column that
    is not in `down`, the interval in the cell of the value. where: the rows that are shown.

    Returns "head", names of the columns; "rows", their cells; and "names", how many of the first
    columns are row headings.
    """
    rows = select(frame, **(where or {}))
    rows = rows.assign(value=[cell(r) for r in rows.to_dict("records")])
    if across is None:
        others = [c for c in rows.columns if c not in (*down, "value", "low", "high")]
        table = rows[[*down, *others, "value"]]
    else:
        columns, keys = list(dict.fromkeys(rows[across])), rows[down].drop_duplicates()
        table = rows.set_index([*down, across])["value"].unstack(across, sort=False)
        table = keys.join(table[columns].fillna(LACKING), on=down)
    head = tuple(words(c) for c in table.columns)
    lines = tuple(tuple(map(words, line)) for line in table.itertuples(index=False))
    return {"head": head, "rows": lines, "names": len(down)}


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

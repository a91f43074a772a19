"""Measured values as words, the same in every section."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from lmeran.findings import FINDINGS, display_name
from train.evaluation.statistics import Estimate, PairedTest


def said(estimate: Estimate, digits: int = 3, sign: bool = False) -> str:
    """'0.636 (95 % interval 0.612 to 0.660)'; without bounds the value alone."""
    form = f"{{:{'+' if sign else ''}z.{digits}f}}"
    text = form.format(estimate.value)
    if estimate.low is None or estimate.high is None:
        return text
    return f"{text} (95 % interval {form.format(estimate.low)} to {form.format(estimate.high)})"


def listed(words: Iterable[str]) -> str:
    """'Mass', 'Mass and Nodule', 'Mass, Nodule and Hernia'."""
    *first, last = list(words)
    return f"{', '.join(first)} and {last}" if first else last


def finding_names(positions: Iterable[int]) -> str:
    """Positions in `FINDINGS` as `listed` display names."""
    return listed(display_name(FINDINGS[i]) for i in positions)


def as_json(estimate: Estimate | None) -> dict[str, float | None] | None:
    """{"value", "low", "high"} for metrics.json."""
    if estimate is None:
        return None
    return {"value": estimate.value, "low": estimate.low, "high": estimate.high}


def bounds(
    name: str, estimates: Sequence[Estimate | PairedTest | None]
) -> dict[str, list[float | None]]:
    """Two columns of a table: name + " low" and name + " high"; None where lacking."""
    return {
        f"{name} low": [e and e.low for e in estimates],
        f"{name} high": [e and e.high for e in estimates],
    }


def columns(name: str, estimates: Sequence[Estimate | None]) -> dict[str, list[float | None]]:
    """Three columns of a table: the name, and its `bounds`; None where lacking."""
    return {name: [e and e.value for e in estimates], **bounds(name, estimates)}

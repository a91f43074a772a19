"""Measured values as text, the same in model card and README."""

from __future__ import annotations

from typing import Any


def figure(estimate: dict[str, Any] | float | None, digits: int = 3) -> str:
    """'0.712 (0.690 to 0.733)', '0.712' without an interval, 'none' for None."""
    if estimate is None:
        return "none"
    if not isinstance(estimate, dict):
        return f"{estimate:.{digits}f}"
    value = f"{estimate['value']:.{digits}f}"
    if estimate.get("low") is None:
        return value
    return f"{value} ({estimate['low']:.{digits}f} to {estimate['high']:.{digits}f})"

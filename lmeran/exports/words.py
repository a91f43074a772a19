"""The words that stand beside a number or a map in every export that people read."""

from __future__ import annotations

import numpy as np

from lmeran.exports.record import Record
from lmeran.findings import State, display_name, pin_words
from lmeran.model.maps import CONTOUR_LEVEL, FULL_SCALE

MINUS = "\u2212"
"""A minus sign as wide as a plus."""


def percent(p: float) -> str:
    """'12.3 %', as the viewer writes a probability."""
    x = 100 * p
    if x < 0.01:
        return "<0.01 %"
    if 99.9 < x < 100:
        return ">99.9 %"
    return f"{x:.{2 if x < 1 else 1}f} %"


def points(change: float) -> str:
    """A change of a probability in signed percentage points."""
    x = 100 * abs(change)
    if x < 0.01:
        return "0"
    return f"{MINUS if change < 0 else '+'}{x:.{2 if x < 1 else 1}f}"


def logits(value: float) -> str:
    """A signed number of logits."""
    if abs(value) < 0.005:
        return "0.00"
    return f"{MINUS if value < 0 else '+'}{abs(value):.2f}"


def pins_in_words(record: Record) -> str:
    """'Effusion positive, Mass negative', or 'nothing pinned'."""
    known = [f"{display_name(f)} {word}" for f, word in pin_words(record.pins).items()]
    return ", ".join(known) or "nothing pinned"


def finding_in_words(record: Record) -> str:
    """The selected finding's probabilities: 'Mass: free 3.1 %, with pins 5.0 %'."""
    name, i = display_name(record.finding), record.index
    free, conditioned = record.reading.free[i], record.reading.conditioned[i]
    if np.isnan(conditioned):
        state = State(int(record.reading.states[i])).word
        return f"{name}: pinned {state} by the reader, free probability {percent(free)}"
    if not record.pins:
        return f"{name}: probability {percent(free)}, nothing pinned"
    return f"{name}: free {percent(free)}, with pins {percent(conditioned)}"


def map_in_words(record: Record, scale: str) -> str:
    """What the laid-over map is and what its colours mean."""
    if record.map is None:
        return "No map: this model has no attention."
    colour = (
        f"Colour: probability x attention over its even share, full at {FULL_SCALE:g}, so pale "
        "where the finding is improbable."
        if scale == "absolute"
        else "Colour: share of the map's own maximum, whatever the probability."
    )
    return (
        f"{record.map.name.replace('_', ' ')}, {'free reading' if record.free else 'with pins'}. "
        f"{colour} Contour: {CONTOUR_LEVEL:g} of the maximum. It shows where the label token "
        "looked, not why."
    )

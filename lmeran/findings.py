"""The 14 findings of ChestX-ray14, their order, and the three states a finding can be in.

This is the one place that knows the names and their order: weights, label vectors, tables and
screens all index findings by their position in `FINDINGS`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from enum import IntEnum

import numpy as np

from lmeran.errors import UserError

FINDINGS: tuple[str, ...] = (
    "Atelectasis",
    "Cardiomegaly",
    "Effusion",
    "Infiltration",
    "Mass",
    "Nodule",
    "Pneumonia",
    "Pneumothorax",
    "Consolidation",
    "Edema",
    "Emphysema",
    "Fibrosis",
    "Pleural_Thickening",
    "Hernia",
)


class State(IntEnum):
    """State of a finding; the value is the row of the state embedding."""

    UNKNOWN = 0
    NEGATIVE = 1
    POSITIVE = 2

    @property
    def word(self) -> str:
        """'positive', 'negative' or 'unknown'."""
        return self.name.lower()


Pins = Mapping[str, State]
"""What the reader knows: finding name -> NEGATIVE or POSITIVE. A finding not named is unknown."""


class PinError(UserError):
    """A pin that names no finding or no state; the message says what to write instead."""


def finding_index(name: str) -> int:
    """Position of a finding by name; case, spaces, hyphens and underscores do not matter."""
    wanted = _fold(name)
    for index, finding in enumerate(FINDINGS):
        if _fold(finding) == wanted:
            return index
    raise PinError(f"'{name}' is not one of the 14 findings; use one of {', '.join(FINDINGS)}.")


def parse_state(text: str) -> State:
    """'positive', 'negative' or 'unknown' (any case) to a `State`."""
    try:
        return State[str(text).strip().upper()]
    except KeyError:
        raise PinError(f"'{text}' is not a state; use positive, negative or unknown.") from None


def parse_pins(given: Iterable[str] | Mapping[str, State | str]) -> dict[str, State]:
    """`["Effusion=positive"]` or `{"Effusion": "positive"}` to pins; unknown findings are left out.

    Raises `PinError` for what is no finding or no state, and for a finding pinned twice.
    """
    items = given.items() if isinstance(given, Mapping) else [t.split("=", 1) for t in given]
    pins: dict[str, State] = {}
    for item in items:
        if len(item) != 2:
            raise PinError(f"'{item[0]}' is not a pin; write FINDING=positive or FINDING=negative.")
        name, state = item
        finding = FINDINGS[finding_index(name)]
        if finding in pins:
            raise PinError(f"{finding} is pinned twice; pin each finding once.")
        pins[finding] = state if isinstance(state, State) else parse_state(state)
    return {finding: state for finding, state in pins.items() if state is not State.UNKNOWN}


def states_of(pins: Pins) -> np.ndarray:
    """Pins to a state vector, int64 (14,), in the order of `FINDINGS`."""
    states = np.full(len(FINDINGS), int(State.UNKNOWN), dtype=np.int64)
    for name, state in pins.items():
        states[finding_index(name)] = int(state)
    return states


def pins_of(states: Iterable[int]) -> dict[str, State]:
    """The inverse of `states_of`, in the order of `FINDINGS`."""
    named = zip(FINDINGS, states, strict=True)
    return {finding: State(int(state)) for finding, state in named if state != State.UNKNOWN}


def pin_words(pins: Pins) -> dict[str, str]:
    """Pins as plain data, {"Effusion": "positive"}; `parse_pins` is the inverse."""
    return {finding: State(state).word for finding, state in pins.items()}


def display_name(finding: str) -> str:
    """The name as a reader writes it: 'Pleural_Thickening' -> 'Pleural Thickening'."""
    return finding.replace("_", " ")


def _fold(name: str) -> str:
    return name.strip().lower().replace(" ", "_").replace("-", "_")

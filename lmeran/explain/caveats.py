"""Plain remarks on the pins: what a reader may want to look at again. None of them is an alarm."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from lmeran.checkpoint import Checkpoint
from lmeran.explain.label_prior import LabelPrior
from lmeran.findings import FINDINGS, State, display_name, pins_of
from lmeran.predictor import Reading

UNLIKELY = 0.02
"""A finding pinned positive is remarked on below this free probability ..."""

UNLIKELY_SHARE = 0.5
"""... and below this share of its prevalence. Both: most findings are rare (Hernia is in 0.2 % of
the films), so that a low probability alone may be more than the finding's average."""

LIKELY = 0.5
"""A finding pinned negative is remarked on above this free probability: the model holds it for
more likely present than not, which with these prevalences (18 % at most) takes clear evidence."""

FEW_FILMS = 5
"""Fewer training films than this with the same pins are called few: the model can hardly have
learned what goes with them."""

Kind = Literal["contradicts the image", "outside training", "rarely seen together"]


@dataclass(frozen=True)
class Caveat:
    """One remark. finding: the pin it is about, None for the pins as a whole."""

    kind: Kind
    finding: str | None
    text: str


def prevalence_of(checkpoint: Checkpoint, prior: LabelPrior | None) -> np.ndarray | None:
    """Share of the training films with each finding, float64 (14,); None where not recorded."""
    if prior is not None:
        return prior.marginal
    positives = checkpoint.training.get("train_positives")
    films = checkpoint.training.get("train_images")
    if not positives or not films:
        return None
    return np.array([positives.get(finding, np.nan) for finding in FINDINGS]) / films


def caveats(
    reading: Reading, prior: LabelPrior | None, prevalence: np.ndarray | None
) -> tuple[Caveat, ...]:
    """The remarks on one reading's pins, pins that contradict the image first.

    prior None: no remark on what training saw. prevalence (14,), None or NaN where not
    known: for a positive pin the free probability alone then decides.
    """
    contradictions = (_contradiction(reading, i, prevalence) for i in range(len(FINDINGS)))
    outside = [Caveat("outside training", None, text) for text in reading.warnings]
    return (*filter(None, contradictions), *outside, *_rarely_seen(reading, prior))


def _contradiction(reading: Reading, i: int, prevalence: np.ndarray | None) -> Caveat | None:
    state, free = State(int(reading.states[i])), float(reading.free[i])
    usual = float("nan") if prevalence is None else float(prevalence[i])
    # NaN compares false: an unknown prevalence does not hold the remark back
    unlikely = free < UNLIKELY and not free >= UNLIKELY_SHARE * usual
    contradicts = {State.POSITIVE: unlikely, State.NEGATIVE: free > LIKELY, State.UNKNOWN: False}
    if not contradicts[state]:
        return None
    compared = "" if np.isnan(usual) else f"; {_percent(usual)} of the training films have it"
    text = (
        f"{display_name(FINDINGS[i])} is pinned {state.word}, while with nothing pinned the model "
        f"gives it {_percent(free)} on this film{compared}. The two disagree; the pin is taken as "
        "given."
    )
    return Caveat("contradicts the image", FINDINGS[i], text)


def _rarely_seen(reading: Reading, prior: LabelPrior | None) -> list[Caveat]:
    pins = pins_of(reading.states)
    if prior is None or not pins or (seen := prior.seen(pins)) >= FEW_FILMS:
        return []
    films = f"Only {seen} of the {prior.films:,} training films" if seen else "No training film"
    have = "has" if seen <= 1 else "have"
    what = "this pin" if len(pins) == 1 else f"these {len(pins)} pins together"
    text = f"{films} {have} {what}, so the model had little or nothing to learn from there."
    return [Caveat("rarely seen together", None, text)]


def _percent(share: float) -> str:
    """0.0042 -> '0.4 %'; what would round to zero is written as under 0.1 %."""
    return "under 0.1 %" if share < 0.001 else f"{100 * share:.1f} %"

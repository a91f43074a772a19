"""Platt maps of all findings together. How far each may differ from the rest, how far they may
alter a probability at all, and whether they must differ with the number of known findings, is
chosen by what they do to films of sources they were not fitted on."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from train.calibration.left_out import LeftOut
from train.calibration.platt import Platt, fit_platt, nll

SPREADS = (0.05, 0.2, 0.8)
"""Standard deviations of the prior that draws a finding's map towards that of all findings: with
few positives each map alone would follow chance."""

STRENGTHS = (0.25, 0.5, 0.75, 1.0)
"""Shares of the way from the raw logit to the mapped one. A map learns how often findings occur in
its films too, which is another matter elsewhere."""


@dataclass(frozen=True)
class Choice:
    """What was chosen, and the NLL of a label left out, in nats, that it was chosen by.

    spread: of the prior. strength: share of the map that is applied, 0: raw probabilities stay as
    they are. by_number: whether each number of known findings has maps of its own. left_out: what
    the maps were judged on. raw, free, own: NLL per number of known findings of the raw
    probabilities, of the maps fitted with nothing known, and of maps of its own, the last two at
    their best; means over what was left out at a time.
    """

    spread: float
    strength: float
    by_number: bool
    left_out: Literal["sources", "patients"]
    raw: tuple[float, ...]
    free: tuple[float, ...]
    own: tuple[float, ...]


def fit_maps(logits: np.ndarray, labels: np.ndarray, spread: float) -> list[Platt]:
    """A map for each finding, drawn towards the one that fits all findings together.

    logits, labels: (N, n), with both classes somewhere among them.
    """
    middles = logits.mean(axis=0)
    everywhere = np.broadcast_to(middles, logits.shape).ravel()
    centre = fit_platt(logits.ravel(), labels.ravel(), everywhere)
    columns = range(logits.shape[1])
    return [fit_platt(logits[:, j], labels[:, j], middles[j], centre, spread) for j in columns]


def mapped(logits: np.ndarray, maps: list[Platt], middles: np.ndarray) -> np.ndarray:
    """Logits (N, n) under their maps; middles (n,) as in the fit."""
    slopes = np.array([m.slope for m in maps])
    offsets = np.array([m.offset(middle) for m, middle in zip(maps, middles, strict=True)])
    return slopes * logits + offsets


def softened(fitted: Platt, middle: float, strength: float) -> tuple[float, float]:
    """Slope and offset of the way from the raw logit to the mapped one."""
    if not strength:
        return 1.0, 0.0
    return 1 + strength * (fitted.slope - 1), strength * fitted.offset(middle)


def choose(logits: np.ndarray, labels: np.ndarray, left_out: LeftOut) -> Choice:
    """Raw probabilities, unless maps gain more than one standard error over what is left out at a
    time; and maps by number of known findings only where they gain as much again.

    logits: (K, N, n), the first with nothing known; labels: (N, n).
    """
    raw = _by_group(logits, labels, left_out)
    free, own = (_best(logits, labels, left_out, by_number) for by_number in (False, True))
    chosen = _Candidate(free.spread, 0.0, raw)
    by_number = False
    for candidate, numbered in ((free, False), (own, True)):
        if _gains(chosen.losses, candidate.losses):
            chosen, by_number = candidate, numbered
    return Choice(
        spread=chosen.spread,
        strength=chosen.strength,
        by_number=by_number,
        left_out=left_out.what,
        raw=tuple(raw.mean(axis=0).tolist()),
        free=tuple(free.losses.mean(axis=0).tolist()),
        own=tuple(own.losses.mean(axis=0).tolist()),
    )


@dataclass(frozen=True, eq=False)
class _Candidate:
    """losses: NLL of a label, (groups, K)."""

    spread: float
    strength: float
    losses: np.ndarray


def _best(logits: np.ndarray, labels: np.ndarray, left_out: LeftOut, by_number: bool) -> _Candidate:
    """The spread and strength with the smallest NLL on what is left out."""
    found = []
    for spread in SPREADS:
        moved = _held_out(logits, labels, left_out, spread, by_number) - logits
        for strength in STRENGTHS:
            losses = _by_group(logits + strength * moved, labels, left_out)
            found.append(_Candidate(spread, strength, losses))
    return min(found, key=lambda candidate: candidate.losses.mean())


def _gains(before: np.ndarray, after: np.ndarray) -> bool:
    """Whether losses (groups, K) fall by more than a standard error over the groups."""
    gain = (before - after).mean(axis=1)
    return bool(gain.mean() > gain.std(ddof=1) / np.sqrt(len(gain)))


def _held_out(
    logits: np.ndarray, labels: np.ndarray, left_out: LeftOut, spread: float, by_number: bool
) -> np.ndarray:
    """Logits (K, N, n) under maps fitted without them; unchanged where never left out."""
    found = logits.copy()
    for fitted_on, held in left_out.rounds():
        for k, z in enumerate(logits):
            if by_number or k == 0:
                fitted = z[fitted_on]
                maps, middles = fit_maps(fitted, labels[fitted_on], spread), fitted.mean(axis=0)
            found[k, held] = mapped(z[held], maps, middles)
    return found


def _by_group(logits: np.ndarray, labels: np.ndarray, left_out: LeftOut) -> np.ndarray:
    """Mean NLL of a label in each group, for each number of known findings, (groups, K)."""
    losses = np.stack([nll(z, labels).mean(axis=1) for z in logits], axis=1)
    return np.stack([losses[rows].mean(axis=0) for rows in left_out.groups])

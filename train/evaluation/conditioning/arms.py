"""The arms of the known-label curve: ways of reading with more and more known, measured."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from lmeran.explain.label_prior import LabelPrior
from lmeran.findings import FINDINGS, State
from train.data.index import Index
from train.evaluation.bootstrap import interval, mean_interval, resampled
from train.evaluation.metrics import auc_per_finding, mean_auc
from train.evaluation.predictions import FREE, Scenario, Which, pins_given, trials_of
from train.evaluation.statistics import Estimate
from train.evaluation.study import Study

KNOWN = (0, 3, 7, 10)
"""Known findings along the curve; training shows at most 10."""

WRONG = 0.1
"""Share of wrong pins in the arm that has some."""

MAIN = 7
"""The count of known findings that the single figures are told for."""

SCENARIOS: tuple[Scenario, ...] = (
    FREE,
    *(
        Scenario(known, which, wrong)
        for known in KNOWN[1:]
        for which, wrong in (
            ("all", 0.0),
            ("positive", 0.0),
            ("negative", 0.0),
            ("all", WRONG),
        )
    ),
)
"""All that the measured checkpoint must be read under."""

MIXED: tuple[Scenario, ...] = tuple(Scenario(known) for known in KNOWN)
"""All that a checkpoint without label masking must be read under."""


@dataclass(frozen=True, eq=False)
class Step:
    """One point of an arm.

    gain: AUC less that of the same arm with nothing known, paired over the resamples; None there.
    pins: how many findings were pinned on average.
    """

    known: int
    pins: float
    auc: Estimate | None
    gain: Estimate | None
    per_finding: list[Estimate | None]
    gain_per_finding: list[Estimate | None]


@dataclass(frozen=True, eq=False)
class Arm:
    """One way of reading, with more and more known."""

    key: str
    name: str
    steps: tuple[Step, ...]

    def at(self, known: int) -> Step:
        return next(step for step in self.steps if step.known == known)


@dataclass(frozen=True, eq=False)
class Part:
    """The cases with a positive finding among the known ones, or those without.

    A case is an image and a finding scored on it. free, known: mean AUC over findings, each on its
    own cases.
    """

    cases: int
    share: float
    free: Estimate | None
    known: Estimate | None
    gain: Estimate | None


def measure_arms(study: Study) -> list[Arm]:
    """The measured checkpoint first; arms that there is nothing for are left out."""
    own = study.predictions.probabilities
    arms = [
        _arm(study, "lmeran", "This checkpoint", own),
        _arm(study, "positive_pins", "Positive pins only", own, which="positive"),
        _arm(study, "negative_pins", "Negative pins only", own, which="negative"),
        _arm(study, "wrong_pins", f"{WRONG:.0%} of the pins wrong", own, wrong=WRONG),
    ]
    if study.without_masking is not None:
        other = study.without_masking.probabilities
        arms.append(_arm(study, "without_masking", "Without label masking", other))
    prior = LabelPrior.of(study.predictions.checkpoint)
    if prior is not None:
        alone = label_only(prior, study.index, MIXED)
        arms.append(_arm(study, "label_only", "Labels alone, no image", alone))
    return arms


def by_positive_pin(study: Study) -> tuple[Part, Part]:
    """With `MAIN` findings known: the cases with a positive one among them, and those without."""
    positive = pins_given(study.index, Scenario(MAIN))[:, :, 0] > 0
    return _part(study, positive), _part(study, ~positive)


def label_only(
    prior: LabelPrior, index: Index, scenarios: Sequence[Scenario]
) -> dict[Scenario, np.ndarray]:
    """Probabilities (N, 14) from the known labels and the training films' label sets alone."""
    said: dict[bytes, np.ndarray] = {}
    found = {scenario: np.zeros(index.labels.shape) for scenario in scenarios}
    for row, name in enumerate(index.names):
        for scenario in scenarios:
            for mask, states in trials_of(name, index.labels[row], scenario):
                key = states.tobytes()
                if key not in said:
                    pins = {FINDINGS[i]: State(int(states[i])) for i in np.flatnonzero(states)}
                    said[key] = prior.probabilities(pins)
                found[scenario][row, mask] = said[key][mask]
    return found


def _arm(
    study: Study,
    key: str,
    name: str,
    probabilities: Mapping[Scenario, np.ndarray],
    which: Which = "all",
    wrong: float = 0.0,
) -> Arm:
    labels, steps = study.labels, []
    free_values = auc_per_finding(labels, probabilities[FREE])
    free_drawn = resampled(labels, probabilities[FREE], study.resamples).auc
    for scenario in (FREE, *(Scenario(known, which, wrong) for known in KNOWN[1:])):
        values, drawn = free_values, free_drawn
        if scenario != FREE:
            values = auc_per_finding(labels, probabilities[scenario])
            drawn = resampled(labels, probabilities[scenario], study.resamples).auc
        gains: list[float | None] = [None] * labels.shape[1]
        if scenario != FREE:
            gains = [None if v is None else v - f for v, f in zip(values, free_values, strict=True)]
        difference = drawn - free_drawn
        steps.append(
            Step(
                known=scenario.known,
                pins=float(pins_given(study.index, scenario).sum(axis=2).mean()),
                auc=mean_interval(mean_auc(values), drawn),
                gain=mean_interval(mean_auc(gains), difference),
                per_finding=[interval(v, drawn[:, i]) for i, v in enumerate(values)],
                gain_per_finding=[interval(g, difference[:, i]) for i, g in enumerate(gains)],
            )
        )
    return Arm(key, name, tuple(steps))


def _part(study: Study, cases: np.ndarray) -> Part:
    free, known = (
        _over_cases(study, scores, cases)
        for scores in (study.predictions.free, study.predictions.known(MAIN))
    )
    gain = None if free[0] is None else mean_interval(known[0] - free[0], known[1] - free[1])
    return Part(
        cases=int(cases.sum()),
        share=float(cases.mean()),
        free=mean_interval(*free),
        known=mean_interval(*known),
        gain=gain,
    )


def _over_cases(
    study: Study, scores: np.ndarray, cases: np.ndarray
) -> tuple[float | None, np.ndarray]:
    """Mean AUC over findings, each on its own cases bool (N, 14), and its resamples (B, 14)."""
    values, drawn = [], []
    for i in range(cases.shape[1]):
        rows = np.flatnonzero(cases[:, i])
        labels, some = study.labels[rows, i : i + 1], scores[rows, i : i + 1]
        values += auc_per_finding(labels, some)
        drawn.append(resampled(labels, some, study.resamples.take(rows)).auc[:, 0])
    return mean_auc(values), np.stack(drawn, axis=1)

"""The arms of the known-label curve: ways of reading with more and more known, measured."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from lmeran.explain.label_prior import LabelPrior
from lmeran.findings import FINDINGS, State
from train.data.index import Index
from train.evaluation.bootstrap import interval, mean_interval, resampled
from train.evaluation.figures import Line, line_figure
from train.evaluation.metrics import auc_per_finding, mean_auc
from train.evaluation.predictions import (
    FREE,
    KNOWN,
    MIXED,
    WRONG,
    Scenario,
    Which,
    pins_given,
    trials_of,
)
from train.evaluation.section import MEAN, Section, row, select, tidy
from train.evaluation.study import Study

MAIN = 7
"""The number of known findings that single figures are given for."""

OWN = "this checkpoint"
"""The arm of the measured checkpoint with all kinds of pins."""


def conditioning_section(study: Study) -> Section:
    """The known-label curve of every arm, gains per finding, and cases with a positive pin."""
    frame = measure_arms(study)
    means = select(frame, finding=MEAN, measure="AUC")
    arms = list(dict.fromkeys(means["arm"]))
    lines = []
    for place, arm in enumerate(arms):
        own = select(means, arm=arm)
        apart = 0.12 * (place - len(arms) / 2)
        columns = own[["value", "low", "high"]].to_numpy(dtype=float).T
        lines.append(Line(arm, own["known"].to_numpy(dtype=float) + apart, *columns))
    return Section(
        key="conditioning",
        frames={"known_labels": frame, "positive_pins": by_positive_pin(study)},
        figures={
            "known_labels": line_figure(
                {"": lines},
                ("findings known", "mean AUC of the unknown ones"),
                ticks=(KNOWN, [str(known) for known in KNOWN]),
            )
        },
    )


def measure_arms(study: Study) -> pd.DataFrame:
    """Each way of reading with more and more known; the measured checkpoint first.

    Columns: arm, known, finding (`MEAN` too), measure: "AUC", "gain" over the same arm with nothing
    known, paired over the resamples, and for the mean "pins", how many were pinned on average.
    Arms that there is nothing for are left out.
    """
    own = study.predictions.probabilities
    rows = _arm(study, OWN, own)
    rows += _arm(study, "positive pins only", own, which="positive")
    rows += _arm(study, "negative pins only", own, which="negative")
    rows += _arm(study, f"{WRONG:.0%} of the pins wrong", own, wrong=WRONG)
    if study.without_masking is not None:
        rows += _arm(study, "without label masking", study.without_masking.probabilities)
    prior = LabelPrior.of(study.predictions.checkpoint)
    if prior is not None:
        alone = label_only(prior, study.index, MIXED)
        rows += _arm(study, "labels alone, no image", alone)
    return tidy(rows)


def by_positive_pin(study: Study) -> pd.DataFrame:
    """With `MAIN` findings known: the cases with a positive one among them, and those without.

    A case is an image and a finding scored on it. Columns: cases, measure: "cases", "AUC, free",
    "AUC, known" and "gain": means over findings, each on its own cases.
    """
    positive = pins_given(study.index, Scenario(MAIN))[:, :, 0] > 0
    rows = []
    for name, cases in (("a positive pin", positive), ("negative pins alone", ~positive)):
        free, known = (
            _over_cases(study, scores, cases)
            for scores in (study.predictions.free, study.predictions.known(MAIN))
        )
        gain = None if free[0] is None else mean_interval(known[0] - free[0], known[1] - free[1])
        rows += [
            row(int(cases.sum()), cases=name, measure="cases"),
            row(mean_interval(*free), cases=name, measure="AUC, free"),
            row(mean_interval(*known), cases=name, measure="AUC, known"),
            row(gain, cases=name, measure="gain"),
        ]
    return tidy(rows)


def label_only(
    prior: LabelPrior, index: Index, scenarios: Sequence[Scenario]
) -> dict[Scenario, np.ndarray]:
    """Probabilities (N, 14) from the known labels and the training films' label sets alone."""
    known: dict[bytes, np.ndarray] = {}
    found = {scenario: np.zeros(index.labels.shape) for scenario in scenarios}
    for k, name in enumerate(index.names):
        for scenario in scenarios:
            for mask, states in trials_of(name, index.labels[k], scenario):
                key = states.tobytes()
                if key not in known:
                    pins = {FINDINGS[i]: State(int(states[i])) for i in np.flatnonzero(states)}
                    known[key] = prior.probabilities(pins)
                found[scenario][k, mask] = known[key][mask]
    return found


def _arm(
    study: Study,
    arm: str,
    probabilities: Mapping[Scenario, np.ndarray],
    which: Which = "all",
    wrong: float = 0.0,
) -> list[dict[str, Any]]:
    labels, rows = study.labels, []
    free_values = auc_per_finding(labels, probabilities[FREE])
    free_drawn = resampled(labels, probabilities[FREE], study.resamples).auc
    for scenario in (FREE, *(Scenario(known, which, wrong) for known in KNOWN[1:])):
        values, drawn = free_values, free_drawn
        if scenario != FREE:
            values = auc_per_finding(labels, probabilities[scenario])
            drawn = resampled(labels, probabilities[scenario], study.resamples).auc
        keys = {"arm": arm, "known": scenario.known}
        pins = float(pins_given(study.index, scenario).sum(axis=2).mean())
        auc = mean_interval(mean_auc(values), drawn)
        rows += [
            row(pins, **keys, finding=MEAN, measure="pins"),
            row(auc, **keys, finding=MEAN, measure="AUC"),
        ]
        for i, finding in enumerate(FINDINGS):
            auc = interval(values[i], drawn[:, i])
            rows.append(row(auc, **keys, finding=finding, measure="AUC"))
        if scenario == FREE:
            continue
        gains = [None if v is None else v - f for v, f in zip(values, free_values, strict=True)]
        difference = drawn - free_drawn
        gain = mean_interval(mean_auc(gains), difference)
        rows.append(row(gain, **keys, finding=MEAN, measure="gain"))
        for i, finding in enumerate(FINDINGS):
            gain = interval(gains[i], difference[:, i])
            rows.append(row(gain, **keys, finding=finding, measure="gain"))
    return rows


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

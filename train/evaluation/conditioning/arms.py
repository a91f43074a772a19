"""The arms of the known-label curve: ways of reading with more and more known, measured."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from lmeran.explain.label_prior import LabelPrior
from lmeran.findings import FINDINGS
from train.evaluation.bootstrap import interval, mean_interval, resampled
from train.evaluation.conditioning.counting import label_only
from train.evaluation.figures import Line, line_figure
from train.evaluation.metrics import auc_per_finding, mean_auc
from train.evaluation.predictions import (
    FREE,
    KNOWN,
    WRONG,
    Scenario,
    Which,
)
from train.evaluation.section import MEAN, Section, row, select, tidy
from train.evaluation.study import Study

OWN = "this checkpoint"
"""The arm of the measured checkpoint with all kinds of pins."""

COUNTING = "counting alone"
"""The arm that moves the free reading by the training films' labels, `LabelPrior.counted`."""

KINDS: dict[Which, str] = {
    "all": OWN,
    "positive": "positive pins only",
    "negative": "negative pins only",
}
"""The arms of the measured checkpoint by the pins they are given."""


class Step(NamedTuple):
    """One way of reading with one number of known findings: AUC of each finding, None for a single
    class, and the same in each resample, (B, 14)."""

    auc: list[float | None]
    drawn: np.ndarray


Curve = dict[int, Step]
"""By number of known findings, from 0."""


def conditioning_section(study: Study) -> Section:
    """The known-label curve of every arm, gains per finding, the model beside counting labels."""
    curves = measure_arms(study)
    frame = arms_frame(curves)
    means = select(frame, finding=MEAN, measure="AUC")
    lines = []
    for place, arm in enumerate(curves):
        own = select(means, arm=arm)
        apart = 0.12 * (place - len(curves) / 2)
        columns = own[["value", "low", "high"]].to_numpy(dtype=float).T
        lines.append(Line(arm, own["known"].to_numpy(dtype=float) + apart, *columns))
    facts, frames = {}, {"known_labels": frame}
    prior = LabelPrior.of(study.predictions.checkpoint)
    if prior is not None:
        facts["weight_of_counting"] = prior.used_weight
        facts["weight_of_counting_fitted"] = prior.weight is not None
        frames["counting"] = beside_counting(study, prior, curves)
    return Section(
        key="conditioning",
        facts=facts,
        frames=frames,
        figures={
            "known_labels": line_figure(
                {"": lines},
                ("findings known", "mean AUC of the unknown ones"),
                ticks=(KNOWN, [str(known) for known in KNOWN]),
            )
        },
    )


def measure_arms(study: Study) -> dict[str, Curve]:
    """Each way of reading with more and more known; the measured checkpoint first. Arms that there
    is nothing for are left out."""
    own = study.predictions.probabilities
    curves = {arm: _curve(study, own, which) for which, arm in KINDS.items()}
    curves[f"{WRONG:.0%} of the pins wrong"] = _curve(study, own, wrong=WRONG)
    prior = LabelPrior.of(study.predictions.checkpoint)
    if prior is not None:
        alone = {
            s: label_only(prior, study.index.names, study.labels, s) for s in map(Scenario, KNOWN)
        }
        curves[COUNTING] = _curve(study, _counted(study, prior, "all"))
        curves["labels alone, no image"] = _curve(study, alone)
    return curves


def arms_frame(curves: Mapping[str, Curve]) -> pd.DataFrame:
    """Columns: arm, known, finding (`MEAN` too), measure: "AUC", and "gain" over the same arm with
    nothing known, paired over the resamples."""
    rows = []
    for arm, curve in curves.items():
        for known, step in curve.items():
            keys = {"arm": arm, "known": known}
            rows += _rows(step, **keys, measure="AUC")
            if known:
                rows += _rows(_difference(step, curve[0]), **keys, measure="gain")
    return tidy(rows)


def beside_counting(study: Study, prior: LabelPrior, curves: Mapping[str, Curve]) -> pd.DataFrame:
    """The mean AUC of the measured checkpoint under each kind of pins beside that of counting
    labels on its own free reading, and the paired difference.

    Columns: pins, known, measure: `OWN`, `COUNTING` or "difference", the first less the second.
    """
    rows = []
    for which, arm in KINDS.items():
        counting = curves[COUNTING]
        if which != "all":
            counting = _curve(study, _counted(study, prior, which), which)
        for known, step in curves[arm].items():
            keys = {"pins": which, "known": known}
            for measure, found in {
                OWN: step,
                COUNTING: counting[known],
                "difference": _difference(step, counting[known]),
            }.items():
                mean = mean_interval(mean_auc(found.auc), found.drawn)
                rows.append(row(mean, **keys, measure=measure))
    return tidy(rows)


def _counted(study: Study, prior: LabelPrior, which: Which) -> dict[Scenario, np.ndarray]:
    """The free reading moved by counting labels, of which some are known."""
    free = study.predictions.free
    found = {FREE: free}
    for known in KNOWN[1:]:
        scenario = Scenario(known, which)
        alone = label_only(prior, study.index.names, study.labels, scenario)
        found[scenario] = prior.counted(free, alone)
    return found


def _curve(
    study: Study,
    probabilities: Mapping[Scenario, np.ndarray],
    which: Which = "all",
    wrong: float = 0.0,
) -> Curve:
    curve = {}
    for scenario in (FREE, *(Scenario(known, which, wrong) for known in KNOWN[1:])):
        scores = probabilities[scenario]
        curve[scenario.known] = Step(
            auc=auc_per_finding(study.labels, scores),
            drawn=resampled(study.labels, scores, study.resamples).auc,
        )
    return curve


def _difference(first: Step, second: Step) -> Step:
    """AUC of each finding, first less second, and in each resample."""
    pairs = zip(first.auc, second.auc, strict=True)
    return Step([None if a is None else a - b for a, b in pairs], first.drawn - second.drawn)


def _rows(step: Step, **keys: Any) -> list[dict[str, Any]]:
    """The mean over the findings, then each of them."""
    rows = [row(mean_interval(mean_auc(step.auc), step.drawn), **keys, finding=MEAN)]
    for i, finding in enumerate(FINDINGS):
        rows.append(row(interval(step.auc[i], step.drawn[:, i]), **keys, finding=finding))
    return rows

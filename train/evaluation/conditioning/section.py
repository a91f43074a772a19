"""What knowing some findings does for the others: the known-label curve and its arms."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from lmeran.findings import FINDINGS, display_name
from train.evaluation.conditioning.arms import (
    KNOWN,
    MAIN,
    WRONG,
    Arm,
    Part,
    Step,
    by_positive_pin,
    measure_arms,
)
from train.evaluation.section import Plot, Section, Table
from train.evaluation.statistics import Estimate
from train.evaluation.study import Study
from train.evaluation.style import BLUE, GRAY, GREEN, ORANGE, PURPLE, new_figure, styled
from train.evaluation.wording import as_json, columns, finding_names, said

_OWN_FREE = ("lmeran", "without_masking", "label_only")
"""Arms that do not start from this checkpoint's own free reading, and that one."""


def conditioning_section(study: Study) -> Section:
    """The arms of the known-label curve, gains per finding, and cases with a positive pin."""
    arms = measure_arms(study)
    main = arms[0]
    parts = by_positive_pin(study)
    return Section(
        key="conditioning",
        title="Conditioning: what known findings do for the others",
        text=_sentences(arms),
        tables=(_curve_table(arms), _part_table(parts), _finding_table(arms)),
        plots=(
            Plot(
                "known_labels",
                "Mean AUC with more findings known",
                _figure(arms),
                "Each finding is scored while it is unknown; the masks depend on the image's name "
                "alone, so all arms are measured on the same cases. Bars: 95 % patient bootstrap.",
            ),
        ),
        metrics={
            "arms": {arm.key: [_step_json(step) for step in arm.steps] for arm in arms},
            "gain_per_finding": {
                finding: as_json(main.at(MAIN).gain_per_finding[i])
                for i, finding in enumerate(FINDINGS)
            },
            "positive_among_known": _part_json(parts[0]),
            "negative_known_alone": _part_json(parts[1]),
        },
    )


def _sentences(arms: list[Arm]) -> tuple[str, ...]:
    by_key = {arm.key: arm for arm in arms}
    step = by_key["lmeran"].at(MAIN)
    if step.auc is None:
        return ("No finding has both classes in these images, so there is no AUC.",)
    lines = [
        f"With {MAIN} of the other findings known, the mean AUC is {said(step.auc)}; the gain over "
        f"nothing known is {said(step.gain, sign=True)}."
    ]
    lines += [_verdict(step.gain)]
    for key, what in (("positive_pins", "positive"), ("negative_pins", "negative")):
        part = by_key[key].at(MAIN)
        lines.append(
            f"Where only the {what} ones of these {MAIN} are pinned ({part.pins:.1f} on average), "
            f"the gain is {said(part.gain, sign=True)}."
        )
    wrong = by_key["wrong_pins"].at(MAIN)
    lines.append(
        f"With {WRONG:.0%} of {MAIN} pins wrong, the mean AUC is {said(wrong.auc)}, "
        f"{wrong.auc.value - step.auc.value:+.3f} against right pins."
    )
    if "label_only" in by_key:
        alone = by_key["label_only"].at(MAIN)
        lines.append(f"The labels alone, without any image, reach {said(alone.auc)}.")
    if "without_masking" in by_key:
        plain = by_key["without_masking"].at(MAIN)
        lines.append(
            f"The checkpoint without label masking gains {said(plain.gain, sign=True)} from the "
            "same pins."
        )
    else:
        lines.append(
            "No checkpoint trained without label masking was given, so that this arm is lacking. "
            "The image alone is this checkpoint with nothing pinned."
        )
    clear = [i for i, g in enumerate(step.gain_per_finding) if g is not None and (g.low or 0) > 0]
    if clear:
        lines.append(f"The gain is above zero beyond its interval for {finding_names(clear)}.")
    return tuple(lines)


def _verdict(gain: Estimate) -> str:
    if gain.low is None or gain.high is None:
        return "There are too few patients for an interval of that gain."
    if gain.low > 0:
        return "So knowing findings helps the others beyond what chance explains."
    if gain.high < 0:
        return "So knowing findings harms the others beyond what chance explains."
    return "So a gain is not shown: the interval holds zero."


def _curve_table(arms: list[Arm]) -> Table:
    rows = [(arm, step) for arm in arms for step in arm.steps if step.known or arm.key in _OWN_FREE]
    frame = pd.DataFrame(
        {
            "Arm": [arm.name for arm, _ in rows],
            "Known": [step.known for _, step in rows],
            "Pins": [round(step.pins, 2) for _, step in rows],
            **columns("Mean AUC", [step.auc for _, step in rows]),
            **columns("Gain", [step.gain for _, step in rows]),
        }
    )
    return Table(
        "known_labels",
        "The known-label curve",
        frame,
        "Known: findings whose truth is used; Pins: how many of them are pinned, on average. With "
        "0 known this checkpoint reads the image alone. Gain: against the same arm with nothing "
        "known, paired over the resamples of the patients.",
    )


def _part_table(parts: tuple[Part, Part]) -> Table:
    frame = pd.DataFrame(
        {
            f"Among the {MAIN} known": ["a positive one", "negative ones alone"],
            "Cases": [part.cases for part in parts],
            "Share %": [100 * part.share for part in parts],
            **columns("Free", [part.free for part in parts]),
            **columns("Known", [part.known for part in parts]),
            **columns("Gain", [part.gain for part in parts]),
        }
    )
    return Table(
        "positive_among_known",
        "Gains from a positive finding among the known ones, and from negative ones alone",
        frame,
        "Mean AUC over findings; a case is an image and a finding scored on it. AUC compares cases "
        "within each row.",
    )


def _finding_table(arms: list[Arm]) -> Table:
    by_key = {arm.key: arm for arm in arms}
    main = by_key["lmeran"]
    positive, negative = (by_key[k].at(MAIN) for k in ("positive_pins", "negative_pins"))
    frame = pd.DataFrame(
        {
            "Finding": [display_name(finding) for finding in FINDINGS],
            "Free": [e and e.value for e in main.at(0).per_finding],
            **columns(f"{MAIN} known", main.at(MAIN).per_finding),
            **columns("Gain", main.at(MAIN).gain_per_finding),
            **columns("By positive pins", positive.gain_per_finding),
            **columns("By negative pins", negative.gain_per_finding),
        }
    )
    return Table(
        "conditioning_findings",
        f"AUC of each finding with {MAIN} others known",
        frame,
        "Gains against the free reading, 95 % patient bootstrap.",
    )


def _figure(arms: list[Arm]) -> Figure:
    looks = {
        "lmeran": (BLUE, "-", "o"),
        "positive_pins": (ORANGE, "--", "^"),
        "negative_pins": (GREEN, "--", "v"),
        "wrong_pins": (GRAY, ":", "x"),
        "without_masking": (PURPLE, "-", "s"),
        "label_only": (GRAY, "-.", "D"),
    }
    with styled():
        figure = new_figure(3.6, 7.2)
        axes = figure.subplots()
        for place, arm in enumerate(arms):
            colour, dashes, marker = looks[arm.key]
            steps = [step for step in arm.steps if step.auc is not None]
            x = np.array([step.known for step in steps]) + 0.12 * (place - len(arms) / 2)
            y = [step.auc.value for step in steps]
            axes.plot(x, y, dashes, color=colour, marker=marker, markersize=4, label=arm.name)
            for at, step in zip(x, steps, strict=True):
                if step.auc.low is not None:
                    axes.plot([at, at], [step.auc.low, step.auc.high], color=colour, linewidth=0.7)
        own = arms[0].at(0).auc
        if own is not None:
            axes.axhline(
                own.value,
                color=BLUE,
                linewidth=0.8,
                linestyle=(0, (2, 3)),
                label="Image alone (nothing pinned)",
            )
        axes.set(xlabel="findings known", ylabel="mean AUC of the unknown ones", xticks=KNOWN)
        figure.legend(loc="outside right upper")
    return figure


def _step_json(step: Step) -> dict[str, Any]:
    return {
        "known": step.known,
        "pins": step.pins,
        "mean_auc": as_json(step.auc),
        "gain": as_json(step.gain),
    }


def _part_json(part: Part) -> dict[str, Any]:
    return {
        "cases": part.cases,
        "free": as_json(part.free),
        "known": as_json(part.known),
        "gain": as_json(part.gain),
    }

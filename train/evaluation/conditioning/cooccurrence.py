"""How findings go together in the data, beside what the model lets them do to each other."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from lmeran.explain.label_prior import LabelPrior
from lmeran.findings import FINDINGS, display_name
from train.data.index import label_sets
from train.evaluation.section import Plot, Section, Table
from train.evaluation.study import Study
from train.evaluation.style import new_figure, styled

LEAST_EXPECTED = 1.0
"""Films that must be expected to have both findings by chance; below, a lift says nothing."""


@dataclass(frozen=True, eq=False)
class Together:
    """Row i, column j, each (14, 14) with NaN where there is nothing to say.

    lift: P(i and j) / (P(i) P(j)) in the measured images; training_lift: in the training films,
    None where the checkpoint does not tell them. positive, negative: mean over images of the change
    of the logit of j when i alone is pinned so; positive_points: of its probability, in percentage
    points.
    """

    images: int
    lift: np.ndarray
    training_lift: np.ndarray | None
    positive: np.ndarray
    negative: np.ndarray
    positive_points: np.ndarray


def cooccurrence_section(study: Study) -> Section | None:
    """The two matrices side by side and how well their ranks agree; None without single pins."""
    found = measure_together(study)
    if found is None:
        return None
    agreement = {
        "measured_images": rank_correlation(_log(found.lift), found.positive),
        "training_films": None
        if found.training_lift is None
        else rank_correlation(_log(found.training_lift), found.positive),
    }
    return Section(
        key="cooccurrence",
        title="What goes together, and what the model makes of it",
        text=_sentences(found, agreement),
        tables=(
            _matrix_table("lift", "Lift in the measured images", found.lift),
            _matrix_table("influence_positive", "Logits moved by a positive pin", found.positive),
            _matrix_table("influence_negative", "Logits moved by a negative pin", found.negative),
        ),
        plots=(
            Plot(
                "cooccurrence",
                "Lift of the data and mean influence of the model",
                _figure(found),
                "Left: log2 of how much more often two findings go together than by chance; blank "
                f"where less than {LEAST_EXPECTED:g} film is expected to have both. Right: mean "
                "change of the column's logit when the row's finding is pinned positive, over "
                f"{found.images:,} images, whatever is true of them. Red: more, blue: less.",
            ),
        ),
        metrics={
            "images": found.images,
            "rank_correlation_with_lift": agreement,
            "mean_logit_change_positive": _mean(found.positive),
            "mean_logit_change_negative": _mean(found.negative),
        },
    )


def measure_together(study: Study) -> Together | None:
    """Lift of the study's labels and influence over its images with single pins."""
    single = study.predictions.single
    if single is None:
        return None
    training = LabelPrior.of(study.predictions.checkpoint)
    measured = LabelPrior.from_sets(label_sets(study.labels))
    return Together(
        images=len(single.rows),
        lift=_lift(measured),
        training_lift=None if training is None else _lift(training),
        positive=single.positive_logit.mean(axis=0),
        negative=single.negative_logit.mean(axis=0),
        positive_points=100 * single.positive.mean(axis=0),
    )


def rank_correlation(a: np.ndarray, b: np.ndarray) -> float | None:
    """Spearman's over the cells that both have; None with fewer than three or without spread."""
    both = np.isfinite(a) & np.isfinite(b)
    ranks = [pd.Series(m[both]).rank().to_numpy() for m in (a, b)]
    if both.sum() < 3 or any(np.ptp(r) == 0 for r in ranks):
        return None
    return float(np.corrcoef(*ranks)[0, 1])


def _lift(prior: LabelPrior) -> np.ndarray:
    share = prior.marginal
    expected = np.outer(share, share) * prior.films
    return np.where(expected >= LEAST_EXPECTED, prior.lift(), np.nan)


def _log(lift: np.ndarray) -> np.ndarray:
    """log2; pairs never seen together stand at half the smallest lift seen."""
    seen = lift[np.isfinite(lift) & (lift > 0)]
    floor = seen.min() / 2 if len(seen) else 1.0
    return np.log2(np.where(lift > 0, lift, np.where(np.isfinite(lift), floor, np.nan)))


def _sentences(found: Together, agreement: dict[str, float | None]) -> tuple[str, ...]:
    lines = []
    for key, what in (
        ("measured_images", "these images"),
        ("training_films", "the training films"),
    ):
        value = agreement[key]
        if value is not None:
            lines.append(
                "Rank correlation of the mean influence of a positive pin with the lift in "
                f"{what}: {value:.2f}."
            )
    strongest = np.unravel_index(np.nanargmax(found.positive), found.positive.shape)
    lines.append(
        f"The strongest mean influence is that of {_name(strongest[0])} on {_name(strongest[1])}: "
        f"{found.positive[strongest]:+.2f} logits, "
        f"{found.positive_points[strongest]:+.1f} percentage points."
    )
    return tuple(lines)


def _name(position: Any) -> str:
    return display_name(FINDINGS[int(position)])


def _matrix_table(name: str, title: str, matrix: np.ndarray) -> Table:
    names = [display_name(finding) for finding in FINDINGS]
    frame = pd.DataFrame(matrix, columns=names).astype(object).where(np.isfinite(matrix), None)
    frame.insert(0, "Pinned", names)
    return Table(name, title, frame, "Rows: pinned; columns: read.", shown=False)


def _figure(found: Together) -> Figure:
    names = [display_name(finding) for finding in FINDINGS]
    with styled():
        figure = new_figure(4.9, 8.4)
        left, right = figure.subplots(1, 2, sharey=True)
        for axes, matrix, title, unit in (
            (left, _log(found.lift), "Lift in these images", "log2 of the lift"),
            (right, found.positive, "Influence of a positive pin", "logits"),
        ):
            top = max(0.1, float(np.nanquantile(np.abs(matrix), 0.98)))
            image = axes.imshow(matrix, cmap="RdBu_r", vmin=-top, vmax=top)
            axes.set_xticks(range(len(names)), names, rotation=90)
            axes.set_yticks(range(len(names)), names)
            axes.tick_params(length=0)
            axes.set_title(title)
            axes.spines[:].set_visible(False)
            figure.colorbar(image, ax=axes, orientation="horizontal", label=unit, shrink=0.6)
        left.set_ylabel("pinned")
    return figure


def _mean(matrix: np.ndarray) -> dict[str, dict[str, float]]:
    """{pinned: {read: value}} of the cells that are numbers."""
    return {
        FINDINGS[i]: {FINDINGS[j]: float(v) for j, v in enumerate(row) if np.isfinite(v)}
        for i, row in enumerate(matrix)
    }

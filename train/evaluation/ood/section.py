"""The input gate on films it was not fitted on: how many it accepts, and what else it detects."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from matplotlib.figure import Figure

from lmeran.checkpoint import Checkpoint
from lmeran.ood import Gate, features, gate_scores, identity
from train.data.index import Index
from train.data.pixels import cached_pixels
from train.evaluation.calibration.measures import wilson
from train.evaluation.metrics import auc
from train.evaluation.ood.images import SPOILED, dicom_files, patterns, photographs, spoiled
from train.evaluation.predictions import sample_rows
from train.evaluation.scoring import encodings
from train.evaluation.section import Plot, Section, Table
from train.evaluation.statistics import Estimate
from train.evaluation.style import BLUE, GRAY, ORANGE, new_figure, styled
from train.evaluation.wording import as_json, columns, said

FILMS = 300
"""Real films; each is read once as it is and once for each way of spoiling it."""

REAL = "films of the split"
CHEST = "other frontal chest DICOM"
LATERAL = "lateral DICOM"

ACCEPTANCE = 0.95
"""Share of the real films that the threshold of the comparison accepts: a threshold set on these
films, for the report alone. The one in the checkpoint was set on validation films."""


@dataclass(frozen=True, eq=False)
class Kind:
    """Pictures of one kind. accept: whether the gate should let them pass; scores: (N,)."""

    name: str
    accept: bool
    scores: np.ndarray

    def rejected(self, threshold: float) -> Estimate | None:
        """Share that is not accepted, with Wilson's interval; None of nothing."""
        return wilson(int((self.scores > threshold).sum()), len(self.scores))


def gate_section(
    checkpoint: Checkpoint,
    index: Index,
    cache: Path,
    device: torch.device,
    films: int = FILMS,
    dicom: Path | None = None,
) -> Section | None:
    """Acceptance of films of the index and detection of what is none; None without a gate.

    cache: folder of the pixel cache. films: how many of the index, chosen by their names. dicom:
    folder with DICOM files of any kind, None for none.
    """
    gate = checkpoint.gate
    if gate is None or films <= 0:
        return None
    kinds = measure(checkpoint, gate, index, cache, device, films, dicom)
    level = accepting(kinds[0].scores)
    return Section(
        key="gate",
        title="Input gate",
        text=_sentences(gate, kinds, level),
        tables=(_table(gate, kinds, level),),
        plots=(
            Plot(
                "gate",
                "Scores of the input gate",
                _figure(gate, kinds, level),
                "Each dot is a picture; dashed: the gate's threshold; dotted: the one that accepts "
                f"{ACCEPTANCE:.0%} of these films. The score is the squared distance from the "
                "validation films in the backbone's features, 1 for the average one.",
            ),
        ),
        metrics=_metrics(gate, kinds, level),
    )


def accepting(scores: np.ndarray) -> float:
    """The threshold that accepts `ACCEPTANCE` of these scores."""
    return float(np.quantile(scores, ACCEPTANCE, method="higher"))


def measure(
    checkpoint: Checkpoint,
    gate: Gate,
    index: Index,
    cache: Path,
    device: torch.device,
    films: int,
    dicom: Path | None,
) -> list[Kind]:
    """Scores of every kind of picture, the real films first."""
    preprocessing = checkpoint.config.preprocessing
    chosen = index.take(np.array(sample_rows(index, films)))
    real = np.array(cached_pixels(chosen, preprocessing, cache))
    pictures = [(REAL, True, real)]
    pictures += [(f"the same, {kind}", False, spoiled(real, kind)) for kind in SPOILED]
    if dicom is not None:
        chest, lateral, other = dicom_files(dicom, preprocessing)
        pictures += [(CHEST, True, chest), (LATERAL, False, lateral), ("other DICOM", False, other)]
    pictures += [
        ("photographs and parts of them", False, photographs(preprocessing)),
        ("noise and patterns", False, patterns(preprocessing.image_size)),
    ]
    model = checkpoint.model.to(device)
    found = []
    for name, accept, squares in pictures:
        if not len(squares):
            continue
        batches = encodings(model, squares, 32, device, label=name)
        scores = [gate_scores(gate, features(e, gate.layer)) for _, e in batches]
        found.append(Kind(name, accept, np.concatenate(scores)))
    return found


def _sentences(gate: Gate, kinds: list[Kind], level: float) -> tuple[str, ...]:
    real, *others = kinds
    passed = wilson(int((real.scores <= gate.threshold).sum()), len(real.scores))
    lines = [
        f"The gate (identity {identity(gate)}) was fitted on {gate.films:,} validation films, its "
        f"threshold ({gate.threshold:.3f}) set there to accept {_percent(gate.acceptance, 0)} of "
        f"the films of each source it had not seen; of {len(real.scores)} films of this split it "
        f"accepts {said(passed)}.",
        f"What it warns of; in brackets what a threshold that accepts {_percent(ACCEPTANCE, 0)} of "
        "these very films would, and the AUC against them:",
    ]
    for kind in others:
        share, compared = kind.rejected(gate.threshold), kind.rejected(level)
        line = f"{kind.name} ({len(kind.scores)}): {_percent(share.value)}"
        if kind.accept:
            lines.append(f"{line}, wrongly.")
            continue
        told = f"{_percent(compared.value)}, AUC {_auc(real.scores, kind.scores):.3f}"
        lines.append(f"{line} ({told}).")
    if all(kind.name != LATERAL for kind in others):
        lines.append("No lateral film was at hand: what the gate does with one is not measured.")
    lines.append(
        "A warning is a sentence to the reader; nothing is hidden or refused. The gate knows "
        "nothing of what a film shows, of its quality, or of patients unlike those trained on."
    )
    return tuple(lines)


def _percent(share: float, digits: int = 1) -> str:
    return f"{100 * share:.{digits}f} %"


def _table(gate: Gate, kinds: list[Kind], level: float) -> Table:
    real = kinds[0].scores
    shipped = "Warned of %"
    compared = f"At {ACCEPTANCE:.0%} accepted %"
    warned = {
        shipped: [kind.rejected(gate.threshold) for kind in kinds],
        compared: [kind.rejected(level) for kind in kinds],
    }
    frame = pd.DataFrame(
        {
            "Pictures": [kind.name for kind in kinds],
            "Number": [len(kind.scores) for kind in kinds],
            "Should pass": ["yes" if kind.accept else "no" for kind in kinds],
            **{
                column: [None if v is None else 100 * v for v in values]
                for name, shares in warned.items()
                for column, values in columns(name, shares).items()
            },
            "Median score": [float(np.median(kind.scores)) for kind in kinds],
            "AUC": [None if k.accept else _auc(real, k.scores) for k in kinds],
        }
    )
    return Table(
        "gate",
        "What the input gate warns of",
        frame,
        f"{shipped}: with the gate's threshold, {gate.threshold:.3f}. {compared}: with the one "
        f"that accepts {ACCEPTANCE:.0%} of these films, {level:.3f}, for comparison alone. "
        "Wilson's 95 % intervals, which take pictures to be independent: parts of one photograph "
        "are not. AUC: of the score, these against the films of the split as they are.",
    )


def _auc(real: np.ndarray, other: np.ndarray) -> float | None:
    labels = np.concatenate([np.zeros(len(real)), np.ones(len(other))])
    return auc(labels, np.concatenate([real, other]))


def _figure(gate: Gate, kinds: list[Kind], level: float) -> Figure:
    with styled():
        figure = new_figure(0.7 + 0.34 * len(kinds))
        axes = figure.subplots()
        random = np.random.default_rng(0)
        for place, kind in enumerate(reversed(kinds)):
            shake = place + random.uniform(-0.26, 0.26, len(kind.scores))
            colour = BLUE if kind.accept else ORANGE
            axes.plot(kind.scores, shake, ".", color=colour, markersize=2, alpha=0.5)
        axes.axvline(gate.threshold, color=GRAY, linewidth=0.8, linestyle=(0, (3, 3)))
        axes.axvline(level, color=GRAY, linewidth=0.8, linestyle=(0, (1, 2)))
        axes.set_yticks(range(len(kinds)), [kind.name for kind in reversed(kinds)])
        axes.set(xscale="log", xlabel="score")
    return figure


def _metrics(gate: Gate, kinds: list[Kind], level: float) -> dict[str, Any]:
    return {
        "identity": identity(gate),
        "fitted_on_films": gate.films,
        "threshold": gate.threshold,
        "acceptance_on_validation": gate.acceptance,
        "threshold_of_comparison": level,
        "acceptance_of_comparison": ACCEPTANCE,
        "kinds": [
            {
                "name": kind.name,
                "pictures": len(kind.scores),
                "should_pass": kind.accept,
                "warned_of": as_json(kind.rejected(gate.threshold)),
                "warned_of_at_acceptance": as_json(kind.rejected(level)),
                "auc": None if kind.accept else _auc(kinds[0].scores, kind.scores),
            }
            for kind in kinds
        ],
    }

"""A proof as text and as a figure."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

from lmeran.findings import FINDINGS, display_name
from train.evaluation.metrics import mean_auc
from train.phantom.proof.lesion_maps import KINDS, MEASURES
from train.phantom.proof.results import Arm, Proof
from train.phantom.proof.shifts import Agreement, Shifts

POINTS = 6000
"""Shifts shown in the figure at most."""


def report(proof: Proof) -> str:
    """All tables as text."""
    lines = [f"{len(proof.index)} films of the synthetic world's test split", ""]
    lines += [
        "Shift under pins against the exact posterior shift (r and slope with 95 % intervals)",
        f"{'':<30}{'pins':<14}{'pairs':>8}{'r, logit':>22}{'slope':>22}{'r, probability':>16}",
    ]
    for name, agreement in [
        *((_name(arm), arm.agreement) for arm in proof.arms),
        ("the pins without the film", proof.labels_alone),
    ]:
        for pins, found in agreement["logit"].items():
            probability = agreement["probability"][pins].correlation
            lines.append(f"{name:<30}{pins:<14}{_figures(found)}{probability:>16.3f}")
    return "\n".join([*lines, "", *_auc_lines(proof), "", *_map_lines(proof)])


def scatter(proof: Proof, path: Path) -> None:
    """PNG: each arm's shifts over the true ones, with the line of perfect agreement."""
    figure = Figure(figsize=(5.2 * len(proof.arms), 5), layout="constrained")
    panels = figure.subplots(1, len(proof.arms), squeeze=False, sharex=True, sharey=True)[0]
    for axes, arm in zip(panels, proof.arms, strict=True):
        x, y = _points(proof.true, arm.shifts)
        found = arm.agreement["logit"]["all"]
        axes.scatter(x, y, s=4, alpha=0.25, linewidths=0, color="#1f5fa8", rasterized=True)
        limit = float(np.abs(x).max()) * 1.05
        axes.plot([-limit, limit], [-limit, limit], color="0.4", linewidth=1, linestyle="--")
        axes.set_title(f"{_name(arm)}\nr {found.correlation:.2f}, slope {found.slope:.2f}")
        axes.set_xlabel("true shift of the logit")
    panels[0].set_ylabel("shift of the model's logit")
    figure.savefig(path, dpi=140)


def _points(true: Shifts, measured: Shifts) -> tuple[np.ndarray, np.ndarray]:
    """Up to `POINTS` pairs of shifts, evenly spread over all."""
    usable = np.isfinite(true.logit) & np.isfinite(measured.logit)
    x, y = true.logit[usable], measured.logit[usable]
    step = max(1, len(x) // POINTS)
    return x[::step], y[::step]


def _auc_lines(proof: Proof) -> list[str]:
    names = [_name(arm) for arm in proof.arms]
    lines = [
        "AUC with nothing pinned, beside the best possible",
        f"{'':<20}{'best':>8}" + "".join(f"{name:>28}" for name in names),
    ]
    columns = [proof.best_auc, *(arm.auc for arm in proof.arms)]
    rows = [(display_name(f), [c[i] for c in columns]) for i, f in enumerate(FINDINGS)]
    for label, values in [*rows, ("mean", [mean_auc(column) for column in columns])]:
        cells = [f"{'one class' if v is None else f'{v:.3f}':>{w}}" for v, w in _wide(values)]
        lines.append(f"{label:<20}" + "".join(cells))
    return lines


def _wide(values: list[float | None]) -> list[tuple[float | None, int]]:
    """Values with the width of their columns."""
    return [(value, 8 if k == 0 else 28) for k, value in enumerate(values)]


def _map_lines(proof: Proof) -> list[str]:
    lines = [
        "Maps against the lesion masks, mean over findings",
        f"{'':<30}{'map':<20}{'lesions':>8}" + "".join(f"{m:>10}" for m in MEASURES),
    ]
    for arm in proof.arms:
        for kind in KINDS:
            if kind in arm.maps:
                scores = arm.maps[kind]
                cells = "".join(f"{scores.mean[m]:>10.3f}" for m in MEASURES)
                lines.append(f"{_name(arm):<30}{kind:<20}{scores.cases:>8}{cells}")
    return lines


def _name(arm: Arm) -> str:
    masking = {True: "label masking", False: "no label masking", None: "masking not recorded"}
    return f"{arm.identity[:6]} ({masking[arm.label_masking]})"


def _figures(found: Agreement) -> str:
    values = (
        (found.correlation, found.correlation_interval),
        (found.slope, found.slope_interval),
    )
    cells = "".join(f"{f'{v:.3f} [{low:.3f}, {high:.3f}]':>22}" for v, (low, high) in values)
    return f"{found.pairs:>8}{cells}"

"""`python -m train prove`: does a model do on a synthetic world what Bayes' rule says it must?

Three questions on films of the test split, each with an answer that is known: how far must pins
move the other findings, where is the lesion, and how well can the findings be detected at all.
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
from jsonargparse.typing import PositiveInt
from matplotlib.figure import Figure
from tqdm import tqdm

from lmeran.checkpoint import Checkpoint, load_checkpoint
from lmeran.findings import FINDINGS, display_name
from lmeran.imaging.files import read_file
from lmeran.predictor import Predictor
from train.data.index import Index, read_index
from train.evaluation.metrics import auc_per_finding
from train.evaluation.section import plain, select, tidy
from train.evaluation.tables import cell
from train.phantom.dataset import WorldData, read_world
from train.phantom.proof.lesion_maps import MEASURES, lesion_scores, mean_scores
from train.phantom.proof.shifts import (
    agreements,
    all_true_logits,
    model_logits,
    pins_of_film,
    shifts,
)

BEST, PINS_ALONE = "best possible", "the pins without the film"
POINTS = 6000
"""Shifts shown in the figure at most."""


def prove(
    checkpoint: Path, data: Path, out: Path, against: Path | None = None, films: PositiveInt = 400
) -> None:
    """Compare a checkpoint trained on a synthetic world with its exact posterior.

    Writes prove.json and shifts.png, and prints the tables. Raises `DataError` for a folder that
    holds no synthetic world.

    Args:
        checkpoint: folder of the checkpoint
        data: folder of the synthetic world
        out: folder for figures and JSON
        against: folder of one trained without label masking
        films: of the test split, at most
    """
    checkpoints = [load_checkpoint(folder) for folder in (checkpoint, against) if folder]
    world, whole = read_world(data), read_index(data, "test")
    index = whole.take(np.arange(min(films, len(whole))))
    logits = {BEST: all_true_logits(world, index.names, index.labels)}
    maps = []
    for measured in checkpoints:
        name = arm_name(measured)
        logits[name], scores = read_films(measured, world, index)
        maps.append(mean_scores(scores).assign(arm=name))
    auc = {arm: auc_per_finding(index.labels, found[:, 0]) for arm, found in logits.items()}
    true = logits.pop(BEST)
    alone = {PINS_ALONE: all_true_logits(world, index.names, index.labels, with_film=False)}
    rows = [
        {"arm": arm, **found}
        for arm, measured in {**logits, **alone}.items()
        for found in agreements(true, measured, index.patients)
    ]
    frames = {
        "shifts": tidy(rows),
        "auc": pd.DataFrame(auc, index=FINDINGS).rename_axis("finding").reset_index(),
        "maps": pd.concat(maps),
    }
    out.mkdir(parents=True, exist_ok=True)
    facts = {"films": len(index), "index_sha256": index.digest, **frames}
    (out / "prove.json").write_text(json.dumps(plain(facts), indent=1) + "\n", encoding="utf-8")
    scatter(true, logits, frames["shifts"], out / "shifts.png")
    print(f"{len(index)} films of the synthetic world's test split\n\n{report(frames)}")


def arm_name(checkpoint: Checkpoint) -> str:
    """Identity of the weights, and whether they were trained with label masking."""
    recorded = checkpoint.training.get("config", {}).get("label_masking")
    masking = {True: "label masking", False: "no label masking", None: "masking not recorded"}
    return f"{checkpoint.identity[:6]} ({masking[recorded]})"


def read_films(
    checkpoint: Checkpoint, data: WorldData, index: Index
) -> tuple[np.ndarray, pd.DataFrame]:
    """Logits of every film under all its pins, and the scores of its maps."""
    predictor = Predictor(checkpoint)
    logits, scores = [], []
    for k, name in enumerate(tqdm(index.names, desc=checkpoint.identity, unit="film")):
        film = predictor.encode(read_file(index.root / index.files[k]))
        logits.append(model_logits(predictor, film, pins_of_film(name, index.labels[k])))
        scores += lesion_scores(predictor, film, name, index.labels[k], data.masks(name))
    return np.stack(logits), pd.DataFrame(scores, columns=["map", "finding", *MEASURES])


def report(frames: dict[str, pd.DataFrame]) -> str:
    """All tables as text."""
    agreement = frames["shifts"]
    agreement = agreement[(agreement["scale"] == "logit") | (agreement["measure"] == "r")]
    agreement = agreement.assign(
        shown=[cell(r) for r in agreement.to_dict("records")],
        column=agreement["measure"] + ", " + agreement["scale"],
    ).pivot_table("shown", ["arm", "pins"], "column", aggfunc="first", sort=False)
    auc = frames["auc"].set_index("finding").astype(float).rename(index=display_name)
    auc.loc["mean"] = auc.mean()
    tables = {
        "Shift under pins against the exact posterior shift (with 95 % intervals)": agreement,
        "AUC with nothing pinned": auc,
        "Maps against the lesion masks, mean over findings": frames["maps"].set_index("arm"),
    }
    return "\n\n".join(
        f"{title}\n{table.to_string(float_format='{:.3f}'.format, na_rep='one class')}"
        for title, table in tables.items()
    )


def scatter(
    true: np.ndarray, logits: dict[str, np.ndarray], agreement: pd.DataFrame, path: Path
) -> None:
    """PNG: each arm's shifts over the true ones, with the line of perfect agreement."""
    figure = Figure(figsize=(5.2 * len(logits), 5), layout="constrained")
    panels = figure.subplots(1, len(logits), squeeze=False, sharex=True, sharey=True)[0]
    for axes, (arm, measured) in zip(panels, logits.items(), strict=True):
        x, y = shifts(true, "logit"), shifts(measured, "logit")
        usable = np.isfinite(x) & np.isfinite(y)
        x, y = x[usable], y[usable]
        step = max(1, len(x) // POINTS)
        axes.scatter(x[::step], y[::step], s=4, alpha=0.25, linewidths=0, rasterized=True)
        limit = float(np.abs(x).max()) * 1.05
        axes.plot([-limit, limit], [-limit, limit], color="0.4", linewidth=1, linestyle="--")
        found = select(agreement, arm=arm, pins="all", scale="logit").set_index("measure")["value"]
        axes.set_title(f"{arm}\nr {found['r']:.2f}, slope {found['slope']:.2f}")
        axes.set_xlabel("true shift of the logit")
    panels[0].set_ylabel("shift of the model's logit")
    figure.savefig(path, dpi=140)

"""`python -m train prove`: does a model do on a synthetic world what Bayes' rule says it must?

Three questions on films of the test split, each with an answer that is known: how far must pins
move the other findings, where is the lesion, and how well can the findings be detected at all.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pandas as pd
from jsonargparse.typing import PositiveInt
from tqdm import tqdm

from lmeran.checkpoint import Checkpoint, load_checkpoint
from lmeran.findings import FINDINGS, display_name
from lmeran.imaging.files import read_file
from lmeran.model.maps import attention_maps
from lmeran.predictor import EncodedRadiograph, Predictor
from train.data.index import Index, read_index
from train.evaluation.localisation.controls import gaussian_map, random_maps
from train.evaluation.localisation.measures import match
from train.evaluation.metrics import auc_per_finding
from train.evaluation.section import plain, tidy
from train.evaluation.tables import cell
from train.phantom.dataset import WorldData, read_world
from train.phantom.proof.shifts import (
    agreements,
    all_true_logits,
    model_logits,
    pins_of_film,
)

BEST, PINS_ALONE = "best possible", "the pins without the film"
MEASURES = ["IoU", "pointing"]


def prove(
    checkpoint: Path, data: Path, out: Path, against: Path | None = None, films: PositiveInt = 400
) -> None:
    """Compare a checkpoint trained on a synthetic world with its exact posterior.

    Writes prove.json and prints the tables. Raises `DataError` for a folder that
    holds no synthetic world.

    Args:
        checkpoint: folder of the checkpoint
        data: folder of the synthetic world
        out: folder of prove.json
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


def lesion_scores(
    predictor: Predictor, film: EncodedRadiograph, name: str, labels: np.ndarray, masks: np.ndarray
) -> Iterator[dict[str, Any]]:
    """`MEASURES` of all kinds of maps of one film, free, on each lesion that is there and drawn.

    labels: (14,); masks: bool (14, H, W) of the original film. A model without attention has no
    attention map.
    """
    activation = predictor.cell_logits(film)
    grid = activation.shape[1]
    attention = film.free_attention
    attended = attention_maps(attention) if len(attention) else None
    for i in np.flatnonzero((labels > 0.5) & masks.any(axis=(1, 2))):
        maps = {
            "attention": [] if attended is None else [attended[i].values],
            "class activation": [activation[i]],
            "random": random_maps(name, i, grid),
            "centre": [gaussian_map()],
            "truth on the grid": [on_grid(masks[i], grid)],
        }
        for kind, values in maps.items():
            if len(values):
                truth = masks[i].astype(np.float32)
                found = np.mean([match(m, film.geometry, truth)[:2] for m in values], axis=0)
                scores = dict(zip(MEASURES, found.tolist(), strict=True))
                yield {"map": kind, "finding": FINDINGS[i], **scores}


def on_grid(mask: np.ndarray, grid: int) -> np.ndarray:
    """Share of each cell that a mask covers, float32 (grid, grid): a map that knows the truth."""
    return cv2.resize(mask.astype(np.float32), (grid, grid), interpolation=cv2.INTER_AREA)


def mean_scores(scores: pd.DataFrame) -> pd.DataFrame:
    """Number of lesions and means of `MEASURES` over the findings, a row for each map."""
    of_finding = scores.groupby(["map", "finding"], sort=False)[MEASURES].mean()
    means = of_finding.groupby("map", sort=False).mean()
    means.insert(0, "lesions", scores.groupby("map").size())
    return means.reset_index()


def report(frames: dict[str, pd.DataFrame]) -> str:
    """All tables as text."""
    agreement = frames["shifts"]
    agreement = agreement.assign(shown=[cell(r) for r in agreement.to_dict("records")]).pivot_table(
        "shown", ["arm", "pins"], "measure", aggfunc="first", sort=False
    )
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

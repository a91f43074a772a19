"""Looks at a run: at backbone and arms on validation films, and what the arms say at its end."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch

from lmeran.model.lmeran import LMeRAN
from train.augment import network_input
from train.bundled.backbone import Log
from train.bundled.branch import Arm
from train.bundled.films import Films
from train.bundled.measure import (
    COUNTING_WEIGHTS,
    Encoded,
    auc_summary,
    counting_shift,
    encode_rows,
    localisation,
    logits_of,
    maps_of,
    overlap,
    token_cosines,
)
from train.bundled.teacher import Teacher

KNOWN = (0, 3, 7, 10)


def check(films: Films, precision: torch.dtype, rows: np.ndarray, log: Log, plain: LMeRAN) -> float:
    """AUC within sources of a plain DenseNet on some validation films, which is logged."""
    found = free_auc(films, plain, encode_rows(films, plain, rows, precision), precision)
    log(f"plain, {len(rows)} validation films {found}")
    return found["within"]


def look_at(films: Films, arm: Arm, held: Encoded, precision: torch.dtype) -> dict[str, Any]:
    """The row of an arm on validation films."""
    model, rows = arm.ready, held.rows
    counting = counting_shift(films, rows, 7)
    free, known = (logits_of(films, model, held, k, precision) for k in (0, 7))
    summary = {n: auc_summary(films, rows, v) for n, v in (("free", free), ("known7", known))}
    counted = {w: auc_summary(films, rows, free + w * counting)["auc"] for w in COUNTING_WEIGHTS}
    entry = {
        "arm": arm.recipe.name,
        "auc": summary["free"]["auc"],
        "within": summary["free"]["within"],
        "gain7": summary["known7"]["auc"] - summary["free"]["auc"],
        "gain7_counting": {w: v - summary["free"]["auc"] for w, v in counted.items()},
    }
    maps = maps_of(films, model, held, precision)
    if "attention" in maps:
        entry["attention"] = localisation(films, held, maps["attention"])
        entry["overlap"] = overlap(maps["attention"][::10])
        entry["token_cosines"] = token_cosines(model, held.cells[:32])
    return entry


def free_auc(
    films: Films, model: LMeRAN, encoded: Encoded, precision: torch.dtype
) -> dict[str, Any]:
    """`auc_summary` with nothing known."""
    return auc_summary(films, encoded.rows, logits_of(films, model, encoded, 0, precision))


@torch.no_grad()
def teacher_auc(
    films: Films, teacher: Teacher, rows: np.ndarray, precision: torch.dtype
) -> dict[str, Any]:
    """`auc_summary` of a teacher."""
    parts = []
    for start in range(0, len(rows), 256):
        images = network_input(films.plain(rows[start : start + 256]), teacher.preprocessing)
        with torch.autocast(films.device.type, precision):
            parts.append(teacher(images)[0].float().cpu().numpy())
    return auc_summary(films, rows, np.concatenate(parts))


def save_predictions(
    films: Films,
    arms: list[Arm],
    base: LMeRAN,
    held: Encoded,
    test: np.ndarray,
    precision: torch.dtype,
    out: Path,
    log: Log,
) -> None:
    """Logits of every arm on validation and test films, maps on boxed test films."""
    scored = encode_rows(films, base, test, precision)
    saved: dict[str, np.ndarray] = {
        "validation_names": films.pack.names[held.rows],
        "test_names": films.pack.names[scored.rows],
    }
    for arm in arms:
        for name, encoded in (("validation", held), ("test", scored)):
            stack = [logits_of(films, arm.ready, encoded, k, precision) for k in KNOWN]
            saved[f"{name}:{arm.recipe.name}"] = np.stack(stack)
    for name, encoded in (("validation", held), ("test", scored)):
        saved[f"{name}:plain"] = logits_of(films, base, encoded, 0, precision)[None]
    boxed = np.intersect1d(films.pack.box_film, scored.rows)
    place = np.searchsorted(scored.rows, boxed)
    some = Encoded(boxed, scored.cells[torch.from_numpy(place).to(films.device)])
    saved["boxed_names"] = films.pack.names[boxed]
    for arm in arms:
        maps = maps_of(films, arm.ready, some, precision)
        if "attention" in maps:
            saved[f"maps:{arm.recipe.name}"] = maps["attention"].astype(np.float16)
    np.savez_compressed(out / "predictions.npz", **saved)
    for arm in arms:
        logits = saved[f"test:{arm.recipe.name}"]
        means = [auc_summary(films, scored.rows, v)["auc"] for v in logits]
        log(f"test {arm.recipe.name} {dict(zip(KNOWN, np.round(means, 4).tolist(), strict=True))}")

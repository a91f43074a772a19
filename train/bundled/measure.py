"""What a run measures on the way: AUC free and with findings known, what counting labels would
gain, how maps meet boxes, how much the maps of different findings are the same."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from lmeran.explain.label_prior import LabelPrior
from lmeran.findings import FINDINGS
from lmeran.imaging.geometry import Geometry
from lmeran.model.lmeran import Encoding, LMeRAN
from lmeran.model.masking import states_under_mask
from train.bundled.backbone import network_input
from train.bundled.branch import no_cells
from train.bundled.films import Films
from train.data.boxes import Box
from train.evaluation.conditioning.counting import label_only
from train.evaluation.localisation.measures import IOU, MEASURES, POINTING, match
from train.evaluation.metrics import auc_per_finding, auc_within, known_masks, mean_auc
from train.evaluation.predictions import Scenario

COUNTING_WEIGHTS = (0.25, 0.5, 0.75, 1.0)
"""Shares of the label rows' shift that are tried on top of the free logits."""

DRAWN_SIDE = 256
"""Pixels a side at which maps are held against boxes."""


@dataclass(frozen=True, eq=False)
class Encoded:
    """Films through the frozen backbone once: rows of the pack, cells half (N, cells, d)."""

    rows: np.ndarray
    cells: torch.Tensor


@torch.no_grad()
def encode_rows(
    films: Films, base: LMeRAN, rows: np.ndarray, precision: torch.dtype, batch: int = 256
) -> Encoded:
    parts = []
    for start in range(0, len(rows), batch):
        images = network_input(films.plain(rows[start : start + batch]), base.config.preprocessing)
        with torch.autocast(films.device.type, precision):
            cells = base.backbone(images).relu().flatten(2).transpose(1, 2)
        parts.append(cells.half())
    return Encoded(rows, torch.cat(parts))


def logits_of(
    films: Films,
    model: LMeRAN,
    encoded: Encoded,
    known: int,
    precision: torch.dtype,
) -> np.ndarray:
    """(N, 14) float32, each made while that finding was unknown and `known` others were told."""

    def encoding(start: int, end: int) -> Encoding:
        cells = encoded.cells[start:end].float()
        return Encoding(cells, cells.mean(1))

    return _known_logits(films, model, encoded.rows, encoding, known, precision)


def logits_without_film(films: Films, model: LMeRAN, rows: np.ndarray, known: int) -> np.ndarray:
    """As `logits_of`, of a branch that is told the labels and sees no cells."""
    return _known_logits(
        films, model, rows, lambda start, end: no_cells(model, end - start), known, torch.bfloat16
    )


@torch.no_grad()
def _known_logits(
    films: Films,
    model: LMeRAN,
    all_rows: np.ndarray,
    encoding_of: Callable[[int, int], Encoding],
    known: int,
    precision: torch.dtype,
    batch: int = 256,
) -> np.ndarray:
    out = np.zeros((len(all_rows), len(FINDINGS)), np.float32)
    for start in range(0, len(all_rows), batch):
        rows = all_rows[start : start + batch]
        encoding = encoding_of(start, start + len(rows))
        labels = films.labels[torch.from_numpy(rows).to(films.device)]
        per_film = [known_masks(films.pack.names[r], len(FINDINGS), known) for r in rows]
        for masks in zip(*per_film, strict=True):
            mask = np.stack(masks)
            states = states_under_mask(labels, torch.from_numpy(mask).to(films.device))
            with torch.autocast(films.device.type, precision):
                logits = model.condition(encoding, states).logits.float().cpu().numpy()
            out[start : start + batch] = np.where(mask, logits, out[start : start + batch])
    return out


@torch.no_grad()
def maps_of(
    films: Films, model: LMeRAN, encoded: Encoded, precision: torch.dtype, batch: int = 128
) -> dict[str, np.ndarray]:
    """Free maps float32 (N, 14, cells): "attention" (last layer, mean of heads) and "cam"."""
    maps: dict[str, list[np.ndarray]] = {"attention": [], "cam": []}
    for start in range(0, len(encoded.rows), batch):
        cells = encoded.cells[start : start + batch].float()
        states = torch.zeros(len(cells), len(FINDINGS), dtype=torch.int64, device=cells.device)
        cam = (cells @ model.class_weight.T).transpose(1, 2)
        maps["cam"].append(cam.float().cpu().numpy())
        with torch.autocast(films.device.type, precision):
            output = model.condition(Encoding(cells, cells.mean(1)), states, need_attention=True)
        if output.attention:
            looked = output.attention[-1].float().mean(1)[:, :, : cells.shape[1]]
            maps["attention"].append(looked.cpu().numpy())
    return {kind: np.concatenate(parts) for kind, parts in maps.items() if parts}


def auc_summary(films: Films, rows: np.ndarray, logits: np.ndarray) -> dict[str, Any]:
    labels, groups = films.pack.labels[rows], films.pack.groups[rows]
    within = [auc_within(labels[:, i], logits[:, i], groups) for i in range(len(FINDINGS))]
    each = auc_per_finding(labels, logits)
    return {
        "auc": mean_auc(each),
        "within": mean_auc(within),
        "each": [None if v is None else round(v, 4) for v in each],
    }


def counting_shift(films: Films, rows: np.ndarray, known: int) -> np.ndarray:
    """logit p(finding | known labels) - logit p(finding) from the label rows, (N, 14)."""
    pack = films.pack
    sets, counts = np.unique(pack.label_rows, axis=0, return_counts=True)
    prior = LabelPrior(sets.astype(bool), counts)
    alone = label_only(prior, pack.names[rows], pack.labels[rows], Scenario(known))
    return prior.shift(alone).astype(np.float32)


def localisation(films: Films, encoded: Encoded, maps: np.ndarray) -> dict[str, Any]:
    """Pointing, IoU and T(IoU > .1) of maps (N, 14, cells) on the boxed films among the rows:
    the mean over findings, for the map itself and for the mean map of all the films."""
    pack, place = films.pack, {row: k for k, row in enumerate(encoded.rows.tolist())}
    grid = round(maps.shape[-1] ** 0.5)
    geometry = Geometry(DRAWN_SIDE, DRAWN_SIDE, DRAWN_SIDE)
    usual = maps.mean(0)
    wanted = [POINTING, IOU, MEASURES.index("IoU>0.1")]
    own: dict[int, list[np.ndarray]] = {}
    control: dict[int, list[np.ndarray]] = {}
    for film, finding, values in zip(pack.box_film, pack.box_finding, pack.boxes, strict=True):
        if film not in place:
            continue
        boxes = tuple(Box(*map(float, v)) for v in values if not np.isnan(v[0]))
        for kept, source in ((own, maps[place[film], finding]), (control, usual[finding])):
            found = match(source.reshape(grid, grid), geometry, boxes).values()[wanted]
            kept.setdefault(int(finding), []).append(found)
    means = {
        name: np.mean([np.mean(v, 0) for v in kept.values()], 0).round(4).tolist()
        for name, kept in (("own", own), ("usual", control))
    }
    return means | {"boxes": {FINDINGS[f]: len(v) for f, v in own.items()}}


@torch.no_grad()
def token_cosines(films: Films, model: LMeRAN, encoded: Encoded, count: int = 32) -> list[float]:
    """Mean cosine between the 14 label tokens, before the first layer and after each one, free.

    Near 1 the findings have become one token, and their maps one map.
    """
    if model.config.label_branch != "attention":
        return []
    n = len(FINDINGS)
    cells = encoded.cells[:count].float()
    states = torch.zeros(len(cells), n, dtype=torch.int64, device=cells.device)
    tokens = torch.cat([cells, model.label_embedding + model.state_embedding[states]], dim=1)
    pairs = ~torch.eye(n, dtype=torch.bool, device=cells.device)
    cosines = []
    for block in (None, *model.blocks):
        tokens = tokens if block is None else block(tokens)[0]
        labels = torch.nn.functional.normalize(tokens[:, -n:], dim=-1)
        cosines.append(round(float((labels @ labels.transpose(1, 2))[:, pairs].mean()), 3))
    return cosines


def overlap(maps: np.ndarray) -> float:
    """Mean over films and pairs of findings of sum min(a, b), each map normed to sum 1."""
    share = maps / maps.sum(-1, keepdims=True)
    n = share.shape[1]
    values = [
        np.minimum(share[:, i], share[:, j]).sum(-1).mean() for i in range(n) for j in range(i)
    ]
    return float(np.mean(values))

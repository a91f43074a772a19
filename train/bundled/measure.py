"""What a run measures on the way: AUC free and with findings known, what counting labels would
gain, how maps meet boxes, how much the maps of different findings are the same."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from lmeran.explain.label_prior import LabelPrior
from lmeran.findings import FINDINGS
from lmeran.imaging.geometry import Geometry
from lmeran.model.lmeran import Encoding, LMeRAN
from train.bundled.branch import encode, encoding_of, no_cells
from train.bundled.films import Films
from train.data.boxes import Box, coverage
from train.evaluation.conditioning.counting import label_only
from train.evaluation.localisation.measures import MEASURES, match
from train.evaluation.metrics import auc_per_finding, auc_within, mean_auc
from train.evaluation.predictions import Scenario
from train.evaluation.scoring import known_logits

COUNTING_WEIGHTS = (0.25, 0.5, 0.75, 1.0)
"""Shares of the label rows' shift that are tried on top of the free logits."""

BATCH = 256

DRAWN_SIDE = 256
"""Pixels a side at which maps are held against boxes."""


@dataclass(frozen=True, eq=False)
class Encoded:
    """Films through the frozen backbone once: rows of the pack, cells half (N, cells, d)."""

    rows: np.ndarray
    cells: torch.Tensor


@torch.no_grad()
def encode_rows(films: Films, base: LMeRAN, rows: np.ndarray, precision: torch.dtype) -> Encoded:
    starts = range(0, len(rows), BATCH)
    parts = [encode(base, films.plain(rows[k : k + BATCH]), precision).half() for k in starts]
    return Encoded(rows, torch.cat(parts))


@torch.inference_mode()
def logits_of(
    films: Films, model: LMeRAN, encoded: Encoded, known: int, precision: torch.dtype
) -> np.ndarray:
    """(N, 14), each made while that finding was unknown and `known` others were told."""
    parts = []
    for start in range(0, len(encoded.rows), BATCH):
        rows, cells = (part[start : start + BATCH] for part in (encoded.rows, encoded.cells))
        encoding = encoding_of(cells.float())
        with torch.autocast(films.device.type, precision):
            named, labels = films.pack.names[rows], films.pack.labels[rows]
            parts.append(known_logits(model, encoding, named, labels, known))
    return np.concatenate(parts).astype(np.float32)


def logits_without_film(films: Films, model: LMeRAN, rows: np.ndarray, known: int) -> np.ndarray:
    """As `logits_of`, of a branch that is told the labels and sees no cells."""
    blind = Encoded(rows, no_cells(model, len(rows)).cells)
    return logits_of(films, model, blind, known, torch.bfloat16)


@torch.no_grad()
def maps_of(
    films: Films, model: LMeRAN, encoded: Encoded, precision: torch.dtype
) -> dict[str, np.ndarray]:
    """Free maps float32 (N, 14, cells): "attention" (last layer, mean of heads) and "cam"."""
    maps: dict[str, list[np.ndarray]] = {"attention": [], "cam": []}
    for start in range(0, len(encoded.rows), BATCH):
        cells = encoded.cells[start : start + BATCH].float()
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
    wanted = [MEASURES.index(name) for name in ("pointing", "IoU", "IoU>0.1")]
    own: dict[int, list[np.ndarray]] = {}
    control: dict[int, list[np.ndarray]] = {}
    for film, finding, values in zip(pack.box_film, pack.box_finding, pack.boxes, strict=True):
        if film not in place:
            continue
        boxes = tuple(Box(*map(float, v)) for v in values if not np.isnan(v[0]))
        truth = coverage(boxes, DRAWN_SIDE, DRAWN_SIDE)
        for kept, source in ((own, maps[place[film], finding]), (control, usual[finding])):
            found = match(source.reshape(grid, grid), geometry, truth)[wanted]
            kept.setdefault(int(finding), []).append(found)
    means = {
        name: np.mean([np.mean(v, 0) for v in kept.values()], 0).round(4).tolist()
        for name, kept in (("own", own), ("usual", control))
    }
    return means | {"boxes": {FINDINGS[f]: len(v) for f, v in own.items()}}


def overlap(maps: np.ndarray) -> float:
    """Mean over films and pairs of findings of sum min(a, b), each map normed to sum 1."""
    share = maps / maps.sum(-1, keepdims=True)
    n = share.shape[1]
    values = [
        np.minimum(share[:, i], share[:, j]).sum(-1).mean() for i in range(n) for j in range(i)
    ]
    return float(np.mean(values))


@torch.no_grad()
def token_cosines(model: LMeRAN, cells: torch.Tensor) -> list[float]:
    """Mean cosine between the 14 label tokens, before the first layer and after each one, free.

    cells: (B, cells, d). Near 1 the findings have become one token, and their maps one map.
    """
    n = len(FINDINGS)
    labels = (model.label_embedding + model.state_embedding[0]).expand(len(cells), -1, -1)
    tokens = torch.cat([cells.float(), labels], dim=1)
    pairs = ~torch.eye(n, dtype=torch.bool, device=cells.device)
    cosines = []
    for block in (None, *model.blocks):
        tokens = tokens if block is None else block(tokens)[0]
        unit = torch.nn.functional.normalize(tokens[:, -n:], dim=-1)
        cosines.append(round(float((unit @ unit.transpose(1, 2))[:, pairs].mean()), 3))
    return cosines

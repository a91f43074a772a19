"""What the page is told about why a reading moved: `lmeran.explain`, and the maps in logits."""

from __future__ import annotations

from typing import Any

import numpy as np

from app.payload.packing import pack_map
from lmeran.checkpoint import Checkpoint
from lmeran.explain.attention_split import AttentionSplit, attention_split
from lmeran.explain.cam import image_maps, sum_maps
from lmeran.explain.explain import attention_shares, explain, explanation_object
from lmeran.explain.label_prior import LabelPrior
from lmeran.findings import Pins, State
from lmeran.predictor import EncodedRadiograph, Predictor, Reading

CAM_FULL_SCALE = 4.0
"""Logits that get full colour on a map in logits, where a cell shows what the whole film would
give if it all looked like that cell (so that the mean of the map is the part it is of)."""


def cam_facts(predictor: Predictor, film: EncodedRadiograph) -> list[str]:
    """Exact class activation maps of the image part, per finding, as logits of a whole film; each
    as `pack_map` writes it."""
    return [_density(cam) for cam in image_maps(predictor, film)]


def why_facts(
    predictor: Predictor,
    film: EncodedRadiograph,
    pins: Pins,
    layer: int | None = None,
    head: int | None = None,
) -> dict[str, Any]:
    """The explanation of one reading; see `lmeran.explain.explain.explain_object` for its keys.

    "attention" is that of the given layer (None: last) and head (None: mean of all). Besides:
    "sum", the map of image part plus label branch per finding, and "label_matrix", how much of
    each label token's attention lies on each label token; rows of pinned findings None.
    Raises `ValueError` for a layer or head the model does not have.
    """
    given = explain(predictor, film, pins)
    split = attention_split(given.reading.attention, layer, head)
    facts = explanation_object("", predictor.checkpoint.identity, given, ())
    sums = sum_maps(image_maps(predictor, film), given.decomposition, given.reading)
    return {
        **{k: v for k, v in facts.items() if k not in ("file", "checkpoint", "error")},
        "sum": [None if m is None else _density(m) for m in sums],
        "attention": attention_shares(split, given.reading),
        "label_matrix": None if split is None else _label_matrix(split, given.reading),
        "split": None if split is None else {"layer": split.layer, "head": split.head},
    }


def _label_matrix(split: AttentionSplit, reading: Reading) -> list[list[float] | None]:
    return [
        None if state != State.UNKNOWN else np.round(row, 5).tolist()
        for row, state in zip(split.labels, reading.states, strict=True)
    ]


def lift_facts(checkpoint: Checkpoint) -> list[list[float | None]] | None:
    """How often two findings go together in the training labels over chance, 14 x 14."""
    prior = LabelPrior.of(checkpoint)
    if prior is None:
        return None
    return [[None if np.isnan(x) else round(float(x), 3) for x in row] for row in prior.lift()]


def _density(values: np.ndarray) -> str:
    return pack_map(values * values.size)

"""Probabilities of every image of an index, free and with some findings known."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from scipy.special import expit
from tqdm import tqdm

from lmeran.config import Preprocessing
from lmeran.findings import FINDINGS
from lmeran.imaging.preprocess import to_input
from lmeran.model.lmeran import Encoding, LMeRAN
from lmeran.model.masking import states_under_mask
from train.data.index import Index
from train.evaluation.metrics import auc_per_finding, auc_within, known_masks, mean_auc


@dataclass(frozen=True)
class Score:
    """AUC with `known` of the 14 findings given; None where a finding has a single class.

    within: mean over findings of the AUC within sources (`auc_within`).
    """

    known: int
    per_finding: list[float | None]
    within: float | None

    @property
    def mean(self) -> float | None:
        return mean_auc(self.per_finding)


def encodings(
    model: LMeRAN,
    pixels: np.ndarray,
    batch_size: int,
    device: torch.device | str = "cpu",
    precision: str = "fp32",
    label: str = "evaluate",
) -> Iterator[tuple[np.ndarray, Encoding]]:
    """Each image through the backbone once: rows of a batch and their encoding, with progress.

    pixels: uint8 (N, S, S) of `cached_pixels`. The model is left in eval mode.
    """
    model.eval()
    preprocessing: Preprocessing = model.config.preprocessing
    for start in tqdm(range(0, len(pixels), batch_size), desc=label, unit="batch", leave=False):
        rows = np.arange(start, min(start + batch_size, len(pixels)))
        images = to_input(np.array(pixels[rows]), preprocessing).to(device)
        images = images.contiguous(memory_format=torch.channels_last)
        with (
            torch.inference_mode(),
            torch.autocast(torch.device(device).type, torch.bfloat16, precision == "bf16"),
        ):
            encoding = model.encode(images)
        yield rows, encoding


@torch.inference_mode()
def predict_index(
    model: LMeRAN,
    pixels: np.ndarray,
    index: Index,
    known: tuple[int, ...] = (0, 7),
    batch_size: int = 64,
    device: torch.device | str = "cpu",
    precision: str = "fp32",
    label: str = "evaluate",
    seen: Callable[[np.ndarray, Encoding], None] | None = None,
) -> dict[int, np.ndarray]:
    """For each count in `known`, probabilities (N, 14), each made while that finding was unknown.

    pixels: uint8 (N, S, S) of `cached_pixels`. seen: called with the rows and the encoding
    of each batch. The model is left in eval mode.
    """
    results = {k: np.zeros((len(index), len(model.findings)), dtype=np.float64) for k in known}
    for rows, encoding in encodings(model, pixels, batch_size, device, precision, label):
        if seen is not None:
            seen(rows, encoding)
        names = [index.names[i] for i in rows]
        with torch.autocast(torch.device(device).type, torch.bfloat16, precision == "bf16"):
            for count in known:
                logits = known_logits(model, encoding, names, index.labels[rows], count)
                results[count][rows] = expit(logits)
    return results


@torch.inference_mode()
def known_logits(
    model: LMeRAN, encoding: Encoding, names: Sequence[str], labels: np.ndarray, known: int
) -> np.ndarray:
    """Float64 logits (B, 14) of a batch, each made while that finding was unknown and `known`
    others were given their label (`known_masks`)."""
    truth, found = torch.from_numpy(labels), np.zeros(labels.shape)
    per_image = [known_masks(name, labels.shape[1], known) for name in names]
    for masks in zip(*per_image, strict=True):
        mask = np.stack(masks)
        states = states_under_mask(truth, torch.from_numpy(mask)).to(encoding.cells.device)
        logits = model.condition(encoding, states).logits.double().cpu().numpy()
        found = np.where(mask, logits, found)
    return found


def score(index: Index, probabilities: dict[int, np.ndarray]) -> list[Score]:
    """AUC per finding for each count of known findings."""
    scores = []
    for known, values in sorted(probabilities.items()):
        within = [
            auc_within(index.labels[:, i], values[:, i], index.groups)
            for i in range(values.shape[1])
        ]
        scores.append(Score(known, auc_per_finding(index.labels, values), mean_auc(within)))
    return scores


def as_metrics(scores: list[Score]) -> list[dict[str, Any]]:
    """Scores as they stand in a checkpoint's JSON."""
    return [
        {
            "known": s.known,
            "mean_auc": s.mean,
            "mean_auc_within_sources": s.within,
            "auc": dict(zip(FINDINGS, s.per_finding, strict=True)),
        }
        for s in scores
    ]

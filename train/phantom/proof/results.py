"""What `python -m train prove` measured, as data."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from lmeran.findings import FINDINGS
from train.data.index import Index
from train.phantom.proof.lesion_maps import MapScores
from train.phantom.proof.shifts import Agreement, Shifts


@dataclass(frozen=True, eq=False)
class Arm:
    """What was measured of one checkpoint.

    Args:
        identity: of its weights
        label_masking: whether it was trained with it; None where the checkpoint does not say
        auc: of each finding with nothing pinned, None for a single class
        agreement: scale ("logit", "probability") -> kind of pins -> how the shifts follow
        maps: kind of map -> how it finds the lesions
        shifts: the shifts themselves
    """

    identity: str
    label_masking: bool | None
    auc: list[float | None]
    agreement: Mapping[str, Mapping[str, Agreement]]
    maps: Mapping[str, MapScores]
    shifts: Shifts


@dataclass(frozen=True, eq=False)
class Proof:
    """All arms and what they are held against.

    Args:
        index: films measured
        true: what Bayes' rule says of the films
        best_auc: of the posterior: no reader of these films can do better on average
        labels_alone: agreement of what the pins say without the film
        arms: the checkpoint, then the one held against it, if any
    """

    index: Index
    true: Shifts
    best_auc: list[float | None]
    labels_alone: Mapping[str, Mapping[str, Agreement]]
    arms: tuple[Arm, ...]


def as_json(proof: Proof) -> dict[str, Any]:
    """All figures, without the single shifts."""
    return {
        "films": len(proof.index),
        "index_sha256": proof.index.digest,
        "best_auc": _by_finding(proof.best_auc),
        "labels_alone": _plain(proof.labels_alone),
        "arms": [
            {
                "checkpoint": arm.identity,
                "label_masking": arm.label_masking,
                "auc": _by_finding(arm.auc),
                "agreement": _plain(arm.agreement),
                "maps": {kind: dataclasses.asdict(scores) for kind, scores in arm.maps.items()},
            }
            for arm in proof.arms
        ],
    }


def _plain(agreement: Mapping[str, Mapping[str, Agreement]]) -> dict[str, Any]:
    return {
        scale: {pins: dataclasses.asdict(found) for pins, found in groups.items()}
        for scale, groups in agreement.items()
    }


def _by_finding(values: list[float | None]) -> dict[str, float | None]:
    return dict(zip(FINDINGS, values, strict=True))

"""The input gate, an out-of-distribution (OOD) detector: does a film look like the frontal chest
X-rays the model was trained on?

A distance in the backbone's own features: each cell of a feature map is compared with what
validation films have at that place, by its Mahalanobis distance in the leading principal
components (Lee et al., NeurIPS 2018; per place: Defard et al., "PaDiM", ICPR 2021, which looks at
the middle of the network too). It says whether the model has seen the like, not whether the film is
good, and it never hides a reading.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Any, Literal, get_args

import numpy as np

from lmeran.model.lmeran import Encoding
from lmeran.stored import DamagedError, StoredPart

UNLIKE = (
    "This does not look like the frontal chest films the model was trained on; "
    "its values may mean nothing here."
)

Layer = Literal["cells", "middle"]
"""Which features of an `Encoding` a gate looks at: the last ones, or those half-way."""


@dataclass(frozen=True, eq=False)
class OODDetector(StoredPart):
    """Cells of d channels, at h w places, seen through k principal components.

    mean, scale: float32 (d,), of a channel over cells of validation films. components: float32
    (k, d), orthonormal rows. places: float32 (h w, k), mean of the components at each place.
    precision: float32 (k, k), inverse covariance round these means. threshold: films with a higher
    score are unlike. films: validation films fitted on; acceptance: share that is accepted of the
    films of each source (or patient) it was not fitted on.
    """

    mean: np.ndarray
    scale: np.ndarray
    components: np.ndarray
    places: np.ndarray
    precision: np.ndarray
    threshold: float
    films: int
    acceptance: float
    layer: Layer = "middle"

    @classmethod
    def from_bytes(cls, data: bytes, numbers: dict[str, Any]) -> OODDetector:
        # The first gates did not say their layer, and all looked at the cells.
        return super().from_bytes(data, {"layer": "cells"} | numbers)

    def check(self) -> None:
        if self.layer not in get_args(Layer):
            raise DamagedError(f"it looks at a layer that there is not ({self.layer})")
        k, d = self.components.shape if self.components.ndim == 2 else (0, 0)
        expected = {
            "mean": (d,),
            "scale": (d,),
            "components": (k, d),
            "places": (len(self.places), k),
            "precision": (k, k),
        }
        for name, shape in expected.items():
            found = getattr(self, name)
            if found.shape != shape or not k:
                raise DamagedError(f"{name} has the shape {found.shape}, which does not fit")
            if not np.isfinite(found).all():
                raise DamagedError(f"{name} holds non-numbers")
        if not (self.scale > 0).all() or not self.threshold > 0:
            raise DamagedError("a scale or its threshold is not positive")


@dataclass(frozen=True)
class OODResult:
    """score: 1 for the average validation film, more the less a film is like them; threshold:
    accepted up to here."""

    score: float
    threshold: float

    @property
    def accepted(self) -> bool:
        return self.score <= self.threshold

    @property
    def warnings(self) -> tuple[str, ...]:
        """One sentence for the reader where the film is not accepted."""
        return () if self.accepted else (UNLIKE,)


def identity(gate: OODDetector) -> str:
    """First 8 hex digits of the SHA-256 of the arrays."""
    return hashlib.sha256(gate.to_bytes()).hexdigest()[:8]


def ood_scores(gate: OODDetector, cells: np.ndarray) -> np.ndarray:
    """Scores of encoded films, float64 (N,), from their cells (N, h w, d): the mean over cells of
    the squared Mahalanobis distance over k."""
    standard = (cells.astype(np.float32) - gate.mean) / gate.scale
    away = standard @ gate.components.T - gate.places
    distance = ((away @ gate.precision) * away).sum(-1, dtype=np.float64)
    return distance.mean(axis=1) / len(gate.components)


def features(encoding: Encoding, layer: Layer) -> np.ndarray:
    """Cells of the layer (B, h w, d) as float32."""
    return getattr(encoding, layer).float().cpu().numpy()


def detect_ood(gate: OODDetector, encoding: Encoding) -> OODResult:
    """The verdict on one encoded film."""
    return OODResult(float(ood_scores(gate, features(encoding, gate.layer))[0]), gate.threshold)

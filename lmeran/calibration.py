"""Raw probability, calibrated probability and operating point: three named things; and percentiles.

All are fitted on validation films and stored in the checkpoint; nothing here alters a raw
probability. What a calibrated probability means depends on how often the findings occurred in the
films it was fitted on, so a `Calibration` always says which films these were.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
from dataclasses import dataclass
from typing import Any

import numpy as np

from lmeran.findings import FINDINGS
from lmeran.stored import DamagedError

SMALLEST = 1e-7
"""Raw probabilities are kept this far from 0 and 1 before their log-odds are taken."""


@dataclass(frozen=True)
class OperatingPoint:
    """A threshold on the raw free probability: at or above it a film counts as positive.

    sensitivity, specificity: measured on the validation films it was chosen on.
    """

    threshold: float
    sensitivity: float
    specificity: float


@dataclass(frozen=True)
class FindingCalibration:
    """What validation gave for one finding.

    positives: validation films that have it. slope, offset: calibrated = sigmoid(slope *
        logit(raw) + offset), slope > 0; 1 and 0 where no map is better than the raw probability.
    youden: the threshold with the largest sensitivity + specificity. sensitive: the highest
        threshold that finds 90 % of the positives. All of it is None where validation has too
        few positives (or negatives).
    """

    positives: int
    slope: float | None = None
    offset: float | None = None
    youden: OperatingPoint | None = None
    sensitive: OperatingPoint | None = None


@dataclass(frozen=True)
class Calibration:
    """Maps, thresholds and quantiles of the 14 findings, in the order of `FINDINGS`.

    films: validation films fitted on; source: the one source they were taken from, None for all;
    min_size: their smallest side in pixels; index_sha256: digest of their names; min_positives:
    fewer positives than this in them leave a finding without map and thresholds.
    quantiles: per finding the 0, 1, .. 100 % quantiles of the raw free probability.
    """

    films: int
    source: str | None
    min_size: int
    min_positives: int
    index_sha256: str
    findings: tuple[FindingCalibration, ...]
    quantiles: tuple[tuple[float, ...], ...]

    @property
    def identity(self) -> str:
        """First 8 hex digits of the SHA-256 of its content."""
        content = json.dumps(self.to_dict(), sort_keys=True)
        return hashlib.sha256(content.encode()).hexdigest()[:8]

    @property
    def described(self) -> str:
        """The films it holds for, as part of a sentence."""
        what = f"{self.films:,} validation films"
        if self.source:
            what += f" of the source {self.source}"
        return what + (f", {self.min_size} px or more a side" if self.min_size else "")

    @property
    def keeps_raw(self) -> bool:
        """Whether calibrated probabilities are the raw ones for every finding: nothing then shows
        them beside the raw ones."""
        maps = [(f.slope, f.offset) for f in self.findings if f.slope is not None]
        return all(m == (1, 0) for m in maps)

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON; `from_dict` is the inverse.

        Slope and offset stand in lists of one, under "known": [0], as files always had them.
        """
        values = dataclasses.asdict(self)
        findings, quantiles = values.pop("findings"), values.pop("quantiles")
        values["known"] = [0]
        values["findings"] = {
            name: _stored(finding) for name, finding in zip(FINDINGS, findings, strict=True)
        }
        values["quantiles"] = dict(zip(FINDINGS, quantiles, strict=True))
        return json.loads(json.dumps(values))

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> Calibration:
        """The inverse of `to_dict`. Files of earlier versions may hold a map for each of several
        numbers of known findings: the first, of nothing known, is the one that counts.

        Raises `DamagedError` for what is no calibration of the 14 findings.
        """
        try:
            plain = {name: value for name, value in values.items() if name != "known"}
            plain["findings"] = tuple(_finding(values["findings"][name]) for name in FINDINGS)
            plain["quantiles"] = tuple(
                tuple(float(q) for q in values["quantiles"][name]) for name in FINDINGS
            )
            found = cls(**plain)
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise DamagedError(f"it does not have the fields expected ({error})") from None
        _check(found)
        return found


def calibrate(calibration: Calibration, raw: np.ndarray) -> np.ndarray:
    """Calibrated probabilities of raw ones (..., 14), free or with pins.

    NaN where `raw` is NaN (a pinned finding) or the finding is not calibrated.
    """
    maps = [(f.slope, f.offset) for f in calibration.findings]
    slopes, offsets = np.array(maps, dtype=np.float64).T  # None becomes NaN
    clipped = np.clip(np.asarray(raw, dtype=np.float64), SMALLEST, 1 - SMALLEST)
    return 1 / (1 + np.exp(-(slopes * np.log(clipped / (1 - clipped)) + offsets)))


def percentiles(calibration: Calibration, free: np.ndarray) -> np.ndarray:
    """Percent of the validation films with a lower raw free probability, float64 (14,)."""
    steps = np.linspace(0, 100, len(calibration.quantiles[0]))
    columns = zip(free, calibration.quantiles, strict=True)
    return np.array([np.interp(p, quantiles, steps) for p, quantiles in columns])


def is_above(point: OperatingPoint | None, raw: float) -> bool | None:
    """Whether a raw probability reaches an operating point; None where either is lacking."""
    return None if point is None or np.isnan(raw) else bool(raw >= point.threshold)


def _stored(finding: dict[str, Any]) -> dict[str, Any]:
    slope, offset = finding.pop("slope"), finding.pop("offset")
    known = slope is not None
    return finding | {"slopes": [slope] * known, "offsets": [offset] * known}


def _finding(values: dict[str, Any]) -> FindingCalibration:
    points = {
        name: None if values[name] is None else OperatingPoint(**values[name])
        for name in ("youden", "sensitive")
    }
    slope, offset = (
        float(values[name][0]) if values[name] else None for name in ("slopes", "offsets")
    )
    return FindingCalibration(int(values["positives"]), slope, offset, **points)


def _check(calibration: Calibration) -> None:
    columns = zip(FINDINGS, calibration.findings, calibration.quantiles, strict=True)
    for name, finding, quantiles in columns:
        if (finding.slope is None) != (finding.offset is None):
            raise DamagedError(f"{name} lacks a slope or an offset")
        if finding.slope is not None:
            if not 0 < finding.slope < np.inf:
                raise DamagedError(f"the slope of {name} is not positive")
            if not np.isfinite(finding.offset):
                raise DamagedError(f"the offset of {name} is no number")
        if len(quantiles) < 2 or not (np.diff(quantiles) >= 0).all():
            raise DamagedError(f"the quantiles of {name} do not rise")

"""What is fitted to a checkpoint acts as it says, is stored, and comes back."""

from __future__ import annotations

import dataclasses
import json

import numpy as np
import pytest
from scipy.special import expit

from lmeran.calibration import (
    Calibration,
    FindingCalibration,
    OperatingPoint,
    calibrate,
    is_above,
)
from lmeran.stored import DamagedError


def one_map() -> Calibration:
    """Finding 0 with a map; the others without."""
    point = OperatingPoint(0.25, 0.8, 0.7)
    first = FindingCalibration(12, 0.5, -1.0, point, point)
    rest = (FindingCalibration(2),) * 13
    quantiles = (tuple(np.linspace(0, 1, 101)),) * 14
    return Calibration(90, "here", 128, 10, "ab", (first, *rest), quantiles)


def test_where_no_map_helps_the_raw_probability_is_kept() -> None:
    same = FindingCalibration(12, 1.0, 0.0)
    calibration = dataclasses.replace(one_map(), findings=(same,) * 14)
    assert calibration.keeps_raw
    raw = np.linspace(0.001, 0.999, 14)
    assert calibrate(calibration, raw) == pytest.approx(raw)
    assert not one_map().keeps_raw


def test_a_map_acts_on_the_logit_and_a_point_on_the_raw_probability() -> None:
    calibration = one_map()
    raw = np.full((3, 14), 0.3)
    z = np.log(0.3 / 0.7)
    raw[2, 0] = np.nan  # pinned
    found = calibrate(calibration, raw)
    assert found[:2, 0] == pytest.approx(expit(0.5 * z - 1))
    assert np.isnan(found[2, 0])
    assert np.isnan(found[:, 1:]).all()
    assert is_above(calibration.findings[0].youden, float("nan")) is None
    assert is_above(calibration.findings[0].youden, 0.25) is True


def test_files_with_maps_by_number_of_known_findings_keep_the_first() -> None:
    stored = {**one_map().to_dict(), "known": [0, 7]}
    for entry in stored["findings"].values():
        for name in ("slopes", "offsets"):
            entry[name] = [*entry[name], 3.0][:2] if entry[name] else []
    assert Calibration.from_dict(stored) == one_map()


def test_what_is_stored_comes_back_and_is_told_apart() -> None:
    calibration = one_map()
    stored = json.loads(json.dumps(calibration.to_dict()))
    assert Calibration.from_dict(stored) == calibration
    assert Calibration.from_dict(stored).identity == calibration.identity
    assert dataclasses.replace(calibration, films=91).identity != calibration.identity
    assert calibration.described == (
        "90 validation films of the source here, 128 px or more a side"
    )


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"findings": {}}, "fields"),
        ({"other": 1}, "fields"),
    ],
)
def test_what_is_no_calibration_is_refused(change: dict[str, object], words: str) -> None:
    with pytest.raises(DamagedError, match=words):
        Calibration.from_dict({**one_map().to_dict(), **change})


@pytest.mark.parametrize("slope", [-0.5, 0.0, float("inf")])
def test_a_map_that_does_not_rise_is_refused(slope: float) -> None:
    stored = one_map().to_dict()
    stored["findings"]["Atelectasis"]["slopes"] = [slope]
    with pytest.raises(DamagedError, match="slope of Atelectasis"):
        Calibration.from_dict(stored)

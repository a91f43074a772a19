"""Tables of the report: what a reader should see of a tidy frame."""

from __future__ import annotations

import numpy as np
import pytest

from train.evaluation.bootstrap import Estimate
from train.evaluation.section import MEAN, find, plain, row, select, tidy
from train.evaluation.tables import number, shown_table

ROWS = [
    row(Estimate(0.71234, 0.6, 0.8), finding="Pleural_Thickening", measure="AUC"),
    row(1200, finding="Pleural_Thickening", measure="positive"),
    row(None, finding="Mass", measure="AUC"),
    row(Estimate(-0.01, -0.02, 0.00001), finding=MEAN, measure="AUC"),
]


def test_values_stand_with_their_interval_where_finding_and_measure_meet() -> None:
    found = shown_table(tidy(ROWS), ["finding"], "measure")
    assert found["head"] == ("finding", "AUC", "positive")
    assert found["rows"] == (
        ("Pleural Thickening", "0.712 (0.600 to 0.800)", "1,200"),
        ("Mass", "\N{EN DASH}", "\N{EN DASH}"),
        ("Mean", "\N{MINUS SIGN}0.010 (\N{MINUS SIGN}0.020 to <0.001)", "\N{EN DASH}"),
    )


def test_a_frame_as_it_is_and_some_of_its_rows() -> None:
    frame = tidy({**r, "known": k} for k, r in enumerate(ROWS))
    found = shown_table(frame, ["finding"], where={"measure": "AUC"})
    assert found["head"] == ("finding", "measure", "known", "value")
    assert found["rows"][1] == ("Mass", "AUC", "2", "\N{EN DASH}")
    assert len(select(frame, finding="Mass", measure="AUC")) == 1
    assert len(select(frame, finding=["Mass", MEAN])) == 2


@pytest.mark.parametrize(
    ("value", "shown"),
    [(0.0, "0.000"), (-0.0001, "0.000"), (0.0001, "<0.001"), (3, "3"), (True, "yes")],
)
def test_numbers(value: float, shown: str) -> None:
    assert number(value) == shown


def test_records_are_plain_and_found_by_their_keys() -> None:
    records = plain(tidy([*ROWS, row(np.float32(np.nan), finding="Nodule", measure="AUC")]))
    assert find(records, finding="Nodule") == {
        "finding": "Nodule",
        "measure": "AUC",
        "value": None,
        "low": None,
        "high": None,
    }
    assert type(find(records, measure="positive")["value"]) is int
    assert find(records, finding="Hernia") is None

"""The arithmetic of an ablation's tables, by hand."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from train.ablation.plan import Plan, Table, Variant
from train.ablation.table import MEASURES, RUNS, as_markdown, summary
from train.config import TrainConfig


@pytest.fixture
def plan() -> Plan:
    variants = tuple(
        Variant(name, TrainConfig(mask_lower=bound), paper, note)
        for name, bound, paper, note in (
            ("all", 0.25, 0.825, ""),
            ("w/o LMT", 0.5, 0.813, "a note."),
            ("later", 0.75, None, ""),
        )
    )
    return Plan(variants[0], (0, 1, 2), (Table("Table 4", "parts", "a paper", variants),))


@pytest.fixture
def rows(plan: Plan) -> pd.DataFrame:
    base, other, _ = (variant.key for variant in plan.tables[0].variants)
    runs = [
        *((base, 0, 0.60, 0.62), (base, 1, 0.64, 0.68), (base, 2, 0.62, 0.65)),
        *((other, 1, 0.61, 0.60), (other, 2, 0.60, 0.61)),
    ]
    filled = [(*run, run[2] - 0.1, 100, "an index") for run in runs]
    return summary(plan, pd.DataFrame(filled, columns=RUNS))


def test_means_and_spreads_by_hand(rows: pd.DataFrame) -> None:
    whole, part, none = rows.to_dict("records")
    assert (whole["free"], whole["free_deviation"]) == pytest.approx((0.62, 0.02))
    assert whole["known"] == pytest.approx(0.65)
    assert (whole["gain"], whole["gain_deviation"]) == pytest.approx((0.03, 0.01))
    assert whole["free_within_sources"] == pytest.approx(0.52)
    assert np.isnan([whole["over_base"], whole["paper_over_base"]]).all()
    assert (whole["seeds"], part["seeds"], none["seeds"]) == ("0 1 2", "1 2", "")
    # Seed by seed: .61 - .64 and .60 - .62, not .605 - .62.
    assert part["over_base"] == pytest.approx(-0.025)
    assert part["over_base_deviation"] == pytest.approx(0.01 / 2**0.5)
    assert part["paper_over_base"] == pytest.approx(-0.012)
    assert np.isnan([none[measure] for measure in MEASURES]).all()


def test_the_tables_as_text(plan: Plan, rows: pd.DataFrame) -> None:
    lines = as_markdown(plan, rows, "100 test images").splitlines()
    cells = [[c.strip() for c in line.strip("|").split("|")] for line in lines if line[:1] == "|"]
    spreads = ["0.620 ± 0.020", "0.650 ± 0.030", "+0.030 ± 0.010"]
    assert cells[2] == ["all", "0.825", *spreads, "-", "-", "3"]
    assert cells[3][5:] == ["-0.012", "-0.025 ± 0.007", "2 of 3"]
    assert cells[4] == ["later", "-", "-", "-", "-", "-", "-", "0 of 3"]
    assert len({len(line) for line in lines if line[:1] == "|"}) == 1
    assert "w/o LMT: a note." in lines
    assert "100 test images" in lines[0]

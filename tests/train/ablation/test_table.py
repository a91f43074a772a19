"""The arithmetic of an ablation's tables, by hand."""

from __future__ import annotations

import csv
import dataclasses

import pytest

from train.ablation.plan import Plan, Table, Variant
from train.ablation.table import Measured, Spread, as_csv, as_markdown, rows
from train.config import TrainConfig


def measured(free: float, known: float) -> Measured:
    return Measured(free, known, free - 0.1, 100, "an index")


def by_hand() -> tuple[Plan, dict[str, dict[int, Measured]]]:
    base, other, third = (
        Variant(name, TrainConfig(mask_lower=bound), paper, note)
        for name, bound, paper, note in (
            ("all", 0.25, 0.825, ""),
            ("w/o LMT", 0.5, 0.813, "a note."),
            ("later", 0.75, None, ""),
        )
    )
    plan = Plan(base, (0, 1, 2), (Table("Table 4", "parts", "a paper", (base, other, third)),))
    runs = {
        base.key: {0: measured(0.60, 0.62), 1: measured(0.64, 0.68), 2: measured(0.62, 0.65)},
        other.key: {1: measured(0.61, 0.60), 2: measured(0.60, 0.61)},
    }
    return plan, runs


def test_means_and_spreads_by_hand() -> None:
    plan, runs = by_hand()
    whole, part, none = rows(plan.tables[0], plan.base, runs)
    assert whole.free.mean == pytest.approx(0.62)
    assert whole.free.deviation == pytest.approx(0.02)  # sqrt((4 + 4 + 0) / 2) hundredths
    assert whole.known.mean == pytest.approx(0.65)
    assert whole.gain.mean == pytest.approx(0.03)
    assert whole.gain.deviation == pytest.approx(0.01)
    assert whole.free_within_sources.mean == pytest.approx(0.52)
    assert whole.over_base == Spread(None, None)
    assert part.seeds == (1, 2)
    # Seed by seed: .61 - .64 and .60 - .62, not .605 - .62.
    assert part.over_base.mean == pytest.approx(-0.025)
    assert part.over_base.deviation == pytest.approx(0.01 / 2**0.5)
    assert part.paper_over_base == pytest.approx(-0.012)
    assert none == dataclasses.replace(none, free=Spread(None, None), seeds=(), paper=None)
    assert Spread.of([0.5]) == Spread(0.5, None)


def test_the_tables_as_text() -> None:
    plan, runs = by_hand()
    lines = as_markdown(plan, runs, "100 test images").splitlines()
    cells = [[c.strip() for c in line.strip("|").split("|")] for line in lines if line[:1] == "|"]
    assert cells[2] == [
        "all",
        "0.825",
        "0.620 ± 0.020",
        "0.650 ± 0.030",
        "+0.030 ± 0.010",
        "-",
        "-",
        "3",
    ]
    assert cells[3][5:] == ["-0.012", "-0.025 ± 0.007", "2 of 3"]
    assert cells[4] == ["later", "-", "-", "-", "-", "-", "-", "0 of 3"]
    assert len({len(line) for line in lines if line[:1] == "|"}) == 1
    assert "w/o LMT: a note." in lines
    assert "100 test images" in lines[0]
    first = next(csv.DictReader(as_csv(plan, runs).splitlines()))
    assert (first["table"], first["name"], first["seeds"]) == ("Table 4", "all", "0 1 2")
    assert float(first["free_deviation"]) == pytest.approx(0.02)

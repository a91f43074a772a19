"""The arithmetic of an ablation: mean and spread over seeds, beside the paper's numbers."""

from __future__ import annotations

import csv
import io
import statistics
from dataclasses import asdict, dataclass
from typing import Any

from train.ablation.plan import Plan, Table, Variant


@dataclass(frozen=True)
class Measured:
    """A trained variant on the split of the table. AUC are means over the findings.

    free: nothing known; known: seven other findings known; free_within_sources: as free, within
    sources (`train.evaluation.metrics.auc_within`); images, index_sha256: what it was measured on.
    """

    free: float
    known: float
    free_within_sources: float
    images: int
    index_sha256: str


@dataclass(frozen=True)
class Spread:
    """Mean and sample standard deviation (n - 1) over seeds; None where there are too few."""

    mean: float | None
    deviation: float | None

    @classmethod
    def of(cls, values: list[float]) -> Spread:
        mean = statistics.fmean(values) if values else None
        return cls(mean, statistics.stdev(values) if len(values) > 1 else None)

    def text(self, signed: bool = False) -> str:
        """ "0.636 ± 0.004"; without the spread of a single seed, a dash without any."""
        if self.mean is None:
            return "-"
        mean = f"{self.mean:+.3f}" if signed else f"{self.mean:.3f}"
        return mean if self.deviation is None else f"{mean} ± {self.deviation:.3f}"


@dataclass(frozen=True)
class Row:
    """A variant over its seeds.

    gain: known - free, seed by seed; over_base: free - free of the base, seed by seed (so what a
    seed does to both falls out); paper_over_base: the same difference of the paper's numbers.
    """

    name: str
    paper: float | None
    free: Spread
    known: Spread
    gain: Spread
    free_within_sources: Spread
    over_base: Spread
    paper_over_base: float | None
    seeds: tuple[int, ...]
    note: str


Runs = dict[str, dict[int, Measured]]
"""Key of a variant -> seed -> what was measured; whatever is not done yet is missing."""


def rows(table: Table, base: Variant, runs: Runs) -> list[Row]:
    """A table's rows as far as its runs are done."""
    of_base = runs.get(base.key, {})
    paper_base = next((v.paper for v in table.variants if v.key == base.key), None)
    found = []
    for variant in table.variants:
        own = runs.get(variant.key, {})
        paired = sorted(own.keys() & of_base.keys()) if variant.key != base.key else []
        known_difference = variant.key != base.key and None not in (variant.paper, paper_base)
        found.append(
            Row(
                name=variant.name,
                paper=variant.paper,
                free=Spread.of([m.free for m in own.values()]),
                known=Spread.of([m.known for m in own.values()]),
                gain=Spread.of([m.known - m.free for m in own.values()]),
                free_within_sources=Spread.of([m.free_within_sources for m in own.values()]),
                over_base=Spread.of([own[s].free - of_base[s].free for s in paired]),
                paper_over_base=variant.paper - paper_base if known_difference else None,
                seeds=tuple(sorted(own)),
                note=variant.note,
            )
        )
    return found


def as_markdown(plan: Plan, runs: Runs, measured_on: str) -> str:
    """All tables; also what is printed. measured_on: a phrase such as "1,429 test images"."""
    parts = [
        f"Mean AUC of {measured_on}: nothing known (free) and seven other findings known. Mean ± "
        f"standard deviation over seeds; differences are taken seed by seed. Paper: mean AUC free."
    ]
    for table in plan.tables:
        found = rows(table, plan.base, runs)
        parts.append(f"**{table.name}. {table.title}** (paper: {table.source})")
        parts.append(_aligned([_HEADS, *(_cells(row, len(plan.seeds)) for row in found)]))
        parts.extend(f"{row.name}: {row.note}" for row in found if row.note)
    return "\n\n".join(parts) + "\n"


def as_csv(plan: Plan, runs: Runs) -> str:
    """One line a row, every number at full precision."""
    lines = [
        {"table": table.name, **_flat(row)}
        for table in plan.tables
        for row in rows(table, plan.base, runs)
    ]
    file = io.StringIO()
    writer = csv.DictWriter(file, lines[0], lineterminator="\n")
    writer.writeheader()
    writer.writerows(lines)
    return file.getvalue()


def as_json(plan: Plan, runs: Runs) -> dict[str, Any]:
    """Rows, and the runs they come from by key of the variant and seed."""
    return {
        "tables": [
            {
                "name": table.name,
                "title": table.title,
                "source": table.source,
                "rows": [
                    {"key": variant.key, **asdict(row)}
                    for variant, row in zip(
                        table.variants, rows(table, plan.base, runs), strict=True
                    )
                ],
            }
            for table in plan.tables
        ],
        "base": plan.base.key,
        "runs": {key: {s: asdict(m) for s, m in seeds.items()} for key, seeds in runs.items()},
    }


_HEADS = ("variant", "paper", "free", "7 known", "gain", "paper over base", "over base", "seeds")


def _cells(row: Row, wanted: int) -> tuple[str, ...]:
    return (
        row.name,
        "-" if row.paper is None else f"{row.paper:.3f}",
        row.free.text(),
        row.known.text(),
        row.gain.text(signed=True),
        "-" if row.paper_over_base is None else f"{row.paper_over_base:+.3f}",
        row.over_base.text(signed=True),
        str(len(row.seeds)) if len(row.seeds) >= wanted else f"{len(row.seeds)} of {wanted}",
    )


def _aligned(lines: list[tuple[str, ...]]) -> str:
    """A markdown table whose columns also stand straight on a terminal."""
    widths = [max(len(line[i]) for line in lines) for i in range(len(lines[0]))]
    lines = [lines[0], tuple("-" * width for width in widths), *lines[1:]]
    texts = (" | ".join(c.ljust(w) for c, w in zip(line, widths, strict=True)) for line in lines)
    return "\n".join(f"| {text} |" for text in texts)


def _flat(row: Row) -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for name, value in vars(row).items():
        if isinstance(value, Spread):
            flat |= {name: value.mean, f"{name}_deviation": value.deviation}
        else:
            flat[name] = " ".join(map(str, value)) if isinstance(value, tuple) else value
    return flat

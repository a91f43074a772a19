"""The arithmetic of an ablation: mean and spread over seeds, beside the paper's numbers."""

from __future__ import annotations

import pandas as pd

from train.ablation.plan import Plan

RUNS = ["key", "seed", "free", "known", "free_within_sources", "images", "index_sha256"]
"""Columns of the runs that are done: mean AUC over the findings with nothing known, with seven
other findings known, and with nothing known within sources (`auc_within`)."""

MEASURES = ("free", "known", "gain", "free_within_sources", "over_base")
"""Of a variant. gain: known - free; over_base: free - free of the base. Both seed by seed, so what
a seed does to both falls out."""

_HEADS = ("variant", "paper", "free", "7 known", "gain", "paper over base", "over base", "seeds")


def summary(plan: Plan, runs: pd.DataFrame) -> pd.DataFrame:
    """A row for each variant of each table: mean and standard deviation (n - 1) of `MEASURES` over
    the seeds that are done, NaN where there are too few.

    runs: a row for each run, columns `RUNS`. paper_over_base: over_base of the paper's numbers.
    """
    of_base = runs[runs["key"] == plan.base.key].set_index("seed")["free"]
    runs = runs.assign(
        gain=runs["known"] - runs["free"],
        over_base=(runs["free"] - runs["seed"].map(of_base)).where(runs["key"] != plan.base.key),
    )
    rows = []
    for table in plan.tables:
        paper_base = next((v.paper for v in table.variants if v.key == plan.base.key), None)
        for variant in table.variants:
            own = runs[runs["key"] == variant.key]
            row = {"table": table.name, "name": variant.name, "key": variant.key}
            row["paper"] = variant.paper
            for measure in MEASURES:
                row[measure] = own[measure].mean()
                row[f"{measure}_deviation"] = own[measure].std()
            compared = variant.key != plan.base.key and None not in (variant.paper, paper_base)
            row["paper_over_base"] = variant.paper - paper_base if compared else None
            row["seeds"] = " ".join(str(seed) for seed in sorted(own["seed"]))
            rows.append({**row, "note": variant.note})
    return pd.DataFrame(rows)


def as_markdown(plan: Plan, rows: pd.DataFrame, measured_on: str) -> str:
    """All tables; also what is printed. measured_on: a phrase such as "1,429 test images"."""
    parts = [
        f"Mean AUC of {measured_on}: nothing known (free) and seven other findings known. Mean ± "
        "standard deviation over seeds; differences are taken seed by seed. Paper: mean AUC free."
    ]
    for table in plan.tables:
        own = rows[rows["table"] == table.name].to_dict("records")
        parts.append(f"**{table.name}. {table.title}** (paper: {table.source})")
        parts.append(_aligned([_HEADS, *(_cells(row, len(plan.seeds)) for row in own)]))
        parts.extend(f"{row['name']}: {row['note']}" for row in own if row["note"])
    return "\n\n".join(parts) + "\n"


def _cells(row: dict, wanted: int) -> tuple[str, ...]:
    def cell(name: str, signed: bool = False) -> str:
        """ "0.636 ± 0.004"; without the spread of a single seed, a dash without any."""
        if pd.isna(row[name]):
            return "-"
        mean = f"{row[name]:+.3f}" if signed else f"{row[name]:.3f}"
        deviation = row.get(f"{name}_deviation")
        return mean if pd.isna(deviation) else f"{mean} ± {deviation:.3f}"

    done = len(row["seeds"].split())
    return (
        *(row["name"], cell("paper"), cell("free"), cell("known"), cell("gain", signed=True)),
        *(cell("paper_over_base", signed=True), cell("over_base", signed=True)),
        str(done) if done >= wanted else f"{done} of {wanted}",
    )


def _aligned(lines: list[tuple[str, ...]]) -> str:
    """A markdown table whose columns are aligned on a terminal, too."""
    widths = [max(len(line[i]) for line in lines) for i in range(len(lines[0]))]
    lines = [lines[0], tuple("-" * width for width in widths), *lines[1:]]
    texts = (" | ".join(c.ljust(w) for c, w in zip(line, widths, strict=True)) for line in lines)
    return "\n".join(f"| {text} |" for text in texts)

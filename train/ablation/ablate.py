"""`python -m train ablate`: train every variant with every seed, and tabulate the results.

    OUT/runs/KEY-seedN/   a run of `train fit`, and scores-SPLIT.json when it is measured
    OUT/cache/            the pixel cache, shared by the runs
    OUT/table.md, .csv, .json

Variants of the same options share their runs. The same command again resumes where it stopped.
"""

from __future__ import annotations

import dataclasses
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
from jsonargparse.typing import NonNegativeInt

from lmeran.checkpoint import load_checkpoint
from lmeran.config import ConfigError
from lmeran.errors import UserError
from lmeran.files import write_atomic
from train.ablation.plan import Plan, read_plan
from train.ablation.table import RUNS, as_markdown, summary
from train.config import TrainConfig
from train.data.index import DataError
from train.evaluation.evaluate import SplitName, choose_split, evaluate
from train.evaluation.evaluate import as_json as scores_as_json
from train.evaluation.section import plain
from train.fit import TrainingError, fit
from train.processes import Processes, started

KNOWN = 7
"""Findings given in the conditioned measurement, as everywhere in this project."""


class AblationError(UserError):
    """An ablation that is not complete; the message says what is missing and how to continue."""


@dataclass(frozen=True)
class Split:
    """What the tables are measured on; see `train.evaluation.evaluate.choose_split`."""

    name: str = "test"
    min_size: int = 0


@dataclass(frozen=True)
class Trial:
    """One training: a variant with a seed. label: the first row it stands in."""

    key: str
    config: TrainConfig
    label: str
    folder: Path


def run_ablate(
    variants: Path,
    data: Path,
    out: Path,
    seeds: str | None = None,
    only: str | None = None,
    split: SplitName = "test",
    min_size: NonNegativeInt = 0,
    device: str = "auto",
) -> None:
    """Train variants with the same seeds; print their tables.

    Args:
        variants: YAML, as those in train/ablation
        data: folder with index.csv
        out: folder of the runs and tables
        seeds: such as 0,1,2 instead of the YAML's
        only: tables, such as "Table 4,Table 5"
        split: which images
        min_size: smallest side of measured images
        device: auto, cpu, cuda or cuda:N
    """
    plan = read_plan(variants)
    if only:
        plan = plan.only([name.strip() for name in only.split(",")])
    if seeds:
        try:
            plan = dataclasses.replace(plan, seeds=tuple(int(seed) for seed in seeds.split(",")))
        except ValueError:
            raise ConfigError(f"seeds must be whole numbers such as 0,1,2: {seeds}") from None
    with started(device) as processes:
        tables = ablate(plan, data, out, Split(split, min_size), processes)
        if processes.first:
            print(tables)


def ablate(plan: Plan, data: Path, out: Path, split: Split, processes: Processes) -> str:
    """Train and measure every run that is not done yet; returns the tables as markdown.

    Within a run, epochs are selected on its validation split, whatever `split` is. The
    tables are written after every run, as far as they are complete. A variant whose loss is not
    finite does not stop the others.

    Raises `AblationError` where runs are missing at the end; the tables of the others are written.
    """
    runs: list[dict[str, Any]] = []
    failed: list[str] = []
    todo = trials(plan, out)
    for number, trial in enumerate(todo, start=1):
        name = f"{trial.label}, seed {trial.config.seed}"
        if processes.first:
            print(f"run {number} of {len(todo)}: {name} ({trial.key})")
        try:
            _train(trial, data, out, processes)
            if not finished(trial):
                raise KeyboardInterrupt  # fit keeps its state and returns
            if processes.first:
                measured = _measure(trial, data, out, split, processes)
        except TrainingError as error:
            failed.append(f"{name}: {error}")
            continue
        except KeyboardInterrupt:
            raise AblationError(
                f"Stopped in run {number} of {len(todo)}; the same command resumes there."
            ) from None
        if processes.first:
            runs.append({"key": trial.key, "seed": trial.config.seed, **measured})
            _write(plan, runs, split, out)
        processes.wait()
    if failed:
        raise AblationError(f"{len(failed)} of {len(todo)} runs failed. " + " ".join(failed))
    return (out / "table.md").read_text(encoding="utf-8")


def trials(plan: Plan, out: Path) -> list[Trial]:
    """Every run once, seed by seed: interrupted half-way, all variants have the same seeds."""
    found: dict[tuple[str, int], Trial] = {}
    rows = [(plan.base, "base")]
    rows += [(v, f"{t.name}, {v.name}") for t in plan.tables for v in t.variants]
    for seed in plan.seeds:
        for variant, label in rows:
            known = found.get((variant.key, seed))
            if known is None or known.label == "base":
                config = dataclasses.replace(variant.config, seed=seed)
                folder = out / "runs" / f"{variant.key}-seed{seed}"
                found[variant.key, seed] = Trial(variant.key, config, label, folder)
    return list(found.values())


def finished(trial: Trial) -> bool:
    """Whether the run's history reaches its last epoch (`fit` also returns when it is stopped)."""
    history = trial.folder / "history.csv"
    if not history.is_file():
        return False
    last = pd.read_csv(history).iloc[-1]
    limit = trial.config.max_steps
    return bool(last["epoch"] >= trial.config.epochs or 0 < limit <= last["step"])


def _train(trial: Trial, data: Path, out: Path, processes: Processes) -> None:
    if finished(trial):
        return
    cache = trial.folder / "cache"
    if processes.first and not cache.is_symlink():
        trial.folder.mkdir(parents=True, exist_ok=True)
        (out / "cache").mkdir(exist_ok=True)
        cache.symlink_to(Path("..", "..", "cache"), target_is_directory=True)
    processes.wait()
    fit(trial.config, data, trial.folder, processes)


def _measure(
    trial: Trial, data: Path, out: Path, split: Split, processes: Processes
) -> dict[str, Any]:
    """The columns `RUNS` of a run's best checkpoint; its scores are kept in its folder."""
    path = trial.folder / f"scores-{split.name}.json"
    kept = json.loads(path.read_text()) if path.is_file() else {}
    if kept.get("min_size") != split.min_size:
        checkpoint = load_checkpoint(trial.folder / "best")
        index = choose_split(checkpoint, data, split.name, split.min_size)
        scores = evaluate(checkpoint, index, out / "cache", (0, KNOWN), processes.device)
        measured = {"checkpoint": checkpoint.identity, **scores_as_json(scores, index)}
        kept = {"min_size": split.min_size, **measured}
        write_atomic(path, json.dumps(kept, indent=1))
    free, known = kept["scores"]
    if free["mean_auc"] is None:
        raise DataError("No finding of the split has both positive and negative images.")
    return {
        "free": free["mean_auc"],
        "known": known["mean_auc"],
        "free_within_sources": free["mean_auc_within_sources"],
        "images": kept["images"],
        "index_sha256": kept["index_sha256"],
    }


def _write(plan: Plan, done: list[dict[str, Any]], split: Split, out: Path) -> None:
    """The tables so far. Raises `AblationError` where variants saw different images."""
    runs = pd.DataFrame(done, columns=RUNS)
    for seed, own in runs.groupby("seed"):
        if own["index_sha256"].nunique() > 1:
            raise AblationError(
                f"The runs of seed {seed} were measured on different images, so the index has "
                f"changed; give another --out, or delete its runs/*/scores-{split.name}.json."
            )
    counts = " or ".join(f"{count:,}" for count in sorted(runs["images"].unique()))
    rows = summary(plan, runs)
    write_atomic(out / "table.md", as_markdown(plan, rows, f"{counts} {split.name} images"))
    write_atomic(out / "table.csv", rows.to_csv(index=False))
    facts = {"base": plan.base.key, "rows": rows, "runs": runs}
    write_atomic(out / "table.json", json.dumps(plain(facts), indent=1))

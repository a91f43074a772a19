"""`python -m train ablate`: train every variant with every seed, and the tables of it.

    OUT/runs/KEY-seedN/   a run of `train fit`, and scores-SPLIT.json when it is measured
    OUT/cache/            the pixel cache, shared by the runs
    OUT/table.md, .csv, .json

Variants of the same options share their runs. The same command again resumes where it stopped.
"""

from __future__ import annotations

import csv
import dataclasses
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from jsonargparse import ArgumentParser, Namespace
from jsonargparse.typing import NonNegativeInt

from lmeran.checkpoint import load_checkpoint
from lmeran.config import ConfigError
from lmeran.errors import UserError
from lmeran.files import write_atomic
from train.ablation.plan import Plan, read_plan
from train.ablation.table import Measured, Runs, as_csv, as_json, as_markdown
from train.config import TrainConfig
from train.data.index import DataError
from train.evaluation.evaluate import SplitName, choose_split, evaluate
from train.evaluation.evaluate import as_json as scores_as_json
from train.fit import TrainingError, fit
from train.processes import Processes, started

KNOWN = 7
"""Findings given in the conditioned measurement, as everywhere in this project."""


class AblationError(UserError):
    """An ablation that is not complete; the message says what is missing and how to go on."""


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

    @property
    def seed(self) -> int:
        return self.config.seed


def ablate_parser() -> ArgumentParser:
    """Options of `python -m train ablate`."""
    parser = ArgumentParser(description="Train variants with the same seeds; print their tables.")
    parser.add_argument("variants", type=str, help="YAML, as those in train/ablation")
    parser.add_argument("--data", type=str, required=True, help="folder with index.csv")
    parser.add_argument("--out", type=str, required=True, help="folder of the runs and tables")
    parser.add_argument("--seeds", type=str | None, help="such as 0,1,2 instead of the YAML's")
    parser.add_argument("--only", type=str | None, help='tables, such as "Table 4,Table 5"')
    parser.add_argument("--split", type=SplitName, default="test", help="which images")
    parser.add_argument(
        "--min_size", type=NonNegativeInt, default=0, help="smallest side of measured images"
    )
    parser.add_argument("--device", type=str, default="auto", help="auto, cpu, cuda or cuda:N")
    return parser


def run_ablate(given: Namespace) -> None:
    """`python -m train ablate`; raises what `ablate` and `read_plan` raise."""
    plan = read_plan(Path(given.variants))
    if given.only:
        plan = plan.only([name.strip() for name in given.only.split(",")])
    if given.seeds:
        try:
            seeds = tuple(int(seed) for seed in given.seeds.split(","))
        except ValueError:
            raise ConfigError(f"seeds must be whole numbers such as 0,1,2: {given.seeds}") from None
        plan = dataclasses.replace(plan, seeds=seeds)
    split = Split(given.split, given.min_size)
    with started(given.device) as processes:
        tables = ablate(plan, Path(given.data), Path(given.out), split, processes)
        if processes.first:
            print(tables)


def ablate(plan: Plan, data: Path, out: Path, split: Split, processes: Processes) -> str:
    """Train and measure all that is not done yet; returns the tables as markdown.

    The selection of epochs inside a run stays on its validation split, whatever `split` is. The
    tables are written after every run, with what there is. A variant whose loss is not finite
    does not keep the others from being trained.

    Raises `AblationError` where runs are missing at the end; the tables of the others are written.
    """
    runs: Runs = {}
    failed: list[str] = []
    todo = trials(plan, out)
    tell = print if processes.first else lambda _: None
    for number, trial in enumerate(todo, start=1):
        tell(f"run {number} of {len(todo)}: {trial.label}, seed {trial.seed} ({trial.key})")
        try:
            _train(trial, data, out, processes)
            if not finished(trial):
                raise KeyboardInterrupt  # fit keeps its state and returns
            if processes.first:
                measured = _measure(trial, data, out, split, processes)
        except TrainingError as error:
            failed.append(f"{trial.label}, seed {trial.seed}: {error}")
            continue
        except KeyboardInterrupt:
            raise AblationError(
                f"Stopped in run {number} of {len(todo)}; the same command resumes there."
            ) from None
        if processes.first:
            runs.setdefault(trial.key, {})[trial.seed] = measured
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
    with history.open(newline="") as file:
        last = list(csv.DictReader(file))[-1]
    limit = trial.config.max_steps
    return int(last["epoch"]) >= trial.config.epochs or 0 < limit <= int(last["step"])


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


def _measure(trial: Trial, data: Path, out: Path, split: Split, processes: Processes) -> Measured:
    """Scores of the run's best checkpoint, kept in its folder."""
    path = trial.folder / f"scores-{split.name}.json"
    kept = json.loads(path.read_text()) if path.is_file() else {}
    if kept.get("min_size") != split.min_size:
        checkpoint = load_checkpoint(trial.folder / "best")
        index = choose_split(checkpoint, data, split.name, split.min_size)
        scores = evaluate(checkpoint, index, out / "cache", (0, KNOWN), processes.device)
        kept = {
            "min_size": split.min_size,
            "checkpoint": checkpoint.identity,
            **scores_as_json(scores, index),
        }
        write_atomic(path, json.dumps(kept, indent=1))
    return _measured(kept)


def _measured(kept: dict[str, Any]) -> Measured:
    by_known = {scores["known"]: scores for scores in kept["scores"]}
    free = by_known[0]["mean_auc"]
    if free is None:
        raise DataError("No finding of the split has both positive and negative images.")
    return Measured(
        free,
        by_known[KNOWN]["mean_auc"],
        by_known[0]["mean_auc_within_sources"],
        kept["images"],
        kept["index_sha256"],
    )


def _write(plan: Plan, runs: Runs, split: Split, out: Path) -> None:
    """The tables so far. Raises `AblationError` where variants saw different images."""
    for seed in plan.seeds:
        images = {(r[seed].images, r[seed].index_sha256) for r in runs.values() if seed in r}
        if len(images) > 1:
            raise AblationError(
                f"The runs of seed {seed} were measured on different images, so the index has "
                f"changed; give another --out, or delete its runs/*/scores-{split.name}.json."
            )
    counts = sorted({m.images for seeds in runs.values() for m in seeds.values()})
    measured_on = f"{' or '.join(f'{count:,}' for count in counts)} {split.name} images"
    write_atomic(out / "table.md", as_markdown(plan, runs, measured_on))
    write_atomic(out / "table.csv", as_csv(plan, runs))
    write_atomic(out / "table.json", json.dumps(as_json(plan, runs), indent=1))

"""Answer files of the page's study mode, one reader each, as one tidy frame."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from lmeran.findings import FINDINGS
from train.data.index import DataError

KEYS = ["reader", "case", "arm"]
FILE = {"study": dict, "reader": str, "items": list}


@dataclass(frozen=True, eq=False)
class Answers:
    """Of all readers of one study.

    findings: reader, case, arm, finding, present, confidence, plausible, map, score; the score is 0
    .. 100 that the finding is there, the confidence turned over where it was said to be absent.
    films: reader, case, arm, seconds, comment. truth: case -> finding -> whether it is there.
    """

    study: str
    findings: pd.DataFrame
    films: pd.DataFrame
    truth: dict[str, dict[str, bool]]


def read_answers(paths: Sequence[Path]) -> Answers:
    """Raises `DataError` for what is no file of answers, for two files of one reader, and for files
    of different studies."""
    files = [_read(path) for path in paths]
    if len({json.dumps(file["study"], sort_keys=True) for file in files}) != 1:
        raise DataError("The files are of different studies; give those of one.")
    if len({file["reader"] for file in files}) < len(files):
        raise DataError("Two files are of the same reader; give the one that was saved last.")
    study = files[0]["study"]
    items = [{"reader": file["reader"], **item} for file in files for item in file["items"]]
    films = pd.DataFrame(items)[[*KEYS, "seconds", "answers"]]
    said = films.drop(columns="seconds").explode("answers", ignore_index=True)
    said = pd.concat([said[KEYS], pd.DataFrame(said["answers"].tolist())], axis=1)
    comments = said[said["question"] == "comment"].rename(columns={"value": "comment"})
    films = films.drop(columns="answers").merge(comments[[*KEYS, "comment"]], "left", KEYS)
    truth = {
        film.get("sha256") or film["name"]: film["truth"]
        for film in study["films"]
        if "truth" in film
    }
    return Answers(study["study"], _of_findings(said), films.fillna({"comment": ""}), truth)


def _read(path: Path) -> dict[str, Any]:
    try:
        file = json.loads(path.read_text(encoding="utf-8"))
        whole = all(isinstance(file[key], kind) for key, kind in FILE.items())
        whole = whole and set(file["study"]["findings"]) <= set(FINDINGS)
    except (OSError, ValueError, KeyError, TypeError):
        whole = False
    if not whole:
        raise DataError(f"{path.name} is no file that Save answers gave.")
    if not file["items"]:
        raise DataError(f"{path.name} holds no answer.")
    return file


def _of_findings(said: pd.DataFrame) -> pd.DataFrame:
    """One row for each reader, film, arm and finding that was asked for to the end."""
    keys = [*KEYS, "finding"]
    of_finding = said[said["finding"] != ""]
    wide = of_finding.pivot(index=keys, columns="question", values="value").reset_index()
    wide = wide.reindex(columns=[*keys, "present", "confidence", "plausible"])
    if "map" in of_finding:
        wide = wide.merge(of_finding[[*keys, "map"]].dropna(), "left", keys)
    wide = wide.dropna(subset=["confidence"])
    half = wide["confidence"].astype(float) / 2
    return wide.assign(score=np.where(wide["present"] == "yes", 50 + half, 50 - half))


def fleiss_kappa(counts: np.ndarray) -> float | None:
    """Agreement of several readers beyond chance (Fleiss, Psychological Bulletin 1971).

    counts: (films, answers), how many readers gave each answer; as many readers for every film.
    None where all gave the same answer throughout, so that chance leaves nothing.
    """
    readers = counts.sum(axis=1)[0]
    share = counts.sum(axis=0) / counts.sum()
    by_chance = (share**2).sum()
    agreed = ((counts**2).sum(axis=1) - readers) / (readers * (readers - 1))
    return None if by_chance == 1 else float((agreed.mean() - by_chance) / (1 - by_chance))

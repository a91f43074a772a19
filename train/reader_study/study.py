"""`python -m train study ANSWERS...`: tables of what readers answered, and a page that sums up.

OUT/imrmc_FINDING.csv  readerID, caseID, modalityID, score: the long form that iMRMC reads, with the
                       reader "truth" where the file given as --truth says what is on the films
OUT/answers.csv        the same with what was asked, how plausible the map was, and the film's time
OUT/summary.html       agreement between readers, AUC of each arm, plausible maps, times
"""

from __future__ import annotations

import html
import json
from pathlib import Path
from typing import Any

import pandas as pd
from sklearn.metrics import cohen_kappa_score

from lmeran.findings import FINDINGS
from lmeran.serialize import plain_cell
from train.data.index import DataError
from train.evaluation.metrics import auc, mean_auc

PAGE = """<!doctype html>
<html lang="en">
<meta charset="utf-8">
<title>{study}: summary</title>
<h1>{study}</h1>
<p>Research use only, not for diagnosis. Kappa is Cohen's of two readers and Fleiss' of more, on the
films that all of them answered; a score is the confidence, 0 to 100, that the finding is there. For
inference give the tables to iMRMC.</p>
{tables}</html>
"""
KEYS = ["readerID", "caseID", "modalityID"]
"""What iMRMC calls reader, film and arm."""

ANSWERED = ["finding", "present", "confidence", "plausible", "map", "truth", "seconds", "comment"]


def run_study(answers: list[Path], out: Path, truth: Path | None = None) -> None:
    """Tables and a summary of readers' answers.

    Args:
        out: folder for the tables
        truth: the file of the study, where it says what is on its films
    """
    files = read_answers(answers)
    frame = answer_frame(files, {} if truth is None else read_truth(truth))
    out.mkdir(parents=True, exist_ok=True)
    for finding, rows in frame.groupby("finding"):
        known = rows.dropna(subset=["truth"]).drop_duplicates("caseID")
        true = known.assign(readerID="truth", modalityID="truth", score=known["truth"].astype(int))
        table = pd.concat([true, rows])[[*KEYS, "score"]]
        table.to_csv(out / f"imrmc_{finding}.csv", index=False)
    frame.to_csv(out / "answers.csv", index=False)
    tables = "".join(f"<h2>{title}</h2>\n{table}\n" for title, table in summary(frame).items())
    page = PAGE.format(study=html.escape(files[0]["study"]["study"]), tables=tables)
    (out / "summary.html").write_text(page, encoding="utf-8")
    print(f"the summary is {out / 'summary.html'}")


def read_answers(paths: list[Path]) -> list[dict[str, Any]]:
    """Raises `DataError` for what is no file of answers, for two files of one reader, and for files
    of different studies."""
    files = []
    for path in paths:
        try:
            file = json.loads(path.read_text(encoding="utf-8"))
            whole = isinstance(file["reader"], str) and isinstance(file["items"], list)
            whole = whole and set(file["study"]["findings"]) <= set(FINDINGS)
        except (OSError, ValueError, KeyError, TypeError):
            whole = False
        if not whole:
            raise DataError(f"{path.name} is no file that Save answers gave.")
        files.append(file)
    if any(file["study"] != files[0]["study"] for file in files):
        raise DataError("The files are of different studies; give those of one.")
    if len({file["reader"] for file in files}) < len(files):
        raise DataError("Two files are of the same reader; give the one that was saved last.")
    return files


def read_truth(path: Path) -> dict[str, dict[str, bool]]:
    """What is on each film of a study's file. Raises `DataError` for what is none."""
    try:
        films = json.loads(path.read_text(encoding="utf-8"))["films"]
        return {film.get("sha256") or film["name"]: film.get("truth", {}) for film in films}
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        raise DataError(f"{path.name} is no file of a study.") from None


def answer_frame(files: list[dict[str, Any]], truth: dict[str, dict[str, bool]]) -> pd.DataFrame:
    """One row for each reader, film, arm and finding that was asked for to the end.

    Columns: `KEYS`, `ANSWERED`, and score (0 .. 100 that the finding is there: the confidence
    turned over where it was said to be absent). truth: of `read_truth`.
    """
    rows = []
    for file in files:
        for item in file["items"]:
            said = {(answer["finding"], answer["question"]): answer for answer in item["answers"]}
            known = truth.get(item["case"], {})
            comment = plain_cell(said.get(("", "comment"), {}).get("value", ""))
            film = (file["reader"], item["case"], item["arm"])
            for finding in file["study"]["findings"]:
                asked = ("present", "confidence", "plausible")
                present, sure, plausible = (said.get((finding, one), {}) for one in asked)
                if sure:
                    own = (finding, present["value"], float(sure["value"]), plausible.get("value"))
                    more = (plausible.get("map"), known.get(finding), round(item["seconds"], 1))
                    rows.append((*film, *own, *more, comment))
    if not rows:
        raise DataError("No finding was answered in these files.")
    frame = pd.DataFrame(rows, columns=[*KEYS, *ANSWERED])
    half = frame["confidence"] / 2
    return frame.assign(score=half.where(frame["present"] == "yes", -half) + 50)


def summary(answers: pd.DataFrame) -> dict[str, str]:
    """Title -> table as HTML; those that there is nothing for are left out."""
    rows = [
        {"finding": finding, "arm": arm, **agreement(own), "AUC, mean of the readers": _auc(own)}
        for (finding, arm), own in answers.groupby(["finding", "modalityID"])
    ]
    asked = answers.dropna(subset=["plausible"])
    shares = pd.crosstab([asked["finding"], asked["map"]], asked["plausible"], normalize="index")
    films = answers.drop_duplicates(KEYS).groupby("modalityID")["seconds"]
    tables = {
        "Agreement, and AUC where the truth is known": pd.DataFrame(rows),
        "Share of the maps that were called plausible": shares.reset_index(),
        "Seconds a film": films.describe().reset_index(),
    }
    options = {"index": False, "float_format": "%.2f", "na_rep": "\N{EN DASH}"}
    return {title: t.to_html(**options) for title, t in tables.items() if len(t)}


def agreement(own: pd.DataFrame) -> dict[str, Any]:
    """Kappa of "present?" on the films that all readers answered: Cohen's of two readers, Fleiss'
    of more; None where chance alone would agree as often."""
    said = own.pivot(index="caseID", columns="readerID", values="present").dropna() == "yes"
    (films, readers), kappa = said.shape, None
    if readers > 1 and 0 < said.to_numpy().sum() < said.size:
        two = readers == 2
        kappa = float(cohen_kappa_score(*said.to_numpy().T)) if two else fleiss_kappa(said)
    return {"readers": readers, "films of all": films, "kappa": kappa}


def fleiss_kappa(said: pd.DataFrame) -> float:
    """Fleiss' kappa of two categories (Psychological Bulletin 1971), bool (films, readers)."""
    share = said.to_numpy().mean()
    yes, readers = said.sum(axis=1), said.shape[1]
    pairs = (yes * (yes - 1) + (readers - yes) * (readers - yes - 1)).mean()
    by_chance = share**2 + (1 - share) ** 2
    return float((pairs / (readers * (readers - 1)) - by_chance) / (1 - by_chance))


def _auc(own: pd.DataFrame) -> float | None:
    known = own.dropna(subset=["truth"])
    readers = [rows for _, rows in known.groupby("readerID")]
    return mean_auc([auc(r["truth"].to_numpy(float), r["score"].to_numpy()) for r in readers])

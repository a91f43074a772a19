"""`python -m train study ANSWERS...`: tables of what readers answered, and a page that sums up.

OUT/imrmc_FINDING.csv  readerID, caseID, modalityID, score: the long form that iMRMC reads, with the
                       reader "truth" where the study says what is on its films
OUT/films.csv          one row a reader, film and arm: seconds, comment, plausibility of the maps
OUT/summary.html       agreement between readers, AUC of each arm, plausible maps, times
"""

from __future__ import annotations

from itertools import product
from pathlib import Path
from typing import Any

import jinja2
import numpy as np
import pandas as pd
from jsonargparse import ArgumentParser, Namespace
from sklearn.metrics import cohen_kappa_score

from lmeran.serialize import plain_cell
from train.evaluation.metrics import auc
from train.reader_study.answers import KEYS, Answers, fleiss_kappa, read_answers

TEMPLATE = Path(__file__).with_name("summary.html.jinja")
NAMES = dict(zip(KEYS, ("readerID", "caseID", "modalityID"), strict=True))
"""What iMRMC calls them."""


def study_parser() -> ArgumentParser:
    parser = ArgumentParser(description="Tables and a summary of readers' answers.")
    parser.add_argument("answers", type=str, nargs="+", help="files that Save answers gave")
    parser.add_argument("--out", type=str, required=True, help="folder for the tables")
    return parser


def run_study(given: Namespace) -> None:
    """The command. Raises `DataError`."""
    answers, out = read_answers([Path(path) for path in given.answers]), Path(given.out)
    out.mkdir(parents=True, exist_ok=True)
    for finding, rows in answers.findings.groupby("finding"):
        imrmc_table(rows, answers.truth, finding).to_csv(out / f"imrmc_{finding}.csv", index=False)
    films_table(answers).to_csv(out / "films.csv", index=False)
    environment = jinja2.Environment(autoescape=True, undefined=jinja2.StrictUndefined)
    page = environment.from_string(TEMPLATE.read_text(encoding="utf-8")).render(
        study=answers.study,
        readers=answers.films["reader"].nunique(),
        films=answers.films["case"].nunique(),
        tables={title: _html(frame) for title, frame in summary(answers).items()},
    )
    (out / "summary.html").write_text(page, encoding="utf-8")
    print(f"the summary is {out / 'summary.html'}")


def imrmc_table(
    rows: pd.DataFrame, truth: dict[str, dict[str, bool]], finding: str
) -> pd.DataFrame:
    """All scores of a finding, after the truth of its films."""
    known = [
        {"readerID": "truth", "caseID": case, "modalityID": "truth", "score": int(of_film[finding])}
        for case, of_film in truth.items()
        if finding in of_film
    ]
    scores = rows.rename(columns=NAMES)[[*NAMES.values(), "score"]]
    return pd.concat([pd.DataFrame(known), scores], ignore_index=True)


def films_table(answers: Answers) -> pd.DataFrame:
    """Times, comments and plausibility, one row a reader, film and arm."""
    asked = answers.findings.dropna(subset=["plausible"])
    wide = asked.pivot(index=KEYS, columns="finding", values=["plausible", "map"])
    wide.columns = [f"{what}_{finding}" for what, finding in wide.columns]
    films = answers.films.assign(comment=answers.films["comment"].map(plain_cell))
    return films.merge(wide.reset_index(), on=KEYS, how="left").rename(columns=NAMES)


def summary(answers: Answers) -> dict[str, pd.DataFrame]:
    """Title -> table; those that there is nothing for are left out."""
    found, rows = answers.findings, []
    for finding, arm in product(found["finding"].unique(), found["arm"].unique()):
        own = found[(found["finding"] == finding) & (found["arm"] == arm)]
        rows.append({"finding": finding, "arm": arm, **_agreement(own), **_auc(own, answers.truth)})
    asked = found.dropna(subset=["plausible"])
    shares = pd.crosstab([asked["finding"], asked["map"]], asked["plausible"], normalize="index")
    times = answers.films.groupby("arm")["seconds"].describe()[["count", "25%", "50%", "75%"]]
    tables = {
        "Agreement between readers, and AUC where the truth is known": pd.DataFrame(rows),
        "Share of the maps that were called plausible": shares.reset_index(),
        "Seconds a film: quartiles": times.reset_index(),
    }
    return {title: frame for title, frame in tables.items() if len(frame)}


def _agreement(own: pd.DataFrame) -> dict[str, Any]:
    """Kappa of "present?" on the films that all readers answered: Cohen's of two readers, Fleiss'
    of more."""
    said = own.pivot(index="case", columns="reader", values="present").dropna() == "yes"
    readers, kappa = said.shape[1], None
    yes = said.sum(axis=1).to_numpy()
    if readers == 2 and len(said) and 0 < yes.sum() < said.size:
        kappa = float(cohen_kappa_score(*said.to_numpy().T))
    elif readers > 2 and len(said):
        kappa = fleiss_kappa(np.stack([yes, readers - yes], axis=1))
    return {"readers": readers, "films of all": len(said), "kappa": kappa}


def _auc(own: pd.DataFrame, truth: dict[str, dict[str, bool]]) -> dict[str, Any]:
    """Mean over the readers of the AUC of their scores."""
    finding, values = own["finding"].iloc[0] if len(own) else "", []
    for _, rows in own.groupby("reader"):
        known = rows[[finding in truth.get(case, ()) for case in rows["case"]]]
        labels = np.array([truth[case][finding] for case in known["case"]], dtype=float)
        values.append(auc(labels, known["score"].to_numpy()) if len(known) else None)
    present = [value for value in values if value is not None]
    return {"AUC": float(np.mean(present)) if present else None}


def _html(frame: pd.DataFrame) -> str:
    return frame.to_html(index=False, border=0, float_format="%.2f", na_rep="\N{EN DASH}")

"""Answers of readers: every one in the tables once, agreement and AUC against figures by hand."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from train.__main__ import main
from train.reader_study.study import agreement, answer_frame, fleiss_kappa, read_answers, summary

STUDY = {
    "study": "Small",
    "films": [{"sha256": "a"}, {"name": "b.png"}, {"sha256": "c"}],
    "arms": ["film", "model"],
    "findings": ["Mass"],
}
TRUTH = {"a": {"Mass": True}, "b.png": {"Mass": False}, "c": {}}
FLEISS_1971 = (
    "444444 222555 233335 555555 222444 113333 333355 113334 114444 555555 "
    "144444 124444 222333 144444 224445 333335 111455 111112 224444 133555 "
    "555555 244444 224555 114444 144445 222224 111155 224444 133333 555555"
)
"""The diagnoses that six psychiatrists gave each of 30 patients, in five categories."""


def item(case: str, arm: str, present: str, confidence: int, **more: Any) -> dict[str, Any]:
    answers = [
        {"question": "present", "finding": "Mass", "value": present},
        {"question": "confidence", "finding": "Mass", "value": confidence},
    ]
    if arm == "model":
        plausible = more.get("plausible", "yes")
        shown = {"question": "plausible", "finding": "Mass", "value": plausible, "map": "cam"}
        answers.append(shown)
    answers.append({"question": "comment", "finding": "", "value": more.get("comment", "")})
    return {"case": case, "arm": arm, "seconds": 2.04, "answers": answers}


def written(folder: Path, reader: str, items: list[dict[str, Any]], study: Any = STUDY) -> Path:
    path = folder / f"{reader}.json"
    path.write_text(json.dumps({"study": study, "reader": reader, "items": items}))
    return path


def test_every_answer_is_in_the_tables_once(tmp_path: Path) -> None:
    first = [item(case, arm, "yes", 80) for case in ("a", "b.png", "c") for arm in STUDY["arms"]]
    half = item("c", "film", "no", 60)
    half["answers"] = half["answers"][:1]  # stopped before the confidence was given
    second = [item("a", "model", "no", 60, plausible="partly", comment="=1+1"), half]
    files = [written(tmp_path, "r1", first), written(tmp_path, "r2", second)]
    films = [film | {"truth": on} for film, on in zip(STUDY["films"], TRUTH.values(), strict=True)]
    (tmp_path / "study.json").write_text(json.dumps({**STUDY, "films": films}))
    options = ["--out", str(tmp_path / "out"), "--truth", str(tmp_path / "study.json")]
    assert main(["study", *map(str, files), *options]) == 0
    table = pd.read_csv(tmp_path / "out/imrmc_Mass.csv")
    assert list(table.columns) == ["readerID", "caseID", "modalityID", "score"]
    truth = table[table.readerID == "truth"]
    assert dict(zip(truth.caseID, truth.score, strict=True)) == {"a": 1, "b.png": 0}
    scores = table[table.readerID != "truth"].set_index(["readerID", "caseID", "modalityID"])
    assert scores.index.is_unique
    assert len(scores) == 7
    assert scores.loc[("r1", "a", "film"), "score"] == 90
    assert scores.loc[("r2", "a", "model"), "score"] == 20
    answers = pd.read_csv(tmp_path / "out/answers.csv").set_index(["readerID", "caseID"])
    row = answers.loc[("r2", "a")]
    assert (row.plausible, row["map"], row.seconds) == ("partly", "cam", 2.0)
    assert row.comment == "'=1+1"
    page = (tmp_path / "out/summary.html").read_text()
    assert "Small" in page
    assert "plausible" in page


def test_agreement_and_auc_are_those_by_hand(tmp_path: Path) -> None:
    yes = {"a": "111", "b.png": "111", "c": "000", "d": "110"}
    study = {**STUDY, "films": [*STUDY["films"], {"sha256": "d"}]}
    files = [
        written(
            tmp_path,
            f"r{k}",
            [
                item(case, "film", "yes" if said[k] == "1" else "no", 60 + 10 * (case == "a"))
                for case, said in yes.items()
            ],
            study,
        )
        for k in range(3)
    ]
    answers = answer_frame(read_answers(files), TRUTH)
    found = agreement(answers)
    assert (found["readers"], found["films of all"]) == (3, 4)
    assert found["kappa"] == pytest.approx(0.625)  # (5/6 - 5/9) / (4/9)
    two = answers[answers.readerID != "r0"]
    assert agreement(two)["kappa"] == pytest.approx(0.5)  # observed 3/4, by chance 1/2
    alike = answers.assign(present="yes")
    assert agreement(alike)["kappa"] is None
    title = "Agreement, and AUC where the truth is known"
    assert ">1.00<" in summary(answers)[title]
    assert ">1.00<" not in summary(answers.assign(truth=None))[title]


def test_fleiss_kappa_is_that_of_his_paper() -> None:
    published, kappas, weights = (0.245, 0.245, 0.520, 0.471, 0.566), [], []
    for category, wanted in zip("12345", published, strict=True):
        said = pd.DataFrame([[given == category for given in six] for six in FLEISS_1971.split()])
        kappas.append(fleiss_kappa(said))
        assert kappas[-1] == pytest.approx(wanted, abs=5e-4)
        share = said.to_numpy().mean()
        weights.append(share * (1 - share))
    assert np.average(kappas, weights=weights) == pytest.approx(0.430, abs=5e-4)


def test_files_that_do_not_belong_together_are_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    good = written(tmp_path, "r1", [item("a", "film", "yes", 50)])
    (tmp_path / "again").mkdir()
    same = written(tmp_path / "again", "r1", [item("a", "film", "no", 50)])
    other = written(tmp_path, "r2", [item("a", "film", "yes", 50)], {**STUDY, "study": "Other"})
    broken = tmp_path / "broken.json"
    broken.write_text("[]")
    empty = written(tmp_path, "r3", [])
    for files, sentence in (
        ([good, same], "same reader"),
        ([good, other], "different studies"),
        ([broken], "broken.json is no file that Save answers gave"),
        ([empty], "No finding was answered"),
        ([good, "--truth", broken], "broken.json is no file of a study"),
    ):
        assert main(["study", *map(str, files), "--out", str(tmp_path / "out")]) == 1
        assert sentence in capsys.readouterr().err

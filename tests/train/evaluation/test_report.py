"""The written report, and the command that writes it."""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from matplotlib import rcParams
from sklearn.metrics import roc_auc_score

from lmeran.checkpoint import load_checkpoint
from lmeran.findings import FINDINGS
from tests.support.study_making import made_study
from train.__main__ import main
from train.evaluation.report import study_facts, write_report
from train.evaluation.section import MEAN, Section, find, row, tidy
from train.evaluation.sections import PARTS, sections_of


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A report of the made study, its gate section with a name that must be escaped."""
    out = tmp_path_factory.mktemp("report")
    study = made_study()
    frame = tidy([row(1, pictures="<script>", should_pass=True, measure="A & B")])
    odd = Section("gate", {"v": np.float32(np.nan)}, {"gate": frame})
    write_report(study, [*sections_of(study), odd], out, {**study_facts(study), "min_size": 0})
    return out


def test_the_page_needs_nothing_but_itself(folder: Path) -> None:
    page = (folder / "report.html").read_text()
    assert "<script" not in page
    assert not re.findall(r"(?:src|href)=\"(?!#|data:image/svg)", page)
    assert "url(" not in page
    assert not re.findall(r"https?://(?!nihcc)", re.sub(r"base64,[^\"]*", "", page))
    assert page.count("<img") == page.count("data:image/svg+xml;base64,") > 4
    assert "&lt;script&gt;" in page
    assert "A &amp; B" in page
    anchors = set(re.findall(r"href=\"#(\w+)\"", page))
    assert anchors == set(re.findall(r"<h2 id=\"(\w+)\"", page))
    assert {"discrimination", "conditioning", "subgroups", "gate"} <= anchors
    assert "nan" not in re.sub(r"base64,[^\"]*", "", page).lower().split()


def test_every_table_and_figure_is_a_file(folder: Path) -> None:
    tables = {path.stem for path in (folder / "tables").glob("*.csv")}
    assert {"discrimination", "known_labels", "comparison"} <= tables
    assert {"shift_slopes", "subgroups", "gate"} <= tables
    figures = {path.stem for path in (folder / "figures").glob("*.svg")}
    assert {"roc", "auc", "known_labels"} <= figures
    frame = pd.read_csv(folder / "tables" / "discrimination.csv")
    first = frame[frame["measure"] == "AUC"].iloc[0]
    assert first["low"] < first["value"] < first["high"]


def test_the_predictions_repeat_the_figures_and_tell_no_patient(folder: Path) -> None:
    found = pd.read_csv(folder / "predictions.csv")
    metrics = json.loads((folder / "metrics.json").read_text())
    assert len(found) == metrics["images"]
    assert not [c for c in found.columns if "patient" in c]
    for finding in ("Mass", "Edema"):
        auc = roc_auc_score(found[f"label_{finding}"], found[f"free_{finding}"])
        records = metrics["discrimination"]["discrimination"]
        told = find(records, finding=finding, measure="AUC")["value"]
        assert told == pytest.approx(auc, abs=1e-9)
    assert {f"known{k}_Mass" for k in (3, 7, 10)} <= set(found.columns)
    hernia = find(metrics["discrimination"]["discrimination"], finding="Hernia", measure="AUC")
    assert hernia["value"] is None
    assert metrics["gate"]["v"] is None
    assert metrics["gate"]["gate"][0]["value"] == 1
    assert metrics["checkpoint"] == "a" * 12


def test_the_same_study_makes_the_same_figures(folder: Path, tmp_path: Path) -> None:
    before = dict(rcParams)
    study = made_study()
    write_report(study, [PARTS[0](study)], tmp_path, {**study_facts(study), "min_size": 0})
    for name in ("roc.svg", "auc.svg"):
        same = (folder / "figures" / name).read_bytes()
        assert (tmp_path / "figures" / name).read_bytes() == same
    assert dict(rcParams) == before


def test_names_that_stand_twice_are_refused(tmp_path: Path) -> None:
    study, frame = made_study(), tidy([row(1, finding=MEAN)])
    twice = [Section(key, frames={"same": frame}) for key in ("shifts", "gate")]
    with pytest.raises(ValueError, match="share a name"):
        write_report(study, twice, tmp_path, study_facts(study))


def test_the_command_writes_a_report(
    data: Path, checkpoint_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    table = pd.read_csv(data / "index.csv")
    table["view_position"] = np.where(np.arange(len(table)) % 2, "PA", "AP")
    table["file"] = [str(data / file) for file in table["file"]]
    (tmp_path / "data").mkdir()
    table.to_csv(tmp_path / "data" / "index.csv", index=False)
    out = tmp_path / "out"
    arguments = ["--checkpoint", str(checkpoint_folder), "--data", str(tmp_path / "data")]
    options = ["--resamples", "20", "--pin_films", "3", "--known", "[0,5,7]"]
    options += ["--split", "train_val", "--map_films", "1"]
    assert main(["evaluate", *arguments, *options, "--out", str(out)]) == 0
    printed = capsys.readouterr().out
    assert "5 known" in printed
    assert "report.html" in printed
    metrics = json.loads((out / "metrics.json").read_text())
    assert [s["known"] for s in metrics["scores"]] == [0, 5, 7]
    told = metrics["scores"][0]["auc"]["Effusion"]
    records = metrics["discrimination"]["discrimination"]
    found = find(records, finding="Effusion", measure="AUC")["value"]
    assert found == pytest.approx(told)
    assert metrics["checkpoint"] == load_checkpoint(checkpoint_folder).identity
    page = (out / "report.html").read_text()
    assert str(tmp_path) not in page + (out / "metrics.json").read_text()
    assert {r["finding"] for r in records} == {*FINDINGS, MEAN}
    assert "Localisation was not measured" in metrics["localisation"]["not_measured"]
    assert "Localisation was not measured" in page
    assert "faithfulness" in metrics

    options[-1] = "0"
    compared = ["--compare", str(checkpoint_folder)]
    # the same checkpoint against itself
    assert main(["evaluate", *arguments, *options, *compared, "--out", str(out)]) == 0
    metrics = json.loads((out / "metrics.json").read_text())
    assert "faithfulness" not in metrics
    mean = find(metrics["comparison"]["comparison"], finding=MEAN, measure="difference")
    assert mean["value"] == 0

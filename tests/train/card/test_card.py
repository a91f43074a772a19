"""The model card and its publication, on a report of a small checkpoint and a Hub of our own."""

from __future__ import annotations

import base64
import json
import re
import shutil
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
import yaml
from huggingface_hub import ModelCard

from lmeran.checkpoint import CheckpointError, load_checkpoint
from lmeran.findings import FINDINGS
from tests.conftest import ROOT
from tests.support.training import CPU, config
from train.__main__ import main
from train.card.publish import PublishError, files_to_publish, push, space_files
from train.card.results import (
    END,
    HEADLINE,
    RESULTS,
    START,
    beside_counting,
    figure,
    known_means,
    recorded,
)
from train.card.write import TEMPLATE, read_metrics, write_card
from train.data.index import DataError
from train.evaluation.section import MEAN, find
from train.fit import fit

COMMIT = "89abcdef0123456789abcdef0123456789abcdef"


@pytest.fixture(scope="module")
def measured(data: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A trained checkpoint and the folder of its report."""
    root = tmp_path_factory.mktemp("card")
    checkpoint = fit(config(epochs=1), data, root / "run", CPU)
    arguments = ["--checkpoint", str(checkpoint), "--data", str(data), "--split", "train_val"]
    options = ["--out", str(root / "report"), "--resamples", "40", "--pin_films", "4"]
    assert main(["evaluate", *arguments, *options, "--device", "cpu"]) == 0
    return checkpoint, root / "report"


def test_the_card_tells_the_measured_figures_and_no_others(measured: tuple[Path, Path]) -> None:
    folder, report = measured
    metrics = read_metrics(report)
    card = ModelCard(write_card(folder, metrics))
    headline = find(metrics["discrimination"]["discrimination"], finding=MEAN, measure="AUC")
    assert figure(headline) in card.text
    results = {r.metric_name: r.metric_value for r in card.data.eval_results}
    assert results["mean AUC, nothing pinned"] == headline["value"]
    assert len(results) > 1
    assert card.data.license == "mit"
    for line in metrics["conditioning"]["known_labels"]:
        if line["finding"] == MEAN and line["measure"] in ("AUC", "gain"):
            assert figure(line) in card.text
    assert beside_counting(metrics) in card.text
    assert "with 3, " in beside_counting(metrics)
    for word in ("NIH Clinical Center", "never diagnosis", load_checkpoint(folder).identity):
        assert word in card.text
    assert not re.search(r"\d\.\d\d", TEMPLATE.read_text())  # no figure typed by hand
    headline["value"] = 0.123
    assert "0.123" in write_card(folder, metrics)


def test_more_is_claimed_than_counting_only_where_the_interval_is_above_zero() -> None:
    def said(*bounds: tuple[float, float, float]) -> str:
        keys = {"pins": "all", "measure": "difference"}
        rows = [
            {**keys, "known": known, "value": value, "low": low, "high": high}
            for known, (low, value, high) in zip((0, 3, 7), ((0, 0, 0), *bounds), strict=True)
        ]
        weight = {"weight_of_counting": 0.62, "weight_of_counting_fitted": True}
        return beside_counting({"conditioning": {"counting": rows, **weight}})

    unsure = (-0.001, 0.004, 0.009)
    assert said(unsure, unsure).startswith("LMeRAN's pins are not shown to beat counting. ")
    assert "(weight 0.62, fitted on validation films): 0.004 (-0.001 to 0.009) with 3, " in said(
        unsure, unsure
    )
    better, worse = (0.001, 0.004, 0.009), (-0.009, -0.004, -0.001)
    assert said(unsure, better).startswith("LMeRAN's pins beat counting with 7 known. ")
    assert said(better, better).startswith("LMeRAN's pins beat counting with 3, 7 known. ")
    assert said(better, worse).startswith(
        "LMeRAN's pins beat counting with 3 known; counting beats LMeRAN's pins with 7 known. "
    )
    assert said(worse, unsure).startswith("Counting beats LMeRAN's pins with 3 known. ")
    assert beside_counting({"conditioning": {}}) == ""


def test_figures_are_said_with_their_interval() -> None:
    assert figure({"value": 0.71249, "low": 0.69, "high": 0.733}) == "0.712 (0.690 to 0.733)"
    assert figure({"value": 0.5, "low": None, "high": None}) == "0.500"
    assert figure(None) == "none"


def test_pages_get_their_figures_between_their_marks(
    measured: tuple[Path, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    original, report = measured
    folder = tmp_path / "checkpoint"
    shutil.copytree(original, folder)
    readme, results = tmp_path / "README.md", tmp_path / "results.md"
    for page in (readme, results):
        page.write_text(f"before\n{START}\nold figures\n{END}\nafter\n")
    arguments = ["card", "--checkpoint", str(folder), "--report", str(report)]
    assert main([*arguments, "--readme", str(readme), "--results", str(results)]) == 0
    metrics = read_metrics(report)
    for page in (readme, results):
        text = page.read_text()
        assert text.startswith(f"before\n{START}\nOn ")
        assert text.endswith(f"{END}\nafter\n")
        assert "old figures" not in text
    assert beside_counting(metrics) in readme.read_text()
    for page in (readme, results):
        text = page.read_text()
        for step in known_means(metrics):
            assert figure(step["auc"]) in text
    assert len(readme.read_text()) < len(text)
    kept = load_checkpoint(folder).metrics["report"]
    assert (kept["maps"], kept["best_map"]) == ({}, None), "no box, no map measured"
    records = metrics["discrimination"]["discrimination"]
    for finding in FINDINGS:
        positive, auc = (find(records, finding=finding, measure=m) for m in ("positive", "AUC"))
        assert f"| {positive['value']} | {figure(auc)} |" in text
        assert kept["auc"][finding] == {name: auc[name] for name in ("value", "low", "high")}
    for template in (HEADLINE, RESULTS):
        assert not re.search(r"\d\.\d\d", template.read_text())
    readme.write_text("no marks")
    assert main([*arguments, "--readme", str(readme)]) == 1
    assert "needs the lines" in capsys.readouterr().err
    assert readme.read_text() == "no marks"


def test_the_map_that_measured_best_is_recorded_for_the_viewer(
    measured: tuple[Path, Path],
) -> None:
    found = {"Attention, last layer": (0.1, 0.9), "Exact CAM": (0.2, 0.3), "Grad-CAM": (0.6, 0.6)}
    rows = [
        {"map": name, "measure": measure, "value": value}
        for name, values in found.items()
        for measure, value in zip(("IoU", "pointing"), values, strict=True)
    ]
    boxed = {"boxes": 9, "localisation": rows}
    kept = recorded(read_metrics(measured[1]) | {"localisation": boxed})
    assert (kept["best_map"], kept["boxes"]) == ("cam", 9), "Grad-CAM is none of the viewer's"
    assert kept["maps"]["attention"] == {"IoU": 0.1, "pointing": 0.9}


def test_a_report_on_other_weights_makes_no_card(
    measured: tuple[Path, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder, report = measured
    with pytest.raises(CheckpointError, match="measured on 0000"):
        write_card(folder, read_metrics(report) | {"checkpoint": "0000"})
    with pytest.raises(DataError, match=r"metrics\.json"):
        read_metrics(tmp_path)
    assert main(["publish", "--checkpoint", str(folder), "--to", "lab/lmeran"]) == 1
    assert "train card" in capsys.readouterr().err


LARGE = 10 * 10**6
"""Bytes of a file that the Hub takes by its store of large files only."""


class FakeHub(BaseHTTPRequestHandler):
    """Takes a repository and one commit, as the Hub's API does, and refuses what that refuses."""

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"] or 0))
        self.server.asked.append(self.path)
        if self.headers.get("Authorization") != "Bearer hf_right":
            self.reply({"error": "who are you"}, 401)
        elif self.path == "/api/repos/create":
            self.reply({"url": f"{self.server.url}/lab/lmeran"})
        elif "/preupload/" in self.path:
            files = [
                {
                    "path": f["path"],
                    "uploadMode": "lfs" if f["size"] > LARGE else "regular",
                    "shouldIgnore": False,
                }
                for f in json.loads(body)["files"]
            ]
            self.reply({"files": files})
        elif self.path.endswith("/info/lfs/objects/batch"):
            objects = [
                {**o, "actions": {"upload": {"href": f"{self.server.url}/large/{o['oid']}"}}}
                for o in json.loads(body)["objects"]
            ]
            self.reply({"transfer": "basic", "objects": objects})
        elif self.path == "/api/validate-yaml":  # asked for a README's metadata
            self.reply({"errors": [], "warnings": []})
        elif "/commit/" in self.path:
            lines = [json.loads(line) for line in body.splitlines()]
            for line in lines:
                value = line["value"]
                if line["key"] == "file":
                    data = base64.b64decode(value["content"])
                    if len(data) > LARGE:
                        return self.reply({"error": "too large"}, 413)
                    self.server.files[value["path"]] = data
                elif line["key"] == "lfsFile":
                    self.server.files[value["path"]] = self.server.large[value["oid"]]
            url = f"{self.server.url}/lab/lmeran/commit/{COMMIT}"
            self.reply({"success": True, "commitOid": COMMIT, "commitUrl": url})
        else:
            self.reply({"error": "no such thing"}, 404)
        return None

    def do_PUT(self) -> None:
        data = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.large[self.path.removeprefix("/large/")] = data
        self.reply({})

    def reply(self, value: Any, status: int = 200) -> None:
        text = json.dumps(value).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture()
def hub() -> Iterator[Any]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), FakeHub)
    server.url = f"http://127.0.0.1:{server.server_address[1]}"
    server.files, server.asked, server.large = {}, [], {}
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server
    server.shutdown()
    server.server_close()


def test_a_checkpoint_is_published_with_its_card(
    measured: tuple[Path, Path], hub: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    folder, report = measured
    given = ["--checkpoint", str(folder)]
    assert main(["card", *given, "--report", str(report)]) == 0
    (folder / "notes.txt").write_text("not part of the checkpoint")
    try:
        files = {name: folder / name for name in files_to_publish(folder)}
        assert main(["publish", *given, "--to", "lab/lmeran", "--dry_run", "true"]) == 0
        assert "nothing was sent" in capsys.readouterr().out
        right = {"endpoint": hub.url, "token": "hf_right"}
        assert push(files, "lab/lmeran", "Weights", **right) == COMMIT
        assert set(hub.files) == set(files) == {"README.md", "config.json", "model.safetensors"}
        for name, file in files.items():
            assert hub.files[name] == file.read_bytes()
        with pytest.raises(PublishError, match="hf auth login"):
            push(files, "lab/lmeran", "Weights", **{**right, "token": "hf_wrong"})
        with pytest.raises(PublishError, match="cannot be reached"):
            push(files, "lab/lmeran", "Weights", **{**right, "endpoint": "http://127.0.0.1:9"})
    finally:
        (folder / "notes.txt").unlink()
        (folder / "README.md").unlink()


def test_the_viewer_is_published_as_a_space(
    hub: Any, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A plain push is refused for 48 MB of weights."""
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_DISABLE_XET", True)
    assert main(["publish", "--space", "lab/viewer", "--dry_run", "true"]) == 0
    assert "nothing was sent to lab/viewer" in capsys.readouterr().out
    files = space_files("lab/lmeran")
    right = {"endpoint": hub.url, "token": "hf_right"}
    assert push(files, "lab/viewer", "The viewer", "space", **right) == COMMIT
    weights = "assets/checkpoint/model.safetensors"
    assert "/api/spaces/lab/viewer/commit/main" in hub.asked
    assert hub.files[weights] == (ROOT / weights).read_bytes()
    assert len(hub.large) == 1
    for name in ("app.py", "app/static/index.html", "lmeran/predictor.py", "LICENSE"):
        assert hub.files[name] == (ROOT / name).read_bytes()
    assert not [n for n in hub.files if n.startswith(("train", "tests", ".")) or "__py" in n]
    assert hub.files["requirements.txt"] == (ROOT / "requirements.txt").read_bytes()
    index = "https://wheels.example/cpu"
    light = space_files(None, index)["requirements.txt"]
    assert light == f"--extra-index-url {index}\n".encode() + hub.files["requirements.txt"]
    matter = yaml.safe_load(hub.files["README.md"].split(b"---\n")[1])
    assert (matter["sdk"], matter["app_file"]) == ("gradio", "app.py")
    assert matter["models"] == ["lab/lmeran"]
    assert main(["publish"]) == 1
    assert "--space" in capsys.readouterr().err

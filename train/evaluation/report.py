"""Writes the sections of an evaluation: one self-contained page, JSON, CSVs and figures.

The words of the page are in report.yaml and report.html.jinja, one entry for each section,
table and figure; no sentence is generated here.
"""

from __future__ import annotations

import base64
import io
import json
import platform
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import jinja2
import numpy as np
import pandas as pd
import torch
import yaml
from matplotlib.figure import Figure

from lmeran.findings import FINDINGS
from lmeran.serialize import plain_cell
from train.data.index import Index
from train.evaluation.figures import styled
from train.evaluation.predictions import Predictions
from train.evaluation.section import Section, plain
from train.evaluation.study import Study
from train.evaluation.tables import shown_table

TEMPLATE = Path(__file__).with_name("report.html.jinja")
WORDS = Path(__file__).with_name("report.yaml")


def write_report(
    study: Study, sections: Sequence[Section], out: Path, facts: dict[str, Any]
) -> None:
    """report.html, metrics.json, predictions.csv, tables/ and figures/ in the folder `out`.

    facts: what metrics.json and the head of the page say besides (`study_facts`, options).
    Raises `ValueError` where two frames or two figures share a name, and so a file.
    """
    for names in ([s.frames for s in sections], [s.figures for s in sections]):
        if len({name for some in names for name in some}) < sum(map(len, names)):
            raise ValueError("Two frames or two figures of the report share a name.")
    (out / "tables").mkdir(parents=True, exist_ok=True)
    (out / "figures").mkdir(exist_ok=True)
    pictures = {}
    for section in sections:
        for name, frame in section.frames.items():
            frame.to_csv(out / "tables" / f"{name}.csv", index=False)
        for name, figure in section.figures.items():
            pictures[name] = _svg(figure)
            (out / "figures" / f"{name}.svg").write_text(pictures[name], encoding="utf-8")
    prediction_table(study.index, study.predictions).to_csv(
        out / "predictions.csv", index=False, float_format="%.6g"
    )
    (out / "metrics.json").write_text(
        json.dumps(metrics(sections, facts), indent=1, allow_nan=False), encoding="utf-8"
    )
    (out / "report.html").write_text(_page(sections, pictures, facts), encoding="utf-8")


def metrics(sections: Sequence[Section], facts: dict[str, Any]) -> dict[str, Any]:
    """metrics.json: the facts, then the facts and the frames of each section under its key; a
    frame is a list of records. No NaN: null."""
    return plain({**facts, **{s.key: {**s.facts, **s.frames} for s in sections}})


def study_facts(study: Study) -> dict[str, Any]:
    """What was measured, on what and with what, without a path or a name of a machine."""
    checkpoint = study.predictions.checkpoint
    return {
        "checkpoint": checkpoint.identity,
        "split": study.config.split,
        "images": len(study.index),
        "patients": len(study.resamples.counts),
        "index_sha256": study.index.digest,
        "resamples": len(study.resamples),
        "image_size": checkpoint.config.preprocessing.image_size,
        "train_images": checkpoint.training.get("train_images"),
        "created": datetime.now(UTC).strftime("%Y-%m-%d"),
        "environment": {
            "python": platform.python_version(),
            "torch": torch.__version__.split("+")[0],
            "numpy": np.__version__,
            "device": study.device.type,
        },
    }


def prediction_table(index: Index, predictions: Predictions) -> pd.DataFrame:
    """One row an image: its name, its labels, and the probabilities free and with k known.

    Columns: name, label_FINDING, free_FINDING, knownK_FINDING. No patient id.
    """
    blocks = {"label": index.labels.astype(int), "free": predictions.free}
    blocks |= {f"known{k}": predictions.known(k) for k in predictions.known_counts if k}
    parts = [pd.DataFrame({"name": [plain_cell(name) for name in index.names]})]
    for prefix, values in blocks.items():
        parts.append(pd.DataFrame(values, columns=[f"{prefix}_{f}" for f in FINDINGS]))
    return pd.concat(parts, axis=1)


def _page(sections: Sequence[Section], pictures: dict[str, str], facts: dict[str, Any]) -> str:
    words = yaml.safe_load(WORDS.read_text(encoding="utf-8"))
    environment = jinja2.Environment(
        autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    template = environment.from_string(TEMPLATE.read_text(encoding="utf-8"))
    shown = [_shown(section, words[section.key], pictures) for section in sections]
    return template.render(sections=shown, facts=facts)


def _shown(section: Section, words: dict[str, Any], pictures: dict[str, str]) -> dict[str, Any]:
    """A section as the template needs it; frames without an entry are for their CSV alone."""
    facts = [(name.replace("_", " "), value) for name, value in section.facts.items()]
    tables = []
    for name, table in words.get("tables", {}).items():
        frame = section.frames.get(name.split("/")[0])
        if frame is not None and len(frame):
            made = shown_table(frame, table["down"], table.get("across"), table.get("where"))
            tables.append({"title": table["title"], "note": table.get("note", ""), "table": made})
    figures = []
    for name, figure in words.get("figures", {}).items():
        if name in pictures:
            source = base64.b64encode(pictures[name].encode()).decode()
            shown = {"title": figure["title"], "note": figure.get("note", "")}
            figures.append({**shown, "source": f"data:image/svg+xml;base64,{source}"})
    return {
        "key": section.key,
        "title": words["title"],
        "notes": words.get("notes", []),
        "facts": [(name, value) for name, value in facts if not isinstance(value, dict | list)],
        "tables": tables,
        "figures": figures,
    }


def _svg(figure: Figure) -> str:
    """The figure as SVG without a date, so that the same numbers make the same file."""
    buffer = io.StringIO()
    with styled():
        figure.savefig(buffer, format="svg", metadata={"Date": None})
    return buffer.getvalue()

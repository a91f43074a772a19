"""Writes a study's sections: one self-contained page, JSON, CSV of every table, figures."""

from __future__ import annotations

import base64
import io
import json
import platform
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import jinja2
import numpy as np
import pandas as pd
import torch

from lmeran.findings import FINDINGS
from lmeran.serialize import plain_cell
from train.data.index import Index
from train.evaluation.cells import Column, shown_columns
from train.evaluation.predictions import Predictions
from train.evaluation.section import Plot, Section
from train.evaluation.study import Study
from train.evaluation.style import styled

TEMPLATE = Path(__file__).with_name("report.html.jinja")


@dataclass(frozen=True, eq=False)
class _ShownTable:
    """A table as the template needs it."""

    name: str
    title: str
    note: str
    columns: list[Column]
    rows: list[tuple[str, ...]]


def write_report(
    study: Study, sections: Sequence[Section], out: Path, facts: dict[str, Any]
) -> None:
    """report.html, metrics.json, predictions.csv, tables/ and figures/ in the folder `out`.

    facts: what metrics.json and the head of the page tell besides (`study_facts`, options).
    Raises `ValueError` where two tables or two figures share a name.
    """
    (out / "tables").mkdir(parents=True, exist_ok=True)
    (out / "figures").mkdir(exist_ok=True)
    _check_names(sections)
    pictures = {}
    for plot in (plot for section in sections for plot in section.plots):
        pictures[plot.name] = _svg(plot)
        (out / "figures" / f"{plot.name}.svg").write_text(pictures[plot.name], encoding="utf-8")
    for table in (table for section in sections for table in section.tables):
        table.frame.to_csv(out / "tables" / f"{table.name}.csv", index=False)
    prediction_table(study.index, study.predictions).to_csv(
        out / "predictions.csv", index=False, float_format="%.6g"
    )
    (out / "metrics.json").write_text(
        json.dumps(metrics(sections, facts), indent=1, allow_nan=False), encoding="utf-8"
    )
    (out / "report.html").write_text(_page(sections, pictures, facts), encoding="utf-8")


def metrics(sections: Sequence[Section], facts: dict[str, Any]) -> dict[str, Any]:
    """metrics.json: the facts, then each section's title, text and metrics under its key. No NaN:
    null."""
    said = {s.key: {"title": s.title, "text": list(s.text), **s.metrics} for s in sections}
    return _plain({**facts, **said})


def study_facts(study: Study) -> dict[str, Any]:
    """What was measured, on what and with what, without a path or a name of a machine."""
    checkpoint = study.predictions.checkpoint
    return {
        "checkpoint": checkpoint.identity,
        "split": study.split,
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
    environment = jinja2.Environment(
        autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    sources = {
        name: "data:image/svg+xml;base64," + base64.b64encode(svg.encode()).decode()
        for name, svg in pictures.items()
    }
    tables = {
        section.key: [_shown(table) for table in section.tables if table.shown]
        for section in sections
    }
    template = environment.from_string(TEMPLATE.read_text(encoding="utf-8"))
    return template.render(sections=sections, tables=tables, sources=sources, facts=facts)


def _shown(table: Any) -> _ShownTable:
    columns = shown_columns(table.frame)
    rows = list(zip(*(column.cells for column in columns), strict=True))
    return _ShownTable(table.name, table.title, table.note, columns, rows)


def _svg(plot: Plot) -> str:
    """The figure as SVG without a date, so that the same numbers make the same file."""
    buffer = io.StringIO()
    with styled():
        plot.figure.savefig(buffer, format="svg", metadata={"Date": None})
    return buffer.getvalue()


def _check_names(sections: Sequence[Section]) -> None:
    for kind in ("tables", "plots"):
        names = [item.name for section in sections for item in getattr(section, kind)]
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise ValueError(f"Two {kind} of the report are named {twice[0]}; name one otherwise.")


def _plain(value: Any) -> Any:
    """Plain Python for JSON; numbers that are not finite become None."""
    if isinstance(value, dict):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if isinstance(value, np.ndarray):
        return _plain(value.tolist())
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, float) and not np.isfinite(value):
        return None
    return value

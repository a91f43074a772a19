"""`python -m train card`: the model card of a checkpoint, every figure from its files; and what the
viewer shows of it, recorded in the checkpoint (`metrics.report`).

Sources: the checkpoint's config.json (architecture, training, calibration) and the metrics.json of
`python -m train evaluate --out`. No figure stands in the template.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from huggingface_hub import EvalResult, ModelCard, ModelCardData

from lmeran.checkpoint import CheckpointError, load_checkpoint, record_metrics
from lmeran.findings import FINDINGS, display_name
from train.card.results import (
    HEADLINE,
    RESULTS,
    beside_counting,
    chance,
    figure,
    known_means,
    recorded,
    write_measured,
)
from train.data.index import DataError
from train.evaluation.section import find

CARD_FILE = "README.md"
TEMPLATE = Path(__file__).with_name("card.md.jinja")
NAME = "LMeRAN, ChestX-ray14"
_TAGS = ["chest-x-ray", "medical-imaging", "interpretability", "multi-label", "label-conditioned"]


def run_card(
    checkpoint: Path, report: Path, readme: Path | None = None, results: Path | None = None
) -> None:
    """Write the model card into the checkpoint's folder.

    Raises `CheckpointError` and `DataError`.

    Args:
        checkpoint: folder of the checkpoint
        report: folder of `evaluate --out`
        readme: README whose headline is written, too
        results: page whose figures are written, too
    """
    metrics = read_metrics(report)
    text = write_card(checkpoint, metrics)
    (checkpoint / CARD_FILE).write_text(text, encoding="utf-8")
    record_metrics(checkpoint, "report", recorded(metrics))
    print(f"the card is {checkpoint / CARD_FILE}")
    for page, template in ((readme, HEADLINE), (results, RESULTS)):
        if page is not None:
            write_measured(page, template, load_checkpoint(checkpoint), metrics)
            print(f"its figures are in {page}")


def read_metrics(report: Path) -> dict[str, Any]:
    """metrics.json of a report folder. Raises `DataError` where there is none."""
    try:
        return json.loads((report / "metrics.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        raise DataError(
            f"There is no metrics.json in {report.name}; write one with "
            "`python -m train evaluate --out`."
        ) from None


def write_card(folder: Path, metrics: dict[str, Any]) -> str:
    """The card as Markdown with the Hub's metadata.

    Raises `CheckpointError` where the metrics were measured on other weights than the folder's.
    """
    checkpoint = load_checkpoint(folder)
    if metrics.get("checkpoint") != checkpoint.identity:
        raise CheckpointError(
            f"The report was measured on {metrics.get('checkpoint')}, this is "
            f"{checkpoint.identity}; run `python -m train evaluate --out` on this checkpoint."
        )
    card = ModelCard.from_template(
        _metadata(metrics),
        template_path=str(TEMPLATE),
        name=NAME,
        identity=checkpoint.identity,
        config=checkpoint.config,
        training=checkpoint.training,
        lineage=_lineage(checkpoint.training),
        metrics=metrics,
        findings=[(name, display_name(name)) for name in FINDINGS],
        find=find,
        figure=figure,
        chance=chance(metrics),
        counting=beside_counting(metrics),
    )
    return str(card)


def _lineage(training: dict[str, Any]) -> list[dict[str, Any]]:
    """The runs that made the weights, first to last."""
    runs: list[dict[str, Any]] = []
    now: dict[str, Any] | None = training
    while now:
        runs.insert(0, now)
        now = now.get("initial")
    return runs


def _metadata(metrics: dict[str, Any]) -> ModelCardData:
    """What the Hub reads: licence, tags, and the headline figures as evaluation results."""
    dataset = {
        "task_type": "image-classification",
        "task_name": "Multi-label chest X-ray classification",
        "dataset_type": "chestxray14",
        "dataset_name": f"ChestX-ray14, {metrics['images']:,} films of the official "
        f"{metrics['split']} split",
        "dataset_split": metrics["split"],
    }
    scores = {
        f"mean AUC, {step['known']} other findings known"
        if step["known"]
        else "mean AUC, nothing pinned": step["auc"]["value"]
        for step in known_means(metrics)
    }
    results = [
        EvalResult(**dataset, metric_type="roc_auc", metric_name=name, metric_value=value)
        for name, value in scores.items()
        if value is not None
    ]
    return ModelCardData(
        model_name=NAME,
        license="mit",
        language="en",
        library_name="lmeran",
        pipeline_tag="image-classification",
        tags=_TAGS,
        metrics=["roc_auc"],
        eval_results=results,
    )

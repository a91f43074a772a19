"""The measured parts of README.md and docs/results.md, from metrics.json: no figure is typed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import jinja2

from lmeran.checkpoint import Checkpoint
from lmeran.findings import FINDINGS, display_name
from train.data.index import DataError
from train.evaluation.conditioning.arms import OWN
from train.evaluation.discrimination.published import read_paper
from train.evaluation.localisation.maps import MODEL_MAPS
from train.evaluation.section import MEAN, find

RESULTS = Path(__file__).with_name("results.md.jinja")
HEADLINE = Path(__file__).with_name("headline.md.jinja")
"""Templates: of all figures, and of those that stand in the README."""

SHOWN_MAPS = ("attention", "cam", "sum")
"""Kinds of `train.evaluation.localisation.maps.MODEL_MAPS` that the viewer opens with."""

START, END = "<!-- measured: python -m train card -->", "<!-- end of measured -->"


def figure(estimate: dict[str, Any] | float | None, digits: int = 3) -> str:
    """'0.712 (0.690 to 0.733)', '0.712' without an interval, 'none' for None."""
    if estimate is None or (isinstance(estimate, dict) and estimate["value"] is None):
        return "none"
    if not isinstance(estimate, dict):
        return f"{estimate:.{digits}f}"
    value = f"{estimate['value']:.{digits}f}"
    if estimate.get("low") is None:
        return value
    return f"{value} ({estimate['low']:.{digits}f} to {estimate['high']:.{digits}f})"


def write_measured(
    path: Path, template: Path, checkpoint: Checkpoint, metrics: dict[str, Any]
) -> None:
    """Put a measured part between the two marks of a page. Raises `DataError` without them."""
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise DataError(f"{path.name} cannot be read: {error.strerror}.") from None
    before, start, rest = text.partition(START)
    _, end, after = rest.partition(END)
    if not start or not end:
        raise DataError(f"{path.name} needs the lines '{START}' and '{END}'.")
    made = measured_part(template, checkpoint, metrics)
    path.write_text(f"{before}{START}\n{made}\n{END}{after}", encoding="utf-8")


def measured_part(template: Path, checkpoint: Checkpoint, metrics: dict[str, Any]) -> str:
    """The part as Markdown."""
    environment = jinja2.Environment(
        undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    free = metrics["discrimination"]["discrimination"]
    localisation = metrics.get("localisation", {}).get("localisation", [])
    gate = metrics.get("gate", {}).get("gate", [])
    return environment.from_string(template.read_text(encoding="utf-8")).render(
        metrics=metrics,
        paper=read_paper(),
        findings=[(name, display_name(name)) for name in FINDINGS],
        find=find,
        figure=figure,
        detail=checkpoint.config.preprocessing.detail,
        free=free,
        means=known_means(metrics),
        short=_short_of_the_paper(find(free, finding=MEAN, measure="AUC")["value"]),
        chance=chance(metrics),
        counting=beside_counting(metrics),
        maps=[r for r in localisation if r["measure"] == "IoU"],
        agreement=_free_agreement(metrics),
        gate=[r for r in gate if r["measure"] == "warned of"],
        gaps=metrics.get("subgroups", {}).get("subgroup_gaps", []),
    )


def recorded(metrics: dict[str, Any]) -> dict[str, Any]:
    """What the checkpoint itself keeps of a report, for the viewer.

    auc: of each finding, with its interval. maps: what the kinds that the viewer shows measured on
    boxes; best_map: the one with the highest IoU, None where nothing was measured.
    """
    free = metrics["discrimination"]["discrimination"]
    boxed = metrics.get("localisation", {}).get("localisation", [])
    kept = ("value", "low", "high")
    aucs = {name: find(free, finding=name, measure="AUC") for name in FINDINGS}
    maps = {
        kind: {
            name: record["value"]
            for name in ("IoU", "pointing")
            if (record := find(boxed, map=MODEL_MAPS[kind], measure=name)) is not None
        }
        for kind in SHOWN_MAPS
    }
    maps = {kind: values for kind, values in maps.items() if values}
    return {
        "split": metrics["split"],
        "images": metrics["images"],
        "auc": {name: a and {key: a[key] for key in kept} for name, a in aucs.items()},
        "boxes": metrics.get("localisation", {}).get("boxes"),
        "maps": maps,
        "best_map": max(maps, key=lambda kind: maps[kind]["IoU"], default=None),
    }


def known_means(metrics: dict[str, Any]) -> list[dict[str, Any]]:
    """known, auc and gain (None with nothing known) of the checkpoint's own arm."""
    records = metrics["conditioning"]["known_labels"]
    own = [r for r in records if r["arm"] == OWN and r["finding"] == MEAN]
    return [
        {
            "known": r["known"],
            "auc": r,
            "gain": find(own, known=r["known"], measure="gain"),
        }
        for r in own
        if r["measure"] == "AUC"
    ]


def chance(metrics: dict[str, Any]) -> str:
    """The findings whose AUC is not shown to be better than chance."""
    records = metrics["discrimination"]["discrimination"]
    names = [
        display_name(r["finding"])
        for r in records
        if r["measure"] == "AUC" and r["finding"] in FINDINGS and (r["low"] or 1) <= 0.5
    ]
    return ", ".join(names)


def beside_counting(metrics: dict[str, Any]) -> str:
    """Whether the model's pins beat counting labels, by the intervals of the paired differences;
    empty where they were not measured."""
    section = metrics["conditioning"]
    differences = [
        r
        for r in section.get("counting", [])
        if r["pins"] == "all" and r["known"] and r["measure"] == "difference"
    ]
    if not differences or any(r["value"] is None for r in differences):
        return ""
    better = [str(r["known"]) for r in differences if (r["low"] or 0) > 0]
    worse = [str(r["known"]) for r in differences if (r["high"] or 0) < 0]
    claims = [f"LMeRAN's pins beat counting with {', '.join(better)} known"] * bool(better)
    claims += [f"counting beats LMeRAN's pins with {', '.join(worse)} known"] * bool(worse)
    claim = "; ".join(claims) or "LMeRAN's pins are not shown to beat counting"
    weight = f"weight {section['weight_of_counting']:g}"
    fitted = "fitted on validation films" if section["weight_of_counting_fitted"] else "not fitted"
    shown = ", ".join(f"{figure(r)} with {r['known']}" for r in differences)
    return (
        f"{claim[0].upper()}{claim[1:]}. The model's mean AUC less that of its free reading moved "
        f"by the training labels alone ({weight}, {fitted}): {shown}."
    )


def _short_of_the_paper(mean: float | None) -> str:
    if mean is None:
        return "No finding could be measured."
    published = read_paper().mean
    less = published - mean
    verdict = "below" if less > 0 else "above"
    return f"The mean AUC is {abs(less):.3f} {verdict} the {published:.3f} published."


def _free_agreement(metrics: dict[str, Any]) -> dict[str, Any]:
    """Agreement with nothing known on all images, of calibrated probabilities where there are."""
    section = metrics.get("calibration", {})
    kind = "raw" if section.get("keeps_raw") else "calibrated"
    found = {
        r["measure"]: r["value"]
        for r in section.get("calibration", [])
        if r["known"] == 0 and r["probability"] == kind
    }
    return {"kind": kind, **found} if found else {}

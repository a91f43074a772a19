"""The measured part of the repository's README, from metrics.json: no figure in it is typed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import jinja2

from lmeran.checkpoint import Checkpoint
from lmeran.findings import FINDINGS, display_name
from train.data.index import DataError
from train.evaluation.discrimination.published import read_paper

TEMPLATE = Path(__file__).with_name("readme.md.jinja")
START, END = "<!-- measured: python -m train card -->", "<!-- end of measured -->"

MAPS = {
    "attention": "attention",
    "cam": "exact CAM",
    "gradcam": "Grad-CAM",
    "centre": "control: the usual place",
    "random": "control: random map",
}


def figure(estimate: dict[str, Any] | float | None, digits: int = 3) -> str:
    """'0.712 (0.690 to 0.733)', '0.712' without an interval, 'none' for None."""
    if estimate is None:
        return "none"
    if not isinstance(estimate, dict):
        return f"{estimate:.{digits}f}"
    value = f"{estimate['value']:.{digits}f}"
    if estimate.get("low") is None:
        return value
    return f"{value} ({estimate['low']:.{digits}f} to {estimate['high']:.{digits}f})"


def write_readme(path: Path, checkpoint: Checkpoint, metrics: dict[str, Any]) -> None:
    """Put the measured part between the two marks of a README. Raises `DataError` without them."""
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise DataError(f"{path.name} cannot be read: {error.strerror}.") from None
    before, start, rest = text.partition(START)
    _, end, after = rest.partition(END)
    if not start or not end:
        raise DataError(f"{path.name} needs the lines '{START}' and '{END}'.")
    made = measured_part(checkpoint, metrics)
    path.write_text(f"{before}{START}\n{made}\n{END}{after}", encoding="utf-8")


def measured_part(checkpoint: Checkpoint, metrics: dict[str, Any]) -> str:
    """The part as Markdown."""
    environment = jinja2.Environment(
        undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    return environment.from_string(TEMPLATE.read_text(encoding="utf-8")).render(
        metrics=metrics,
        paper=read_paper(),
        findings=[(name, display_name(name)) for name in FINDINGS],
        figure=figure,
        detail=checkpoint.config.preprocessing.detail,
        short=_short_of_the_paper(metrics),
        chance=_chance(metrics),
        maps=_maps(metrics),
        free=_free_calibration(metrics),
        gate=_gate(metrics),
        gaps=[
            line for line in metrics.get("subgroups", {}).get("text", []) if "the gap is" in line
        ],
    )


def _short_of_the_paper(metrics: dict[str, Any]) -> str:
    mean = metrics["discrimination"]["mean_auc"]
    if mean is None:
        return "No finding could be measured."
    paper = read_paper()
    less = paper.own_mean - mean["value"]
    verdict = "below" if less > 0 else "above"
    return f"The mean AUC is {abs(less):.3f} {verdict} the {paper.own_mean:.3f} published."


def _chance(metrics: dict[str, Any]) -> str:
    found = metrics["discrimination"]["findings"]
    names = [
        display_name(name)
        for name in FINDINGS
        if (auc := found[name]["auc"]) is not None and auc["low"] is not None and auc["low"] <= 0.5
    ]
    return ", ".join(names)


def _maps(metrics: dict[str, Any]) -> list[tuple[str, dict[str, Any]]]:
    maps = metrics.get("localisation", {}).get("maps", {})
    return [(name, maps[kind]["free"]["macro"]) for kind, name in MAPS.items() if kind in maps]


def _free_calibration(metrics: dict[str, Any]) -> dict[str, Any] | None:
    """Agreement with nothing known on all images, of calibrated probabilities where there are."""
    cases = metrics.get("calibration", {}).get("cases", [])
    kind = "raw" if metrics.get("calibration", {}).get("keeps_raw") else "calibrated"
    free = [case[kind] for case in cases if not case["known"] and case[kind] is not None]
    return {"kind": kind, **free[-1]} if free else None


def _gate(metrics: dict[str, Any]) -> list[str]:
    if "gate" not in metrics:
        return []
    real, *others = metrics["gate"]["kinds"]
    warned = real["warned_of"]["value"]
    told = [
        f"{kind['name'].removeprefix('the same, ')} {100 * kind['warned_of']['value']:.0f} %"
        for kind in others
        if not kind["should_pass"]
    ]
    return [
        f"Accepts {100 * (1 - warned):.1f} % of {real['pictures']} test films, and warns of: "
        f"{', '.join(told)}."
    ]

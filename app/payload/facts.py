"""What the server tells the page, as plain JSON values. The page never gets a header or a name."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

import numpy as np

from app.payload.colours import colour_tables, signed_table
from app.payload.explanation import CAM_FULL_SCALE, lift_facts
from app.payload.packing import pack_map, value_facts
from lmeran.checkpoint import Checkpoint
from lmeran.explain.attention_split import MOVED_FULL_SCALE
from lmeran.findings import FINDINGS, display_name
from lmeran.imaging.radiograph import MAX_FILE_BYTES, Radiograph
from lmeran.model.maps import CONTOUR_LEVEL, FULL_SCALE, AttentionMap
from lmeran.ood import OODResult
from lmeran.predictor import Reading
from lmeran.reference import percent_below, shift_percentiles
from lmeran.serialize import FITTED, fitted_findings, ood_object


def page_facts(checkpoint: Checkpoint, examples: list[dict[str, Any]]) -> dict[str, Any]:
    """What the page needs once: the findings, the model and how well it did, colours, examples."""
    config = checkpoint.config
    attention = config.label_branch == "attention"
    return {
        "findings": [display_name(f) for f in FINDINGS],
        "prevalence": _prevalence(checkpoint),
        "calibration": _calibration_facts(checkpoint),
        "model": {
            "identity": checkpoint.identity,
            "source": checkpoint.source,
            "block": config.block if attention else config.label_branch,
            "layers": config.layers if attention else 0,
            "heads": config.heads if attention else 0,
            "grid": config.grid,
            "test": _test_facts(checkpoint),
            "maps": _map_facts(checkpoint),
        },
        "maxBytes": MAX_FILE_BYTES,
        "contour": CONTOUR_LEVEL,
        "fullScale": FULL_SCALE,
        "colours": colour_tables(),
        "signed": signed_table(),
        "movedFullScale": MOVED_FULL_SCALE,
        "camFullScale": CAM_FULL_SCALE,
        "lift": lift_facts(checkpoint),
        "examples": examples,
    }


def film_facts(film: Radiograph, gate: OODResult | None = None) -> dict[str, Any]:
    """What the page may say of a file: what it is, never who; and the gate's verdict."""
    spacing = "not stated in the file"
    if film.spacing is not None:
        s = film.spacing
        same = abs(s.row_mm - s.column_mm) < 5e-4
        sides = f"{s.column_mm:.3f}" if same else f"{s.column_mm:.3f} x {s.row_mm:.3f}"
        spacing = f"{sides} mm ({s.source})"
    return {
        "width": film.width,
        "height": film.height,
        "aspect": film.aspect,
        "directions": film.directions,
        "frame": film.frame,
        "frames": film.frames,
        "values": value_facts(film.values),
        "spacing": None if film.spacing is None else asdict(film.spacing),
        "lines": [
            ["View", film.view or "not stated"],
            *([["Frame", f"{film.frame} of {film.frames}"]] if film.frames > 1 else []),
            ["Size", f"{film.width} x {film.height} px"],
            ["Pixel spacing", spacing],
            ["File", " ".join(p for p in (film.media, film.modality, f"{film.bits} bit") if p)],
            ["Gray", film.window],
        ],
        "warnings": list(film.warnings),
        "gate": gate_facts(gate),
    }


def gate_facts(gate: OODResult | None) -> dict[str, Any] | None:
    """The input gate's verdict and its sentences; None where the checkpoint has no gate."""
    return None if gate is None else {**ood_object(gate), "warnings": list(gate.warnings)}


def reading_facts(
    reading: Reading, free: list[AttentionMap], pinned: list[AttentionMap]
) -> dict[str, Any]:
    """A reading: probabilities, and the maps (`pack_map`) of all findings without and with pins.

    fitted: the 14 values of each entry of `lmeran.serialize.FITTED`, null without calibration.
    reference: see `_reference`.
    """
    return {
        "pins": reading.states.tolist(),
        "free": [round(float(p), 6) for p in reading.free],
        "conditioned": [None if np.isnan(p) else round(float(p), 6) for p in reading.conditioned],
        "fitted": _fitted(reading),
        "reference": _reference(reading),
        "warnings": list(reading.warnings),
        "maps": None
        if not pinned
        else {
            "layer": pinned[0].layer,
            "head": pinned[0].head,
            "tokens": pinned[0].tokens,
            "free": [pack_map(m.values) for m in free],
            "pinned": [pack_map(m.values) for m in pinned],
        },
    }


def _fitted(reading: Reading) -> dict[str, list[Any]] | None:
    if reading.calibration is None:
        return None
    findings = fitted_findings(reading)
    return {name: [finding[name] for finding in findings] for name in FITTED}


def _reference(reading: Reading) -> dict[str, Any] | None:
    """Percent of the validation films without (absent) and with the finding (present) that have a
    lower free probability; of all that the one pin there is moves less far upward (shift, null
    for none or several pins). Null without reference distributions."""
    reference = reading.reference
    if reference is None:
        return None
    shift = shift_percentiles(reference, reading.states, reading.shift)
    return {
        "films": reference.films,
        "pinnedFilms": reference.pinned_films,
        "absent": _percents(percent_below(reference.absent, reading.free)),
        "present": _percents(percent_below(reference.present, reading.free)),
        "shift": None if shift is None else _percents(shift),
    }


def _percents(values: np.ndarray) -> list[float | None]:
    return [None if np.isnan(value) else round(float(value), 1) for value in values]


def _calibration_facts(checkpoint: Checkpoint) -> dict[str, Any] | None:
    """What calibration and operating points were fitted on, and these per finding (null: none)."""
    calibration = checkpoint.calibration
    if calibration is None:
        return None
    return {
        "identity": calibration.identity,
        "films": calibration.described,
        "keepsRaw": calibration.keeps_raw,
        "positives": [finding.positives for finding in calibration.findings],
        "youden": [finding.youden and asdict(finding.youden) for finding in calibration.findings],
        "sensitive": [f.sensitive and asdict(f.sensitive) for f in calibration.findings],
    }


def _prevalence(checkpoint: Checkpoint) -> list[float] | None:
    """Share of the training films with each finding, where the checkpoint says."""
    positives = checkpoint.training.get("train_positives")
    images = checkpoint.training.get("train_images")
    if not positives or not images:
        return None
    return [round(positives[f] / images, 5) for f in FINDINGS]


def _test_facts(checkpoint: Checkpoint) -> dict[str, Any] | None:
    """Mean AUC on the test films, free and with known findings, as measured; and per finding the
    AUC with its interval, null where no report was recorded."""
    test = checkpoint.metrics.get("test")
    if not test:
        return None
    report = checkpoint.metrics.get("report", {}).get("auc", {})
    return {
        "images": test["images"],
        "scores": [{"known": s["known"], "mean": s["mean_auc"]} for s in test["scores"]],
        "auc": [test["scores"][0]["auc"].get(f) for f in FINDINGS],
        "interval": [report[f] and [report[f]["low"], report[f]["high"]] for f in FINDINGS]
        if report
        else None,
    }


def _map_facts(checkpoint: Checkpoint) -> dict[str, Any]:
    """The kind of map that opens: the one that measured best on boxes, or else the exact class
    activation map; and what each measured."""
    report = checkpoint.metrics.get("report", {})
    return {
        "opens": report.get("best_map") or "cam",
        "boxes": report.get("boxes"),
        "measured": report.get("maps", {}),
    }

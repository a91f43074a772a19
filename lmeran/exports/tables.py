"""A reading as CSV and JSON."""

from __future__ import annotations

import csv
import io
import json
from dataclasses import asdict
from typing import Any

from lmeran.exports.reading_file import decomposition_lines, versions
from lmeran.exports.record import NOTICE, Record
from lmeran.exports.regions import map_regions
from lmeran.findings import pin_words
from lmeran.serialize import DIGITS, reading_object

_PIXEL_DIGITS = 1


def finding_rows(record: Record) -> list[dict[str, Any]]:
    """The 14 findings as in `reading_object`, and "change" (conditioned - free, null if pinned)."""
    shift = record.reading.shift
    entries = _reading_object(record)["findings"]
    return [
        entry | {"change": None if entry["conditioned"] is None else round(float(shift[i]), DIGITS)}
        for i, entry in enumerate(entries)
    ]


def reading_csv(record: Record) -> bytes:
    """One row per finding, UTF-8; an empty field where a pinned finding has no value."""
    return _csv(finding_rows(record))


def regions_csv(record: Record) -> bytes:
    """The map's peak, its centroid and each region, one row each, in pixels of the film."""
    if record.map is None:
        return _csv([_place(record, "no map: the model has no attention")])
    found = map_regions(record.map, record.geometry)
    rows = [
        _place(record, "peak", x=_px(found.peak[0]), y=_px(found.peak[1])),
        _place(record, "centroid", x=_px(found.centroid[0]), y=_px(found.centroid[1])),
    ]
    for region in found.regions:
        left, top, right, bottom = (_px(side) for side in region.box)
        x, y = (_px(v) for v in region.centroid)
        share = round(region.share, DIGITS)
        sides = {"left": left, "top": top, "right": right, "bottom": bottom}
        rows.append(_place(record, "box", x=x, y=y, **sides, share=share))
    return _csv(rows)


def reading_json(record: Record) -> bytes:
    """The JSON object of `python -m lmeran predict` without a file name, and the finding's map.

    Besides: "image" (hash and size), "pins", "finding" with its "ledger" and "map" (peak, centroid
    and regions in pixels of the original film, "free" whether it is without the pins; null without
    attention), "versions", "notice".
    """
    base = {k: v for k, v in _reading_object(record).items() if k not in ("file", "error")}
    content = {
        "notice": NOTICE,
        "image": asdict(record.image),
        **base,
        "findings": finding_rows(record),
        "pins": pin_words(record.pins),
        "finding": record.finding,
        "ledger": decomposition_lines(record.decomposition, record.finding),
        "map": _map_object(record),
        "versions": versions(),
    }
    return (json.dumps(content, indent=1, allow_nan=False) + "\n").encode()


def _reading_object(record: Record) -> dict[str, Any]:
    identity = record.checkpoint.identity
    return reading_object("", identity, record.reading, record.film.warnings, record.gate)


def _map_object(record: Record) -> dict[str, Any] | None:
    if record.map is None:
        return None
    found = map_regions(record.map, record.geometry)
    return {
        "name": record.map.name,
        "layer": record.map.layer,
        "head": record.map.head,
        "free": record.free,
        "level": found.level,
        "peak": [_px(v) for v in found.peak],
        "centroid": [_px(v) for v in found.centroid],
        "regions": [
            {
                "box": [_px(v) for v in region.box],
                "centroid": [_px(v) for v in region.centroid],
                "area": region.area,
                "share": round(region.share, DIGITS),
            }
            for region in found.regions
        ],
    }


def _place(record: Record, part: str, **values: float) -> dict[str, Any]:
    columns = ("x", "y", "left", "top", "right", "bottom", "share")
    return {"finding": record.finding, "part": part} | {c: values.get(c) for c in columns}


def _px(value: float) -> float:
    return round(value, _PIXEL_DIGITS)


def _csv(rows: list[dict[str, Any]]) -> bytes:
    out = io.StringIO(newline="")
    table = csv.DictWriter(out, list(rows[0]))
    table.writeheader()
    table.writerows(rows)
    return out.getvalue().encode()

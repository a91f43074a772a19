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
from lmeran.serialize import DIGITS, plain, reading_object


def reading_csv(record: Record) -> bytes:
    """One row per finding, UTF-8; an empty field where a pinned finding has no value."""
    return _csv(_reading_object(record)["findings"])


def regions_csv(record: Record) -> bytes:
    """The map's peak, its centroid and each region, one row each, in pixels of the film."""
    if record.map is None:
        return _csv([_place(record, "no map: the model has no attention")])
    found = map_regions(record.map, record.geometry)
    rows = [
        _place(record, "peak", x=_px(found.peak[0]), y=_px(found.peak[1])),
        _place(record, "centroid", x=_px(found.centroid[0]), y=_px(found.centroid[1])),
    ]
    names = ("x", "y", "left", "top", "right", "bottom")
    for region in found.regions:
        sides = dict(zip(names, map(_px, (*region.centroid, *region.box)), strict=True))
        rows.append(_place(record, "box", **sides, share=round(region.share, DIGITS)))
    return _csv(rows)


def reading_json(record: Record) -> bytes:
    """The JSON object of `python -m lmeran predict` without a file name, and the finding's map.

    Besides: "image" (hash and size), "pins", "finding" with its "decomposition" and "map" (peak,
    centroid and regions in pixels of the original film, "free" whether it is without the pins; null
    without attention), "versions", "notice".
    """
    content = {
        "notice": NOTICE,
        "image": asdict(record.image),
        **_reading_object(record),
        "pins": pin_words(record.pins),
        "finding": record.finding,
        "decomposition": decomposition_lines(record.decomposition, record.finding),
        "map": _map_object(record),
        "versions": versions(),
    }
    return (json.dumps(content, indent=1, allow_nan=False) + "\n").encode()


def _reading_object(record: Record) -> dict[str, Any]:
    """`reading_object` without a file; each finding's "change" is conditioned - free, null if
    pinned."""
    identity, reading = record.checkpoint.identity, record.reading
    made = reading_object("", identity, reading, record.film.warnings, record.gate)
    for entry, shift in zip(made["findings"], plain(reading.shift), strict=True):
        entry["change"] = shift
    return {name: value for name, value in made.items() if name not in ("file", "error")}


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
    return round(value, 1)


def _csv(rows: list[dict[str, Any]]) -> bytes:
    out = io.StringIO(newline="")
    table = csv.DictWriter(out, list(rows[0]))
    table.writeheader()
    table.writerows(rows)
    return out.getvalue().encode()

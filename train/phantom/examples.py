"""The bundled example films of the viewer."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from train.phantom.drawing.draw import draw
from train.phantom.drawing.files import write_dicom, write_jpeg
from train.phantom.drawing.patient import PhantomSpec

EXAMPLES: tuple[tuple[str, str, PhantomSpec], ...] = (
    ("normal.jpg", "Synthetic: normal", PhantomSpec(3)),
    (
        "effusion_cardiomegaly.jpg",
        "Synthetic: effusion and cardiomegaly",
        PhantomSpec(36, ("Effusion", "Cardiomegaly")),
    ),
    ("pneumothorax.jpg", "Synthetic: pneumothorax", PhantomSpec(5, ("Pneumothorax",))),
    ("mass_nodule.jpg", "Synthetic: mass and nodule", PhantomSpec(43, ("Mass", "Nodule"))),
    (
        "edema_effusion_ap.jpg",
        "Synthetic: edema and effusion (AP)",
        PhantomSpec(7, ("Edema", "Effusion"), view="AP"),
    ),
    (
        "consolidation_pneumonia.dcm",
        "Synthetic: consolidation and pneumonia (DICOM)",
        PhantomSpec(24, ("Consolidation", "Pneumonia"), height=1072, width=880),
    ),
)
"""File, title and spec of the films that come with the viewer."""


SPECK = 0.1
"""Share of a lesion's area that one of its parts needs to get a box of its own."""


def write_examples(folder: Path) -> None:
    """Write the viewer's bundled example films and examples.json into a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    entries = []
    for file, title, spec in EXAMPLES:
        film = draw(spec)
        if file.endswith(".dcm"):
            write_dicom(folder / file, film.values, film.spacing, spec.view, title)
        else:
            write_jpeg(folder / file, film.pixels)
        entries.append(
            {
                "file": file,
                "title": title,
                "findings_drawn": list(spec.findings),
                "boxes": [box for name, mask in film.masks.items() for box in boxes_of(name, mask)],
                "synthetic": True,
            }
        )
    text = json.dumps(entries, indent=2) + "\n"
    (folder / "examples.json").write_text(text, encoding="utf-8")


def boxes_of(finding: str, mask: np.ndarray) -> list[dict[str, Any]]:
    """Rectangles in pixels round the parts of a lesion mask, bool (H, W); specks are left out."""
    _, _, parts, _ = cv2.connectedComponentsWithStats(mask.astype(np.uint8))
    found = parts[1:]  # the first is all outside the mask
    found = found[found[:, cv2.CC_STAT_AREA] >= SPECK * mask.sum()]
    sides = ("left", "top", "width", "height")
    return [
        {"finding": finding, **dict(zip(sides, map(int, part[:4]), strict=True))} for part in found
    ]

"""The example films of the viewer: synthetic, and chosen by what a checkpoint makes of them.

One finding is drawn on each. A film is fit to be shown if the checkpoint ranks that finding among
its `TOP` most probable and if pinning it as present moves another finding by `LEAST` or more;
rather one that the checkpoint tells better than chance.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from tqdm import tqdm

from lmeran.checkpoint import Checkpoint
from lmeran.explain.influence import influence
from lmeran.findings import FINDINGS, display_name, finding_index
from lmeran.imaging.files import read_file
from lmeran.imaging.radiograph import Radiograph
from lmeran.predictor import Predictor
from train.phantom.drawing.draw import PhantomFilm, draw
from train.phantom.drawing.files import write_dicom, write_jpeg
from train.phantom.drawing.patient import PhantomSpec

FILMS = 6
SIDE = 1024
TOP = 3
LEAST = 0.05
"""Change of the other finding's probability."""

SPECK = 0.1
"""Share of a lesion's area that one of its parts needs to get a box of its own."""

LIST = "examples.json"


@dataclass(frozen=True)
class Effect:
    """What a checkpoint makes of a film with one finding drawn: its rank (1: the most probable) and
    probability, and the finding that pinning it as present moves most."""

    drawn: str
    rank: int
    probability: float
    moved: str
    change: float

    @property
    def is_fit(self) -> bool:
        return self.shortfall == (0, 0)

    @property
    def shortfall(self) -> tuple[int, float]:
        """Ranks and probability that are lacking."""
        return max(0, self.rank - TOP), max(0.0, LEAST - abs(self.change))

    def __str__(self) -> str:
        drawn, moved = display_name(self.drawn), display_name(self.moved)
        return (
            f"{drawn} is rank {self.rank} at {100 * self.probability:.1f} %; pinned as present, it "
            f"moves {moved} by {100 * self.change:+.1f} points"
        )


def effect_of(predictor: Predictor, film: Radiograph, drawn: str) -> Effect:
    """The effect of pinning the finding that is drawn on a film."""
    moves, i = influence(predictor, predictor.encode(film).encoding, {}), finding_index(drawn)
    j = int(np.nanargmax(np.abs(moves.positive[i])))
    rank = 1 + int((moves.probability > moves.probability[i]).sum())
    return Effect(
        drawn, rank, float(moves.probability[i]), FINDINGS[j], float(moves.positive[i, j])
    )


def at_chance(checkpoint: Checkpoint) -> set[str]:
    """The findings that the recorded report does not show to be better than chance; those that the
    page dims."""
    measured = checkpoint.metrics.get("report", {}).get("auc", {})
    lows = {finding: auc and auc["low"] for finding, auc in measured.items()}
    return {finding for finding, low in lows.items() if low is not None and low <= 0.5}


def choose(
    judged: list[tuple[PhantomSpec, Effect]], weak: Collection[str] = ()
) -> list[tuple[PhantomSpec, Effect]]:
    """`FILMS` of the films: fit ones of different findings, those first that move another finding
    than the `weak` ones and then by the size of the effect; then others that are fit, and last
    those that lack least."""
    ranked = sorted(
        judged,
        key=lambda pair: (pair[1].shortfall, pair[1].moved in weak, -abs(pair[1].change)),
    )
    before: Counter[str] = Counter()
    order = []
    for k, (_, effect) in enumerate(ranked):
        order.append((not effect.is_fit, before[effect.drawn], k))
        before[effect.drawn] += 1
    return [ranked[k] for *_, k in sorted(order)[:FILMS]]


def write_examples(folder: Path, predictor: Predictor, patients: int, side: int = SIDE) -> str:
    """Draw `patients` films of each finding, `side` pixels a side, and write those to be shown and
    examples.json, in place of those an earlier list names. Returns a report."""
    specs = [
        PhantomSpec(seed, (finding,), side, side, view="AP" if seed % 3 == 2 else "PA")
        for finding in FINDINGS
        for seed in range(patients)
    ]
    judged = []
    for spec in tqdm(specs, unit="film", leave=False):
        film = Radiograph(draw(spec).pixels, "JPEG", 8)
        judged.append((spec, effect_of(predictor, film, spec.findings[0])))
    folder.mkdir(parents=True, exist_ok=True)
    _remove_old(folder)
    chosen = choose(judged, at_chance(predictor.checkpoint))
    names = _names([spec for spec, _ in chosen])
    entries, effects = [], []
    for name, (spec, _) in zip(names, chosen, strict=True):
        film = draw(spec)
        title = _write(folder / name, film, spec)
        # from the file, which is what a reader sees
        effect = effect_of(predictor, read_file(folder / name), spec.findings[0])
        effects.append(effect)
        entries.append(_entry(name, title, film, effect, predictor.checkpoint.identity))
    (folder / LIST).write_text(json.dumps(entries, indent=2) + "\n", encoding="utf-8")
    fit = sum(effect.is_fit for effect in effects)
    criteria = f"the drawn finding among the top {TOP}, another moved by {100 * LEAST:.0f} points"
    verdict = f"{fit} of {len(effects)} films have {criteria}"
    if fit < len(effects):
        verdict += "; the others are the nearest of all that were drawn"
    return "\n".join([*(f"{n}: {e}" for n, e in zip(names, effects, strict=True)), verdict])


def boxes_of(finding: str, mask: np.ndarray) -> list[dict[str, Any]]:
    """Rectangles in pixels round the parts of a lesion mask, bool (H, W); specks are left out."""
    _, _, parts, _ = cv2.connectedComponentsWithStats(mask.astype(np.uint8))
    found = parts[1:]  # the first is all outside the mask
    found = found[found[:, cv2.CC_STAT_AREA] >= SPECK * mask.sum()]
    sides = ("left", "top", "width", "height")
    return [
        {"finding": finding, **dict(zip(sides, map(int, part[:4]), strict=True))} for part in found
    ]


def _names(specs: list[PhantomSpec]) -> list[str]:
    """File names: the finding, with the patient where it repeats; the last one is a DICOM file."""
    findings = [spec.findings[0].lower() for spec in specs]
    stems = [
        f"{finding}_{spec.seed}" if finding in findings[:k] else finding
        for k, (finding, spec) in enumerate(zip(findings, specs, strict=True))
    ]
    return [f"{stem}.jpg" for stem in stems[:-1]] + [f"{stems[-1]}.dcm"]


def _write(path: Path, film: PhantomFilm, spec: PhantomSpec) -> str:
    """The film's title."""
    notes = ["AP"] * (spec.view == "AP") + ["DICOM"] * (path.suffix == ".dcm")
    title = f"Synthetic: {display_name(spec.findings[0]).lower()}"
    title += f" ({', '.join(notes)})" if notes else ""
    if path.suffix == ".dcm":
        write_dicom(path, film.values, film.spacing, spec.view, title)
    else:
        write_jpeg(path, film.pixels)
    return title


def _entry(
    name: str, title: str, film: PhantomFilm, effect: Effect, checkpoint: str
) -> dict[str, Any]:
    return {
        "file": name,
        "title": title,
        "findings_drawn": [effect.drawn],
        "boxes": [box for finding, mask in film.masks.items() for box in boxes_of(finding, mask)],
        "synthetic": True,
        "checkpoint": checkpoint,
        "rank": effect.rank,
        "probability": round(effect.probability, 4),
        "pin": {"finding": effect.drawn, "state": "positive"},
        "moves": {"finding": effect.moved, "points": round(100 * effect.change, 1)},
    }


def _remove_old(folder: Path) -> None:
    """The films that the list in a folder names."""
    if (folder / LIST).is_file():
        for entry in json.loads((folder / LIST).read_text(encoding="utf-8")):
            (folder / Path(entry["file"]).name).unlink(missing_ok=True)

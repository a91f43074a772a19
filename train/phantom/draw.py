"""Synthetic frontal chest radiographs, drawn from a seed: no pixel of any patient is in them.

The chest is described as thicknesses of tissue, air and bone along the beam, then exposed: beam,
scatter, quantum noise, the detector's logarithm and a clinical display curve. The films are
examples for the viewer and test material with lesions in known places. They are drawings, not
simulations: nothing measured on them says how a model does on patients.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np

from lmeran.findings import FINDINGS
from train.phantom.anatomy import (
    Build,
    Chest,
    draw_abdominal_gas,
    draw_airways,
    draw_body,
    draw_chest,
)
from train.phantom.bones import draw_bones
from train.phantom.detector import collimate, develop, expose, letter, window
from train.phantom.files import write_dicom, write_jpeg
from train.phantom.frame import Frame, noise, smooth_step, stream
from train.phantom.lesions import Lesion, changed_build, draw_lesion
from train.phantom.vessels import draw_vessels

SMALLEST_SIDE = 64
BONE_OVER_SOFT = 3.0
"""What a mm of bone adds to the beam's attenuation, in mm of soft tissue."""
BLOOD_SHOWN = 1.15


@dataclass(frozen=True)
class PhantomSpec:
    """Which film to draw.

    Args:
        seed: of the patient and of the lesions; the same seed with other findings is the same
            patient
        findings: names from `FINDINGS`; none for a normal film
        height: of the film in pixels
        width: of the film in pixels
        view: "PA", standing, or "AP", at the bedside
    """

    seed: int
    findings: tuple[str, ...] = ()
    height: int = 1024
    width: int = 1024
    view: Literal["PA", "AP"] = "PA"

    def __post_init__(self) -> None:
        unknown = sorted(set(self.findings) - set(FINDINGS))
        if unknown:
            raise ValueError(f"not among the 14 findings: {', '.join(unknown)}")
        if min(self.height, self.width) < SMALLEST_SIDE:
            raise ValueError(f"a film has at least {SMALLEST_SIDE} pixels a side")
        if self.view not in ("PA", "AP"):
            raise ValueError(f"view must be PA or AP: {self.view!r}")


@dataclass(frozen=True, eq=False)
class PhantomFilm:
    """A drawn film.

    Args:
        pixels: uint8 (H, W) for display, dense is bright
        values: uint16 (H, W) of 12 bits, as a detector stores them; `pixels` is these under the
            sigmoid window of `train.phantom.detector`
        masks: finding -> bool (H, W), where it is drawn
        spacing: mm of film per pixel
    """

    pixels: np.ndarray
    values: np.ndarray
    masks: dict[str, np.ndarray]
    spacing: float


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


def draw(spec: PhantomSpec) -> PhantomFilm:
    """The film of a spec; the same spec always gives the same film."""
    frame, build = frame_of(spec), changed_build(build_of(spec), spec.findings)
    chest = draw_chest(frame, build)
    lesions = {name: draw_lesion(name, frame, build, chest) for name in spec.findings}
    body = draw_body(frame, build)
    tissue = body - _lung_air(frame, build, chest, lesions) - draw_airways(frame, build)
    tissue -= draw_abdominal_gas(frame, build, chest)
    tissue += _lung_vessels(frame, build, chest, lesions)
    tissue += BONE_OVER_SOFT * draw_bones(frame, build)
    tissue += sum(lesion.added for lesion in lesions.values())
    tissue += _unevenness(frame, build) * body / 220
    attenuation = expose(frame, tissue, spec.seed, build.supine)
    values = collimate(frame, develop(frame, attenuation, body), spec.seed)
    stored = np.round(letter(frame, values, spec.seed)).astype(np.uint16)
    masks = {name: lesion.mask for name, lesion in lesions.items()}
    return PhantomFilm(window(stored), stored, masks, frame.spacing)


def frame_of(spec: PhantomSpec) -> Frame:
    """Size and position of the patient on the film."""
    random = stream(spec.seed, "frame")
    scale, angle = random.uniform(1.0, 1.08), random.normal(0, 0.012)
    shift = (random.normal(0, 4), random.normal(0, 4))
    return Frame(spec.height, spec.width, float(scale), float(angle), shift)


def build_of(spec: PhantomSpec) -> Build:
    """The healthy patient of a seed."""
    random = stream(spec.seed, "build")
    supine = spec.view == "AP"
    return Build(
        seed=spec.seed,
        female=bool(random.random() < 0.5),
        breast=random.uniform(0.7, 1.25),
        fat=random.uniform(0.85, 1.2),
        # At the bedside the heart is farther from the detector and the breath less deep.
        heart=random.normal(1.0, 0.04) * (1.10 if supine else 1.0),
        dome=random.normal(0, 4) - (14 if supine else 0),
        flatness=0.0,
        aeration=random.uniform(0.20, 0.24) * (1.12 if supine else 1.0),
        vessels=1.0,
        turn=random.normal(0, 2.5),
        supine=supine,
    )


def _lung_air(frame: Frame, build: Build, chest: Chest, lesions: dict[str, Lesion]) -> np.ndarray:
    """Air in the lungs in mm; lower zones hold more blood, and lesions take air away."""
    random = stream(build.seed, "parenchyma")
    grains = ((1.2, 0.02), (2.5, 0.025), (6.0, 0.02), (18.0, 0.03))
    grain = 1 + sum(weight * noise(frame, random, size) for size, weight in grains)
    tissue = build.aeration * (1 + 0.25 * smooth_step(chest.y, 60, 240)) * grain
    air = chest.lung * (1 - tissue)
    for lesion in lesions.values():
        air = air * (1 - lesion.filled)
    return air


def _lung_vessels(
    frame: Frame, build: Build, chest: Chest, lesions: dict[str, Lesion]
) -> np.ndarray:
    """Vessels as mm of soft tissue, as far as there is air round them to see them by."""
    vessels = BLOOD_SHOWN * draw_vessels(frame, build) * smooth_step(chest.lung, 15, 110)
    for lesion in lesions.values():
        vessels = vessels * (1 - lesion.bare)
    return vessels


def _unevenness(frame: Frame, build: Build) -> np.ndarray:
    """Muscle and fat are not smooth: a few mm more or less."""
    random = stream(build.seed, "muscle")
    return 1.5 * noise(frame, random, 30) + 0.7 * noise(frame, random, 8)


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
        drawn = list(spec.findings)
        entries.append({"file": file, "title": title, "findings_drawn": drawn, "synthetic": True})
    text = json.dumps(entries, indent=2) + "\n"
    (folder / "examples.json").write_text(text, encoding="utf-8")

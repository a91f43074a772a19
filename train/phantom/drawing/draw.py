"""Synthetic frontal chest radiographs, drawn from a seed: no pixel of any patient is in them.

The chest is described as thicknesses of tissue, air and bone along the beam, then exposed: beam,
scatter, quantum noise, the detector's logarithm and a clinical display curve. The films are
examples for the viewer and test material with lesions in known places. They are drawings, not
simulations: nothing measured on them says how a model does on patients.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from train.phantom.drawing.anatomy import (
    Build,
    Chest,
    draw_abdominal_gas,
    draw_airways,
    draw_body,
    draw_chest,
)
from train.phantom.drawing.bones import draw_bones
from train.phantom.drawing.detector import collimate, develop, expose, letter, window
from train.phantom.drawing.frame import Frame, noise, smooth_step, stream
from train.phantom.drawing.lesions import Lesion, draw_lesion
from train.phantom.drawing.patient import PhantomSpec, build_of, changed_build, frame_of
from train.phantom.drawing.vessels import draw_vessels

BONE_OVER_SOFT = 3.0
"""What a mm of bone adds to the beam's attenuation, in mm of soft tissue."""
BLOOD_SHOWN = 1.5


@dataclass(frozen=True, eq=False)
class PhantomFilm:
    """A drawn film.

    Args:
        pixels: uint8 (H, W) for display, dense is bright
        values: uint16 (H, W) of 12 bits, as a detector stores them; `pixels` is these under the
            sigmoid window of `train.phantom.drawing.detector`
        masks: finding -> bool (H, W), where it is drawn
        spacing: mm of film per pixel
    """

    pixels: np.ndarray
    values: np.ndarray
    masks: dict[str, np.ndarray]
    spacing: float


def draw(spec: PhantomSpec) -> PhantomFilm:
    """The film of a spec; the same spec always gives the same film."""
    strengths = spec.strength_of
    frame, build = frame_of(spec), changed_build(build_of(spec), strengths)
    chest = draw_chest(frame, build)
    lesions = {name: draw_lesion(name, frame, build, chest, strengths[name]) for name in strengths}
    body = draw_body(frame, build)
    tissue = body - _lung_air(frame, build, chest, lesions) - draw_airways(frame, build)
    tissue -= draw_abdominal_gas(frame, build, chest)
    tissue += _lung_vessels(frame, build, chest, lesions)
    tissue += BONE_OVER_SOFT * draw_bones(frame, build)
    tissue += sum(lesion.added for lesion in lesions.values())
    tissue += _unevenness(frame, build) * body / 220
    random = stream(spec.seed, "film", spec.visit)
    attenuation = expose(frame, tissue, random, build.supine)
    values = collimate(frame, develop(frame, attenuation, body, random), random)
    stored = np.round(letter(frame, values, random)).astype(np.uint16)
    masks = {name: lesion.mask for name, lesion in lesions.items()}
    return PhantomFilm(window(stored), stored, masks, frame.spacing)


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

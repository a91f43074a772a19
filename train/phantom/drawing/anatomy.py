"""Soft tissue and air of the phantom: body, lungs, heart and great vessels, airways, abdomen.

All maps are float32 (H, W) of millimetres along the beam.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from train.phantom.drawing.frame import (
    Frame,
    blur,
    bulge,
    curve,
    depth_inside,
    mirrored,
    noise,
    smooth_step,
    splat_all,
    stream,
    tube,
)

CAGE = [
    (0, 60), (16, 44), (22, 25), (30, 9), (43, 1), (56, 0), (70, 4), (83, 13), (96, 28),
    (114, 56), (127, 94), (135, 140), (139, 188), (140, 232), (137, 266), (130, 300), (122, 345),
]  # fmt: skip
"""Half of the outline of the pleural cavities, (x, y) in mm from the midline notch downwards."""
CAGE_Y = np.array([y for _, y in CAGE[5:]], dtype=np.float64)
CAGE_X = np.array([x for x, _ in CAGE[5:]], dtype=np.float64)

CAGE_DEPTH = ([-5, 0, 30, 60, 100, 150, 200, 300], [42, 50, 80, 112, 146, 173, 187, 190])
"""Front-to-back size of the pleural cavities: y, mm."""
BODY_DEPTH = ([-80, -40, 0, 40, 90, 150, 250, 360], [124, 132, 146, 166, 192, 218, 228, 228])
HILA = {-1: (-42.0, 124.0), 1: (44.0, 114.0)}


@dataclass(frozen=True)
class Build:
    """What differs between two patients, and what a finding changes in the whole chest.

    Args:
        seed: of everything drawn at random
        visit: of what differs between two films of the patient
        female: breasts, narrower shoulders
        breast: size of the breasts, about 1
        fat: thickness of the body wall, about 1
        heart: width of the heart, 1 at a cardiothoracic ratio of 0.46
        dome: mm by which the diaphragm stands lower than usual
        flatness: 0 for a domed diaphragm, 1 for a flat one
        aeration: soft tissue in a mm of lung
        vessels: calibre of the lung's vessels, 1 is usual
        turn: mm sideways that the front of the chest moves when the patient is turned
        supine: AP film: scapulae over the lungs, high clavicles
    """

    seed: int
    visit: int
    female: bool
    breast: float
    fat: float
    heart: float
    dome: float
    flatness: float
    aeration: float
    vessels: float
    turn: float
    supine: bool


@dataclass(frozen=True, eq=False)
class Chest:
    """Maps that lesions are placed by.

    Args:
        x: mm from the midline, positive to the patient's left
        y: mm below the apices
        lung: mm of lung along the beam
        wall: mm from the pleural outline to a pixel inside it
        heart: mm of heart along the beam
        below: mm below the top of the diaphragm, negative above
    """

    x: np.ndarray
    y: np.ndarray
    lung: np.ndarray
    wall: np.ndarray
    heart: np.ndarray
    below: np.ndarray


def table(y: np.ndarray, columns: tuple[list[float], list[float]]) -> np.ndarray:
    """A quantity tabulated over y, at every pixel."""
    return np.interp(y, *columns).astype(np.float32)


def dome_points(build: Build) -> np.ndarray:
    """Top of the diaphragm as (x, y) in mm, right to left; the right dome stands higher."""
    dome = [(-150, 272), (-138, 257), (-122, 241), (-100, 228), (-72, 221), (-45, 223), (-15, 233)]
    dome += [(15, 241), (45, 235), (75, 231), (100, 236), (122, 248), (138, 265), (150, 281)]
    points = np.array(dome, dtype=np.float64)
    points[:, 1] += build.flatness * 0.75 * (258 - points[:, 1]) + build.dome
    return curve(points)


def draw_chest(frame: Frame, build: Build) -> Chest:
    """The pleural cavities less the heart, the mediastinum and the diaphragm."""
    x, y = frame.grid()
    cage = curve(mirrored(CAGE), closed=True)
    wall = depth_inside(frame, cage)
    depth = table(y, CAGE_DEPTH)
    points = dome_points(build)
    below = y - np.interp(x, points[:, 0], points[:, 1]).astype(np.float32)
    # A dome falls away from its top to the front and, deeper, to the back: the beam leaves the
    # lung where it enters the dome and meets the lung again behind it.
    half = depth / 2 * (1 - (1 - np.clip(wall / 70, 0, 1)) ** 2.4) ** (1 / 2.1)
    under = np.sqrt(np.clip(below, 0, None))
    steep = 1 + build.flatness
    front = np.clip(half - under / np.sqrt(0.011) * steep, 0, None)
    back = np.clip(half - under / np.sqrt(0.0075) * steep, 0, None)
    cavity = front + back
    heart = draw_heart(frame, build)
    middle = np.hypot(draw_mediastinum(frame, build), heart)
    lung = np.clip(cavity - middle * (1 - 0.75 * smooth_step(below, 0, 25)), 0, None)
    return Chest(x, y, lung, wall, heart, below)


def draw_heart(frame: Frame, build: Build) -> np.ndarray:
    """Thickness of the heart, most of it on the patient's left."""
    random = stream(build.seed, "heart")
    outline = [(4, 96), (26, 100), (36, 110), (43, 122), (52, 140), (66, 163), (79, 188)]
    outline += [(87, 212), (88, 234), (72, 256), (30, 268), (-12, 266), (-34, 246), (-42, 216)]
    outline += [(-45, 192), (-43, 170), (-37, 148), (-29, 124), (-16, 104)]
    points = np.array(outline, dtype=np.float64)
    grown = 1 + (build.heart - 1) * smooth_step(points[:, 1], 100, 175)
    points[:, 0] = points[:, 0] * grown + build.turn
    points[:, 1] += build.dome * 0.6 * smooth_step(points[:, 1], 120, 240)
    points += random.normal(0, 1.0, points.shape)
    depth = depth_inside(frame, curve(points, closed=True))
    # The beating heart has a softer edge than the bones.
    _, y = frame.grid()
    deep = 140 * build.heart**0.7 * (0.35 + 0.65 * smooth_step(y, 92, 170))
    return blur(bulge(depth, 52 * build.heart) * deep, 0.7 / frame.pitch)


def draw_mediastinum(frame: Frame, build: Build) -> np.ndarray:
    """Thickness of the great vessels and all else between the lungs except the heart."""
    random = stream(build.seed, "mediastinum")
    knob = random.uniform(-2, 4)
    outline = [(33, -40), (30, 0), (28, 25), (28, 44), (33 + knob, 54), (40 + knob, 66)]
    outline += [(39 + knob, 78), (34, 89), (36, 98), (41, 108), (44, 120), (42, 138), (34, 165)]
    outline += [(28, 200), (-28, 200), (-33, 160), (-31, 130), (-30, 108), (-31, 84), (-30, 58)]
    outline += [(-28, 30), (-30, 0), (-34, -40)]
    points = np.array(outline, dtype=np.float64) + random.normal(0, 0.8, (len(outline), 2))
    points[:, 0] += build.turn * 0.5
    depth = depth_inside(frame, curve(points, closed=True))
    x, y = frame.grid()
    # Above the arch the vessels lie in fat and fade into the apices.
    radius = table(y, ([0, 45, 60, 110, 160], [30, 28, 22, 24, 34]))
    gradual = table(y, ([0, 50, 70, 110], [2.4, 1.7, 1.2, 1.1]))
    vessels = bulge(depth, radius) ** gradual * table(y, CAGE_DEPTH) * 1.05
    column = smooth_step(np.abs(x), 42, 10) * smooth_step(y, 120, 200) * table(y, CAGE_DEPTH)
    vessels = np.maximum(vessels * smooth_step(y, 200, 150), column)
    aorta = np.array([(30, 62), (31, 80), (29, 110), (25, 150), (20, 200), (13, 250)], float)
    aorta[:, 0] += build.turn * -0.3
    descending = splat_all(frame, [tube(frame, curve(aorta), 13, 26)])
    return blur(np.maximum(vessels, 0) + descending * 0.7, 0.5 / frame.pitch)


def draw_body(frame: Frame, build: Build) -> np.ndarray:
    """Thickness of the whole body as if it were solid: trunk with neck and shoulders, arms."""
    fat, narrow = build.fat, 0.94 if build.female else 1.0
    half = [(54, -190), (55, -95), (61, -68), (78, -50), (108, -38), (146, -28), (182, -16)]
    half += [(212, 6), (222, 45), (200, 95), (183, 140), (177, 180), (177, 240), (184, 400)]
    points = np.array(half, dtype=np.float64)
    points[1:9, 0] *= narrow
    points[9:, 0] += (fat - 1) * 28 - (0 if not build.female else 4)
    if build.supine:
        points[4:8, 1] -= 8
    x, y = frame.grid()
    trunk = bulge(depth_inside(frame, curve(mirrored(list(points)), closed=True)), 52)
    trunk = trunk * table(y, BODY_DEPTH) * (0.72 + 0.28 * fat)
    random = stream(build.seed, "arms")
    limbs = np.zeros_like(x)
    for side in (-1, 1):
        swing, half = random.uniform(-4, 14), 46 * fat**0.5
        inner = [(176, 20), (170, 80), (172, 130), (178, 170), (190 + swing, 260)]
        outer = [(270 + swing, 420), (252 + swing, 260), (240, 150), (228, 70), (205, 22)]
        arm = np.array([*inner, (212 + swing, 420), *outer]) * [side * narrow, 1]
        depth = depth_inside(frame, curve(arm, closed=True))
        limbs += bulge(depth, half * 0.6) * 2 * half * smooth_step(y, -10, 90)
    # Where arm and trunk meet, neither hides the other: they share the shoulder.
    body = np.sqrt(trunk**2 + limbs**2)
    body -= 0.25 * np.minimum(trunk, limbs) * smooth_step(y, 160, 60)
    return body + _surface(frame, build, x, y)


def _surface(frame: Frame, build: Build, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Breasts or chest muscles in front of the lungs, as extra thickness."""
    random = stream(build.seed, "breasts")
    extra = np.zeros_like(x)
    for side in (-1, 1):
        low = random.normal(0, 4)
        if build.female:
            size = 74 * build.breast**0.5
            centre = (side * 92, 182 + low + 18 * build.breast)
            across, down = (x - centre[0]) / size, (y - centre[1]) / (size * 0.95)
            # A breast hangs: full below, thinning out towards the collar bone.
            down = np.where(down < 0, down * 0.55, down)
            edge = np.clip(1 - across**2 - down**2, 0, None)
            extra += edge**0.75 * 46 * build.breast * smooth_step(y, 60, 185)
        else:
            lower_edge = 132 + low - 0.42 * (np.abs(x) - 110)
            across = smooth_step(np.abs(x), 45, 120) * (np.sign(x) == side)
            muscle = smooth_step(y, -5, 60) * smooth_step(y, lower_edge + 9, lower_edge - 9)
            extra += muscle * across * 13 * smooth_step(np.abs(x), 215, 150)
    return extra


def draw_airways(frame: Frame, build: Build) -> np.ndarray:
    """Air in trachea and main bronchi; the carina is at y = 96."""
    lean = stream(build.seed, "trachea").uniform(-1, 3) + build.turn * 0.4
    trachea = np.array([(0, -150), (0, -60), (0, 0), (-lean, 50), (-lean, 94)], float)
    right = np.array([(-lean - 3, 90), (-16 - lean, 106), (-27 - lean, 124)], float)
    left = np.array([(-lean + 3, 90), (15 - lean, 104), (34 - lean, 119)], float)
    tubes = [
        tube(frame, curve(trachea), 8.8, 21),
        tube(frame, curve(right), 6.5, 15),
        tube(frame, curve(left), 5.5, 13),
    ]
    return blur(splat_all(frame, tubes), 0.9 / frame.pitch)


def draw_abdominal_gas(frame: Frame, build: Build, chest: Chest) -> np.ndarray:
    """Gas in the stomach, under the left dome with a fluid level, and a little in the bowel."""
    random = stream(build.seed, "stomach")
    top = np.interp(72, *dome_points(build).T) + 8
    x, y = chest.x, chest.y
    wide, tall = random.uniform(24, 36), random.uniform(22, 32)
    across = (x - random.uniform(60, 76)) / wide
    down = (y - top - tall) / tall
    gas = np.sqrt(np.clip(1 - across**2 - down**2, 0, None)) * 62
    gas *= smooth_step(y, top + tall * 1.05 + 2, top + tall * 1.05 - 2)
    for _ in range(5):
        centre = (random.uniform(70, 125), random.uniform(top + 42, top + 75))
        size = random.uniform(8, 15, 2)
        across, down = (x - centre[0]) / size[0], (y - centre[1]) / size[1]
        gas += np.sqrt(np.clip(1 - across**2 - down**2, 0, None)) * 20
    fold = 1 + 0.15 * noise(frame, random, 9)
    return blur(gas * fold, 1.3 / frame.pitch)

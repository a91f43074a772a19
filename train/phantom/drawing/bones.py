"""Bones of the phantom: ribs, spine, clavicles, scapulae and upper arms, as mm of bone."""

from __future__ import annotations

import numpy as np

from train.phantom.drawing.anatomy import CAGE_DEPTH, CAGE_X, CAGE_Y, Build
from train.phantom.drawing.frame import (
    Frame,
    blur,
    bulge,
    curve,
    depth_inside,
    noise,
    smooth_step,
    splat_all,
    stream,
    tube,
)

Tube = tuple[np.ndarray, np.ndarray]

VERTEBRA_TOPS = np.array(
    [-73, -54, -35, -15, 6, 28, 50, 72, 94, 117, 141, 165, 190, 215, 241, 269, 299, 330, 362]
)
"""Upper end plates in mm from C5 on; index 3 is T1."""
FIRST_RIB = 3
RIB_FALLS = (38, 56, 72, 86, 96, 104, 109, 112, 113, 114, 116)
"""How far each rib comes down from its head at the spine to the front of the chest, in mm."""


def draw_bones(frame: Frame, build: Build) -> np.ndarray:
    """All bones, in mm of cortical bone along the beam."""
    ribs = splat_all(frame, [piece for side in (-1, 1) for piece in _ribs(frame, build, side)])
    girdle = splat_all(frame, [part for side in (-1, 1) for part in _girdle(frame, build, side)])
    flat = sum(_scapula(frame, build, side) for side in (-1, 1))
    grain = 1 + 0.10 * noise(frame, stream(build.seed, "marrow"), 1.6)
    bones = blur(ribs + girdle, 0.45 / frame.pitch) + blur(flat, 0.6 / frame.pitch)
    return (bones + _spine(frame, build)) * grain


def _ribs(frame: Frame, build: Build, side: int) -> list[Tube]:
    """Ribs of one side: a tilted ellipse round the chest, from the spine to the cartilage."""
    random = stream(build.seed, f"ribs {side}")
    pieces = []
    for number, fall in enumerate(RIB_FALLS):
        head_y = VERTEBRA_TOPS[FIRST_RIB + number] + 3 + random.normal(0, 0.8)
        fall = fall + random.normal(0, 2)
        head_y += 6 if number == 0 else 0
        wide = np.interp(head_y + fall / 2 + 10, CAGE_Y, CAGE_X) + (3 if number else -5)
        deep = np.interp(head_y + fall / 2, *CAGE_DEPTH) / 2
        last = np.radians([118, 128, 132, 130, 126, 122, 116, 108, 96, 72, 44][number])
        for start, end in ((np.radians(9), np.pi / 2), (np.pi / 2, last)):
            if end <= start:
                continue
            turn = np.linspace(start, end, 60)
            x = side * wide * np.sin(turn) ** 0.94
            x += build.turn * -0.5 * np.cos(turn)
            y = head_y + fall * (1 - np.cos(turn)) / 2 + 11 * np.sin(turn)
            y -= 2 * np.exp(-(((np.degrees(turn) - 25) / 14) ** 2)) * (number > 1)
            path = np.stack([x, y], axis=1)
            # Where the rib runs along the beam, at the side of the chest, the beam meets more bone.
            in_plane = np.hypot(np.gradient(x), np.gradient(y))
            true = np.hypot(in_plane, np.gradient(-deep * np.cos(turn)))
            oblique = np.clip(true / (in_plane + 1e-6), 1, 1.9)
            half = np.interp(turn, [0.1, 0.5, 1.2, 2.3], [4.2, 5.4, 6.4, 7.2])
            half *= 0.85 if number == 0 else 1.0
            thin = np.where(turn > np.pi / 2, 0.72, 0.6 + 0.4 * smooth_step(turn, 0.15, 0.6))
            pieces.append(tube(frame, path, half, 8.0 * oblique * thin, hollow=0.74))
    return pieces


def _girdle(frame: Frame, build: Build, side: int) -> list[Tube]:
    """Clavicle, upper arm, and the ridges of the scapula of one side."""
    random = stream(build.seed, f"girdle {side}")
    lift = -12 if build.supine else 0
    high = random.normal(0, 3) + lift
    narrow = 0.95 if build.female else 1.0
    collar = np.array(
        [(15, 47), (36, 42), (66, 31), (98, 15), (130, 3), (158, 0), (174, 4)], dtype=np.float64
    )
    collar[:, 1] += high * smooth_step(collar[:, 0], 15, 100)
    humerus = np.array([(193, 44), (203, 90), (214, 160), (227, 260), (244, 420)], float)
    inward = -16 if build.supine else 0
    ridge = np.array([(131, 52), (150, 30), (172, 13), (190, 8)], float)
    ridge += np.array([inward / 2, lift / 2])
    border = np.array([(170, 58), (163, 90), (154, 130), (147, 172)], float)
    medial = np.array([(147, 172), (134, 140), (127, 90), (131, 60)], float)
    border[:, 0] += inward
    medial[:, 0] += inward
    coracoid = np.array([(158, 46), (157, 34), (164, 29), (170, 33)], float)
    front = [build.turn, 0]

    def part(path: np.ndarray, half: list[float] | float, thick: float, hollow: float) -> Tube:
        path = curve(path * [side * narrow, 1])
        if not np.isscalar(half):
            half = np.interp(np.linspace(0, 1, len(path)), np.linspace(0, 1, len(half)), half)
        return tube(frame, path, half, thick, hollow)

    return [
        part(collar + np.array(front) * side, [8.5, 6.6, 5.6, 5.8, 7.0], 14, 0.70),
        part(humerus, [20, 13, 12, 12, 12], 22, 0.80),
        part(ridge, [1.5, 4.0, 7.5], 7, 0.6),
        part(border, [7.5, 4.5, 3.5], 7, 0.35),
        part(medial, [2, 1.8, 1], 2.2, 0.0),
        part(coracoid, [5, 6, 4.5], 8, 0.6),
    ]


def _scapula(frame: Frame, build: Build, side: int) -> np.ndarray:
    """The thin blade, the socket and the head of the upper arm."""
    inward = -16 if build.supine else 0
    narrow = 0.95 if build.female else 1.0
    outline = [(128, 40), (150, 32), (172, 42), (170, 60), (161, 100), (147, 172), (134, 140)]
    blade = np.array([*outline, (126, 90)], dtype=np.float64)
    blade[:, 0] += inward
    sheet = bulge(depth_inside(frame, blade * [side * narrow, 1]), 2.5) * 1.6
    ring = np.radians(np.arange(0, 360, 6))
    head = np.stack([191 + 23 * np.cos(ring), 40 + 24 * np.sin(ring)], axis=1)
    depth = depth_inside(frame, head * [side * narrow, 1])
    ball = bulge(depth, 23) * 12 - bulge(np.clip(depth - 1.4, 0, None), 22) * 7
    return sheet + ball


def _spine(frame: Frame, build: Build) -> np.ndarray:
    """Vertebral bodies with end plates, pedicles and spinous processes, T1 about at y = -15."""
    x, y = frame.grid()
    random = stream(build.seed, "spine")
    x = x - random.normal(0, 2) * np.sin(y / 90)
    level = np.clip(np.searchsorted(VERTEBRA_TOPS, y, side="right") - 1, 0, len(VERTEBRA_TOPS) - 2)
    bones = _vertebra(build, x, y, level) + _process(build, x, y, level)
    # The tip of a spinous process lies over the next vertebra.
    bones += _process(build, x, y, np.maximum(level - 1, 0)) * (level > 0)
    return blur(bones, 0.8 / frame.pitch)


def _size(top: np.ndarray | float) -> np.ndarray:
    """Breadth of a vertebra by the height of its upper end plate."""
    return np.interp(top, [-60, 0, 200, 340], [0.80, 0.92, 1.2, 1.5]).astype(np.float32)


def _ends(level: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Upper and lower end plate in mm of the vertebra of each pixel."""
    top, below = VERTEBRA_TOPS[level], VERTEBRA_TOPS[level + 1]
    low = top + (below - top) * np.interp(top, [-60, 200, 340], [0.76, 0.82, 0.80])
    return top.astype(np.float32), low.astype(np.float32)


def _vertebra(build: Build, x: np.ndarray, y: np.ndarray, level: np.ndarray) -> np.ndarray:
    """Bodies with end plates and sides, transverse processes, rings of the pedicles; mm of bone."""
    top, low = _ends(level)
    size = _size(top)
    half = 14.5 * size * (1 - 0.10 * (1 - ((y - (top + low) / 2) / ((low - top) / 2)) ** 2))
    inside = smooth_step(np.abs(x), half + 1.8, half - 1.8)
    body = smooth_step(y, top - 1.6, top + 1.6) * smooth_step(y, low + 1.6, low - 1.6)
    plates = np.exp(-(((y - top - 1) / 1.1) ** 2)) + np.exp(-(((y - low + 1) / 1.1) ** 2))
    sides = np.exp(-(((np.abs(x) - half + 1) / 1.2) ** 2))
    bones = inside * (body * 2.7 * size + plates * 1.3) + sides * body * 0.9
    wing = smooth_step(np.abs(x), 33, 28) * smooth_step(np.abs(x), half - 3, half + 1)
    across = (y - (top + 6 - 0.16 * (np.abs(x) - half))) / 4.2
    bones += wing * np.sqrt(np.clip(1 - across**2, 0, None)) * 2.6
    for side in (-1, 1):
        across = (x - side * 9.5 * size - build.turn * 0.2) / (3.4 * size)
        down = (y - top - (low - top) * 0.36) / (4.6 * size)
        bones += np.exp(-(((np.hypot(across, down) - 1) / 0.30) ** 2)) * 2.2
    return bones


def _process(build: Build, x: np.ndarray, y: np.ndarray, level: np.ndarray) -> np.ndarray:
    """The spinous processes of these vertebrae, seen end on; mm of bone."""
    top, low = _ends(level)
    size = _size(top)
    tip = top + (low - top) * 0.95
    across, down = (x + build.turn * 0.6) / (2.6 * size), (y - tip) / (6.2 * size)
    return np.exp(-((across**2 + down**2) ** 2)) * 3.6

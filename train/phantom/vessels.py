"""Branching vessels of the phantom's lungs, grown outwards from the hila."""

from __future__ import annotations

import numpy as np

from train.phantom.anatomy import CAGE_X, CAGE_Y, HILA, Build
from train.phantom.frame import Frame, blur, curve, splat, splat_all, stream, tube


def draw_vessels(frame: Frame, build: Build) -> np.ndarray:
    """Branching vessels of both lungs from the hila, as mm of blood along the beam."""
    classes: dict[int, list[np.ndarray]] = {}
    for side, (hilum_x, hilum_y) in HILA.items():
        random = stream(build.seed, f"vessels {side}")
        # Directions of the trunks in degrees: 0 outwards, 90 down. Lower ones carry more blood.
        trunks = [(80, 5.6), (62, 4.2), (94, 3.4), (36, 3.6), (10, 3.2), (-22, 2.6), (-48, 2.7)]
        trunks += [(-74, 2.7), (70, 3.4), (46, 3.0), (-5, 2.4), (-62, 2.3), (105, 2.6), (25, 2.8)]
        for degrees, radius in trunks:
            heading = np.radians(degrees + random.normal(0, 6))
            start = np.array(
                [
                    hilum_x + side * (10 * np.cos(heading) + random.normal(0, 2)),
                    hilum_y + 13 * np.sin(heading) + random.normal(0, 4),
                ]
            )
            _grow(start, heading, radius * build.vessels, side, random, classes)
    total = blur(splat_all(frame, _hila(frame, build)), 1.7 / frame.pitch)
    for size, pieces in classes.items():
        radius = 0.3 * 1.35**size
        points = np.concatenate(pieces)
        total += blur(_spray(frame, points, radius), 0.5 * radius / frame.pitch + 0.3)
    return total


def _hila(frame: Frame, build: Build) -> list[tuple[np.ndarray, np.ndarray]]:
    """The pulmonary arteries where they leave the mediastinum."""
    right = np.array([(-26, 110), (-44, 117), (-54, 132), (-58, 154), (-62, 182)], float)
    upper = np.array([(-42, 118), (-50, 103), (-57, 88)], float)
    left = np.array([(32, 112), (48, 106), (59, 117), (63, 140), (67, 164)], float)
    branches = [(right, 8.0, 3.6), (upper, 4.6, 2.4), (left, 8.5, 3.0)]
    tubes = []
    for path, wide, narrow in branches:
        path = curve(path)
        half = np.linspace(wide, narrow, len(path)) * build.vessels
        tubes.append(tube(frame, path, half, half * 2.7))
    return tubes


def _grow(
    start: np.ndarray,
    heading: float,
    radius: float,
    side: int,
    random: np.random.Generator,
    classes: dict[int, list[np.ndarray]],
) -> None:
    """Add a vessel and its branches to `classes`: size class -> segments (n, 4) in mm."""
    stack = [(start, heading, radius)]
    while stack:
        place, heading, radius = stack.pop()
        reach = 5 + 5.2 * radius * random.uniform(0.7, 1.4)
        steps = max(3, int(reach / 2.5))
        turn = random.normal(0, 0.09) / (1 + radius)
        trail = [place]
        for _ in range(steps):
            heading += turn + random.normal(0, 0.26) / (1 + radius)
            ahead = np.array([np.cos(heading) * side, np.sin(heading)])
            trail.append(trail[-1] + ahead * reach / steps)
        trail = np.array(trail)
        size = max(0, round(np.log(radius / 0.3) / np.log(1.35)))
        classes.setdefault(size, []).append(np.concatenate([trail[:-1], trail[1:]], axis=1))
        end = trail[-1]
        edge = np.interp(end[1], CAGE_Y, CAGE_X) - abs(end[0])
        if radius < 0.36 or edge < 7 or end[1] < 6 or end[1] > 300 or end[0] * side < 18:
            continue
        split = random.uniform(0.2, 0.6)
        fork = 1 if random.random() < 0.5 else -1
        stack.append((end, heading + fork * split * 0.35, radius * random.uniform(0.8, 0.9)))
        stack.append((end, heading - fork * split, radius * random.uniform(0.45, 0.7)))


def _spray(frame: Frame, segments: np.ndarray, radius: float) -> np.ndarray:
    """Round vessels of one radius, segments (n, 4) in mm, as thin lines that a blur rounds off."""
    start, end = segments[:, :2], segments[:, 2:]
    length = np.linalg.norm(end - start, axis=1)
    count = max(2, int(np.ceil(length.max() / (0.6 * frame.pitch))))
    share = ((np.arange(count) + 0.5) / count)[None, :, None]
    points = start[:, None] * (1 - share) + end[:, None] * share
    volumes = np.repeat(np.pi * radius**2 * length / count, count)
    return splat(frame, points.reshape(-1, 2), volumes)

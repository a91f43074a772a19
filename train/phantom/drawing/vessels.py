"""Branching vessels of the phantom's lungs, grown outwards from the hila."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from train.phantom.drawing.anatomy import CAGE_X, CAGE_Y, HILA, Build
from train.phantom.drawing.frame import Frame, blur, curve, splat, splat_all, stream, tube

TRUNKS = np.array(
    [
        *[(80, 5.6), (62, 4.2), (94, 3.4), (36, 3.6), (10, 3.2), (-22, 2.6), (-48, 2.7)],
        *[(-74, 2.7), (70, 3.4), (46, 3.0), (-5, 2.4), (-62, 2.3), (105, 2.6), (25, 2.8)],
    ]
)
"""Direction in degrees (0 outwards, 90 down) and radius in mm of each trunk; lower ones carry more
blood."""
THINNEST = 0.36
"""Radius in mm below which a vessel branches no more."""
PIECES = 9
"""Straight pieces between two forks."""
SIZE_STEP = 1.35
"""Vessels are drawn in classes of radius, each this much wider than the one before."""


@dataclass(frozen=True, eq=False)
class Sprouts:
    """Vessels about to grow: place (N, 2) in mm, heading (N,) in radians, radius (N,) in mm."""

    place: np.ndarray
    heading: np.ndarray
    radius: np.ndarray


def draw_vessels(frame: Frame, build: Build) -> np.ndarray:
    """Branching vessels of both lungs from the hila, as mm of blood along the beam."""
    total = blur(splat_all(frame, _hila(frame, build)), 1.7 / frame.pitch)
    # A vessel far thinner than a pixel does not show.
    thinnest = max(THINNEST, 0.2 * frame.pitch)
    grown = [_tree(build, side, thinnest) for side in HILA]
    segments, radii = (np.concatenate(part) for part in zip(*grown, strict=True))
    sizes = np.round(np.log(radii / 0.3) / np.log(SIZE_STEP)).clip(min=0)
    for size in np.unique(sizes):
        radius = 0.3 * SIZE_STEP**size
        vessels = _spray(frame, segments[sizes == size], radius)
        total += blur(vessels, 0.5 * radius / frame.pitch + 0.3)
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


def _tree(build: Build, side: int, thinnest: float) -> tuple[np.ndarray, np.ndarray]:
    """All vessels of one lung: segments (M, 4) of start and end in mm, and their radii (M,)."""
    random = stream(build.seed, f"vessels {side}")
    sprouts = _trunks(build, side, random)
    segments, radii = [], []
    while len(sprouts.radius):
        trail, heading = _grow(sprouts, side, random)
        ends = np.concatenate([trail[:, :-1], trail[:, 1:]], axis=2)
        segments.append(ends.reshape(-1, 4))
        radii.append(np.repeat(sprouts.radius, PIECES))
        sprouts = _fork(trail[:, -1], heading, sprouts.radius, side, thinnest, random)
    return np.concatenate(segments), np.concatenate(radii)


def _trunks(build: Build, side: int, random: np.random.Generator) -> Sprouts:
    count = len(TRUNKS)
    heading = np.radians(TRUNKS[:, 0] + random.normal(0, 6, count))
    hilum_x, hilum_y = HILA[side]
    x = hilum_x + side * (10 * np.cos(heading) + random.normal(0, 2, count))
    y = hilum_y + 13 * np.sin(heading) + random.normal(0, 4, count)
    return Sprouts(np.stack([x, y], axis=1), heading, TRUNKS[:, 1] * build.vessels)


def _grow(
    sprouts: Sprouts, side: int, random: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Trails (N, PIECES + 1, 2) in mm up to the next fork, and the headings (N,) there."""
    count, radius = len(sprouts.radius), sprouts.radius[:, None]
    reach = 5 + 5.2 * sprouts.radius * random.uniform(0.7, 1.4, count)
    bend = random.normal(0, 0.09, (count, 1)) + random.normal(0, 0.26, (count, PIECES))
    headings = sprouts.heading[:, None] + np.cumsum(bend / (1 + radius), axis=1)
    steps = np.stack([np.cos(headings) * side, np.sin(headings)], axis=2)
    steps *= reach[:, None, None] / PIECES
    start = sprouts.place[:, None]
    return np.concatenate([start, start + np.cumsum(steps, axis=1)], axis=1), headings[:, -1]


def _fork(
    place: np.ndarray,
    heading: np.ndarray,
    radius: np.ndarray,
    side: int,
    thinnest: float,
    random: np.random.Generator,
) -> Sprouts:
    """Each vessel splits in two, unless it is thin already or has reached the edge of the lung."""
    edge = np.interp(place[:, 1], CAGE_Y, CAGE_X) - np.abs(place[:, 0])
    inside = (edge >= 7) & (place[:, 1] >= 6) & (place[:, 1] <= 300) & (place[:, 0] * side >= 18)
    on = (radius >= thinnest) & inside
    place, heading, radius = place[on], heading[on], radius[on]
    count = len(radius)
    split = random.uniform(0.2, 0.6, count) * random.choice([-1, 1], count)
    wide, narrow = random.uniform(0.8, 0.9, count), random.uniform(0.45, 0.7, count)
    return Sprouts(
        np.concatenate([place, place]),
        np.concatenate([heading + 0.35 * split, heading - split]),
        np.concatenate([radius * wide, radius * narrow]),
    )


def _spray(frame: Frame, segments: np.ndarray, radius: float) -> np.ndarray:
    """Round vessels of one radius, segments (n, 4) in mm, as thin lines that a blur rounds off."""
    start, end = segments[:, :2], segments[:, 2:]
    length = np.linalg.norm(end - start, axis=1)
    count = max(2, int(np.ceil(length.max() / (0.6 * frame.pitch))))
    share = ((np.arange(count) + 0.5) / count)[None, :, None]
    points = start[:, None] * (1 - share) + end[:, None] * share
    volumes = np.repeat(np.pi * radius**2 * length / count, count)
    return splat(frame, points.reshape(-1, 2), volumes)

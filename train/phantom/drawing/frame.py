"""Millimetres to pixels for the phantom: the film's frame, smooth shapes, tubes and noise.

Anatomy is described in body millimetres: x grows to the patient's left (image right), y grows
downwards, the origin is on the midline at the height of the lung apices. Maps are float32 (H, W).
"""

from __future__ import annotations

from dataclasses import dataclass
from zlib import crc32

import cv2
import numpy as np

LONG_SIDE_MM = 430.0
"""A 35 x 43 cm detector: the longer side of the film, unless the shorter would be too narrow."""
SHORT_SIDE_MM = 350.0
CENTRE_Y_MM = 148.0


@dataclass(frozen=True)
class Frame:
    """Where the patient stands on the film.

    Args:
        height: of the film in pixels
        width: of the film in pixels
        scale: size of the patient; 1 is a middle-sized adult
        angle: lean of the patient in radians
        shift: (x, y) of the patient off the centre of the film in mm
        stretch: breadth of the chest for its height; body mm across are this much wider
    """

    height: int
    width: int
    scale: float = 1.0
    angle: float = 0.0
    shift: tuple[float, float] = (0.0, 0.0)
    stretch: float = 1.0

    @property
    def spacing(self) -> float:
        """Millimetres of film per pixel."""
        sides = sorted((self.height, self.width))
        return max(LONG_SIDE_MM / sides[1], SHORT_SIDE_MM / sides[0])

    @property
    def pitch(self) -> float:
        """Millimetres of body per pixel."""
        return self.spacing / self.scale

    def grid(self) -> tuple[np.ndarray, np.ndarray]:
        """x and y in body mm of each pixel's centre, two maps."""
        columns = (np.arange(self.width, dtype=np.float32) - (self.width - 1) / 2) * self.pitch
        rows = (np.arange(self.height, dtype=np.float32) - (self.height - 1) / 2) * self.pitch
        across, down = columns[None] - self.shift[0], rows[:, None] - self.shift[1]
        cos, sin = np.float32(np.cos(self.angle)), np.float32(np.sin(self.angle))
        x = (cos * across + sin * down) / np.float32(self.stretch)
        return x, cos * down - sin * across + np.float32(CENTRE_Y_MM)

    def to_pixels(self, points: np.ndarray) -> np.ndarray:
        """Body mm (N, 2) of (x, y) to pixels (N, 2) of (column, row); the inverse of `grid`."""
        x, y = points[:, 0] * self.stretch, points[:, 1] - CENTRE_Y_MM
        cos, sin = np.cos(self.angle), np.sin(self.angle)
        column = (cos * x - sin * y + self.shift[0]) / self.pitch + (self.width - 1) / 2
        row = (sin * x + cos * y + self.shift[1]) / self.pitch + (self.height - 1) / 2
        return np.stack([column, row], axis=1)


def stream(seed: int, purpose: str, visit: int = 0) -> np.random.Generator:
    """Randomness of one structure: adding a lesion must not move the ribs of the same seed."""
    return np.random.default_rng([seed, crc32(purpose.encode()), visit])


def curve(points: np.ndarray, closed: bool = False, steps: int = 16) -> np.ndarray:
    """Smooth curve (Catmull-Rom) through control points (N, 2 or more), `steps` to a span."""
    if closed:
        padded = np.concatenate([points[-1:], points, points[:2]])
    else:
        first, last = 2 * points[:1] - points[1:2], 2 * points[-1:] - points[-2:-1]
        padded = np.concatenate([first, points, last])
    t = np.arange(steps)[:, None] / steps
    spans = []
    for a, b, c, d in zip(padded, padded[1:], padded[2:], padded[3:], strict=False):
        cubic = (3 * b - a - 3 * c + d) * t**3 + (2 * a - 5 * b + 4 * c - d) * t**2
        spans.append((cubic + (c - a) * t + 2 * b) / 2)
    return np.concatenate(spans if closed else [*spans, points[-1:]])


def depth_inside(frame: Frame, outline: np.ndarray) -> np.ndarray:
    """Distance in mm from the outline (N, 2) in mm to each pixel inside it; 0 outside.

    Drawn at twice the film's resolution, so that edges do not show the pixel grid.
    """
    mask = np.zeros((frame.height * 2, frame.width * 2), dtype=np.uint8)
    corners = np.round((frame.to_pixels(outline) * 2 + 0.5) * 16).astype(np.int32)
    cv2.fillPoly(mask, [corners], 1, shift=4)
    distance = cv2.distanceTransform(mask, cv2.DIST_L2, 5)
    return cv2.resize(distance, (frame.width, frame.height), interpolation=cv2.INTER_AREA) * (
        frame.pitch / 2
    )


def bulge(depth: np.ndarray, radius: float) -> np.ndarray:
    """Thickness in 0 .. 1 of a body with round edges: a quarter circle over `radius` mm."""
    return np.sqrt(1 - (1 - np.clip(depth / radius, 0, 1)) ** 2)


def mirrored(half: list[tuple[float, float]]) -> np.ndarray:
    """Outline (2 N, 2) of a symmetric shape from its half with x > 0, top to bottom."""
    right = np.array(half, dtype=np.float64)
    return np.concatenate([right, right[::-1] * [-1, 1]])


def smooth_step(value: np.ndarray, low: float, high: float) -> np.ndarray:
    """0 below `low`, 1 above `high`, smooth between (either order)."""
    t = np.clip((value - low) / (high - low), 0, 1)
    return t * t * (3 - 2 * t)


def blur(image: np.ndarray, sigma: float) -> np.ndarray:
    """Gaussian blur of `sigma` pixels; a wide one is made on a smaller image."""
    step = int(max(1, sigma // 4))
    if step == 1:
        return cv2.GaussianBlur(image, (0, 0), sigma, borderType=cv2.BORDER_REPLICATE)
    height, width = image.shape
    small = (max(1, width // step), max(1, height // step))
    reduced = cv2.resize(image, small, interpolation=cv2.INTER_AREA)
    reduced = cv2.GaussianBlur(reduced, (0, 0), sigma / step, borderType=cv2.BORDER_REPLICATE)
    return cv2.resize(reduced, (width, height), interpolation=cv2.INTER_CUBIC)


def noise(frame: Frame, random: np.random.Generator, size: float) -> np.ndarray:
    """Smooth noise of about unit deviation with grains of `size` mm."""
    step = max(size, frame.pitch)
    shape = (int(frame.height * frame.pitch / step) + 3, int(frame.width * frame.pitch / step) + 3)
    coarse = random.standard_normal(shape, dtype=np.float32)
    return cv2.resize(coarse, (frame.width, frame.height), interpolation=cv2.INTER_CUBIC) * 1.3


def splat(frame: Frame, points: np.ndarray, volumes: np.ndarray) -> np.ndarray:
    """Thickness map in mm of many small volumes (N,) in mm3 at points (N, 2) in mm.

    Each is shared between its four nearest pixels, so thin structures have no stairs.
    """
    place = frame.to_pixels(points)
    corner = np.floor(place).astype(np.int64)
    right, lower = (place - corner).T
    total = np.zeros(frame.height * frame.width)
    for step_x, share_x in ((0, 1 - right), (1, right)):
        for step_y, share_y in ((0, 1 - lower), (1, lower)):
            column, row = corner[:, 0] + step_x, corner[:, 1] + step_y
            on_film = (column >= 0) & (column < frame.width) & (row >= 0) & (row < frame.height)
            where = (row * frame.width + column)[on_film]
            weight = (volumes * share_x * share_y)[on_film]
            total += np.bincount(where, weight, minlength=total.size)
    return (
        (total * frame.stretch / frame.pitch**2)
        .reshape(frame.height, frame.width)
        .astype(np.float32)
    )


def tube(
    frame: Frame,
    path: np.ndarray,
    half_width: np.ndarray | float,
    thickness: np.ndarray | float,
    hollow: float = 0.0,
) -> tuple[np.ndarray, np.ndarray]:
    """Points (N, 2) and volumes (N,) for `splat` of a tube along a path (P, 2) in mm.

    `thickness` is along the beam at the tube's middle. `hollow` in 0 .. 1 takes that share out of
    the marrow, which leaves the two bright cortical lines of a bone.
    """
    length = np.concatenate([[0], np.cumsum(np.linalg.norm(np.diff(path, axis=0), axis=1))])
    step = 0.55 * frame.pitch
    along = np.linspace(0, length[-1], max(2, int(length[-1] / step)))
    middle = np.stack([np.interp(along, length, path[:, i]) for i in (0, 1)], axis=1)
    half = np.interp(along, length, np.broadcast_to(half_width, length.shape))
    thick = np.interp(along, length, np.broadcast_to(thickness, length.shape))
    cap = bulge(np.minimum(along, length[-1] - along) + step / 2, max(half[0], half[-1]))
    half, thick = half * (0.3 + 0.7 * cap), thick * cap
    # Directions at the path's own points, interpolated: a corner would tear the tube open.
    bend = np.gradient(path, axis=0)
    ahead = np.stack([np.interp(along, length, bend[:, i]) for i in (0, 1)], axis=1)
    ahead /= np.linalg.norm(ahead, axis=1, keepdims=True) + 1e-9
    sideways = np.stack([-ahead[:, 1], ahead[:, 0]], axis=1)
    count = max(3, int(2 * half.max() / step))
    across = (np.arange(count) + 0.5) / count * 2 - 1
    profile = np.sqrt(1 - across**2)
    profile -= hollow * np.sqrt(np.clip(1 - (across / 0.84) ** 2, 0, None))
    points = middle[:, None] + sideways[:, None] * (half[:, None] * across)[:, :, None]
    # Inside a tight bend the pieces are shorter; without this they would pile up to a bright dot.
    long = (np.gradient(points, axis=0) * ahead[:, None]).sum(axis=2).clip(min=0)
    volumes = (thick * half * 2 / count)[:, None] * long * profile
    return points.reshape(-1, 2), volumes.reshape(-1)


def splat_all(frame: Frame, tubes: list[tuple[np.ndarray, np.ndarray]]) -> np.ndarray:
    """One thickness map in mm of many tubes; where they cross, thicknesses add."""
    if not tubes:
        return np.zeros((frame.height, frame.width), dtype=np.float32)
    points, volumes = zip(*tubes, strict=True)
    return splat(frame, np.concatenate(points), np.concatenate(volumes))

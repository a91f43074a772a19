"""The 14 findings as changes to the phantom: where air is lost, and what is drawn on top."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from train.phantom.drawing.anatomy import CAGE, HILA, Build, Chest
from train.phantom.drawing.frame import (
    Frame,
    blur,
    curve,
    depth_inside,
    noise,
    smooth_step,
    splat_all,
    stream,
    tube,
)


@dataclass(frozen=True, eq=False)
class Lesion:
    """One finding, drawn.

    Args:
        filled: share 0 .. 1 of the lung along the beam that holds fluid or tissue instead of air
        added: soft tissue in mm on top of that; negative where air takes the place of tissue
        mask: bool (H, W), where it is drawn
        bare: share 0 .. 1 of the vessels that cannot be seen here
    """

    filled: np.ndarray | float = 0.0
    added: np.ndarray | float = 0.0
    mask: np.ndarray | None = None
    bare: np.ndarray | float = 0.0


Draw = Callable[[Frame, Build, Chest, np.random.Generator], Lesion]


def draw_lesion(
    name: str, frame: Frame, build: Build, chest: Chest, strength: float = 1.0
) -> Lesion:
    """The lesion of a finding; its randomness is its own, whatever else is drawn.

    A strength below 1 thins it out and leaves its place and its mask as they are.
    """
    lesion = _DRAW[name](frame, build, chest, stream(build.seed, name, build.visit))
    return replace(
        lesion,
        filled=lesion.filled * strength,
        added=lesion.added * strength,
        bare=lesion.bare * strength,
    )


def _side(random: np.random.Generator) -> int:
    """-1 for the patient's right lung (image left), 1 for the left."""
    return -1 if random.random() < 0.5 else 1


def _on_side(chest: Chest, side: int) -> np.ndarray:
    return smooth_step(chest.x * side, 8, 16)


def _cloud(chest: Chest, centre: tuple[float, float], radii: tuple[float, float]) -> np.ndarray:
    """Elliptical distance from a centre: 0 there, 1 on the ellipse of these radii in mm."""
    return np.hypot((chest.x - centre[0]) / radii[0], (chest.y - centre[1]) / radii[1])


def _seen(share: np.ndarray, chest: Chest, least: float = 0.2) -> np.ndarray:
    return (share > least) & (chest.lung > 4)


def _atelectasis(frame: Frame, build: Build, chest: Chest, random: np.random.Generator) -> Lesion:
    """Plates of collapsed lung just above one dome, roughly level, a few mm thick."""
    side = _side(random)
    plates = []
    for above in (16, 29, 43)[: random.integers(2, 4)]:
        x = np.linspace(random.uniform(42, 56), random.uniform(100, 122), 5)
        tilt, y = random.normal(0.05, 0.10), 232 + build.dome - above
        path = np.stack([side * x, y + tilt * (x - 80) + random.normal(0, 1.2, 5)], axis=1)
        plates.append(tube(frame, curve(path), random.uniform(2.2, 4.2), 26))
    plate = blur(splat_all(frame, plates), 1.0 / frame.pitch) * smooth_step(chest.lung, 0, 30)
    haze = np.clip(blur(plate, 7 / frame.pitch) / 20, 0, 1) * 0.3
    return Lesion(filled=haze, added=plate, mask=(plate > 3) & (chest.lung > 4))


def _cardiomegaly(frame: Frame, build: Build, chest: Chest, random: np.random.Generator) -> Lesion:
    """The heart was widened in the build; only its place is recorded here."""
    return Lesion(mask=chest.heart > 20)


def _effusion(frame: Frame, build: Build, chest: Chest, random: np.random.Generator) -> Lesion:
    """Fluid in the costophrenic angle with a meniscus that climbs the chest wall."""
    side = _side(random)
    level = random.uniform(200, 216) + 0.5 * build.dome
    across = np.clip(chest.x * side / 140, 0, 1)
    surface = level - 46 * across**5 - 7 * np.exp(-((across - 0.3) ** 2) / 0.01)
    share = smooth_step(chest.y - surface, -14, 26) * _on_side(chest, side)
    if build.supine:
        # Lying down, the fluid spreads behind the lung and veils it from below upwards.
        share = np.maximum(share, 0.3 * smooth_step(chest.y, 90, 230) * _on_side(chest, side))
    return Lesion(filled=share, mask=_seen(share, chest, 0.4), bare=share)


def _infiltration(frame: Frame, build: Build, chest: Chest, random: np.random.Generator) -> Lesion:
    """Ill-defined patches, mostly in the middle and lower zones of one lung or both."""
    share = np.zeros_like(chest.x)
    for _ in range(random.integers(3, 6)):
        centre = (_side(random) * random.uniform(60, 100), random.uniform(110, 205))
        radius = random.uniform(20, 34)
        distance = _cloud(chest, centre, (radius * 1.2, radius)) + 0.25 * noise(frame, random, 14)
        share = np.maximum(share, smooth_step(distance, 1.15, 0.1))
    share *= np.clip(0.25 + 0.035 * noise(frame, random, 7) + 0.025 * noise(frame, random, 3), 0, 1)
    return Lesion(filled=share, mask=_seen(share, chest, 0.12), bare=share * 0.5)


def _round(
    frame: Frame, chest: Chest, random: np.random.Generator, radius: float, low: float, high: float
) -> Lesion:
    """A ball of tissue of a radius in mm with a slightly wavy border, clear of heart and wall."""
    side = _side(random)
    centre = (side * random.uniform(72, 88), random.uniform(low, high))
    wave = radius * 0.035 * noise(frame, random, radius * 0.6)
    distance = np.hypot(chest.x - centre[0], chest.y - centre[1]) + wave
    ball = 2 * np.sqrt(np.clip(radius**2 - distance**2, 0, None))
    ball = blur(ball, 0.6 / frame.pitch) * smooth_step(chest.lung, 5, 45)
    return Lesion(added=ball, mask=distance < radius)


def _mass(frame: Frame, build: Build, chest: Chest, random: np.random.Generator) -> Lesion:
    return _round(frame, chest, random, random.uniform(20, 27), 75, 165)


def _nodule(frame: Frame, build: Build, chest: Chest, random: np.random.Generator) -> Lesion:
    lesion = _round(frame, chest, random, random.uniform(8, 12), 62, 180)
    return replace(lesion, added=lesion.added * 1.7)


def _pneumonia(frame: Frame, build: Build, chest: Chest, random: np.random.Generator) -> Lesion:
    """A lobe's patch above or below a fissure, with branching air bronchograms."""
    side = _side(random)
    share = _lobe(frame, chest, random, side, (78, random.uniform(172, 186)), (52, 42), 0.58)
    hilum = HILA[side]
    twigs = []
    for degrees in random.normal([28, 45, 62, 80], 5):
        reach = np.array([12, 34, 52, 70])[:, None]
        ahead = np.radians(degrees + random.normal(0, 4, 4))
        path = hilum + reach * np.stack([np.cos(ahead) * side, np.sin(ahead)], axis=1)
        twigs.append(tube(frame, curve(path), np.linspace(2.2, 1.0, 49), 6.0))
    air = blur(splat_all(frame, twigs), 0.6 / frame.pitch)
    return Lesion(share, added=-2.2 * air * share, mask=_seen(share, chest), bare=share * 0.9)


def _consolidation(frame: Frame, build: Build, chest: Chest, random: np.random.Generator) -> Lesion:
    """Dense and nearly homogeneous: an upper lobe down to its fissure, or a lower zone."""
    if random.random() < 0.5:
        share = _lobe(frame, chest, random, -1, (-78, 74), (54, 54), 0.68, fissure=118)
    else:
        side = _side(random)
        share = _lobe(frame, chest, random, side, (side * 84, 196), (54, 44), 0.60)
    return Lesion(share, mask=_seen(share, chest), bare=share)


def _lobe(
    frame: Frame,
    chest: Chest,
    random: np.random.Generator,
    side: int,
    centre: tuple[float, float],
    radii: tuple[float, float],
    strength: float,
    fissure: float | None = None,
) -> np.ndarray:
    """Share of air lost in a patch of a lobe: uneven within, sharp only at a fissure."""
    distance = _cloud(chest, (abs(centre[0]) * side, centre[1]), radii)
    distance = distance + 0.13 * noise(frame, random, 24) + 0.05 * noise(frame, random, 9)
    share = smooth_step(distance, 1.35, 0.25) * _on_side(chest, side)
    if fissure is not None:
        edge = fissure - 0.06 * (np.abs(chest.x) - 60)
        share = share * smooth_step(chest.y, edge + 1.5, edge - 1.5)
    uneven = 1 + 0.06 * noise(frame, random, 8) + 0.04 * noise(frame, random, 3)
    return np.clip(share * strength * uneven, 0, 0.96)


def _pneumothorax(frame: Frame, build: Build, chest: Chest, random: np.random.Generator) -> Lesion:
    """Air round the shrunken lung: widest at the apex, a thin pleural line, no vessels outside."""
    side = _side(random)
    widest = random.uniform(24, 42)
    outline = np.array(CAGE[2:], dtype=np.float64)
    apart = widest * (0.12 + 0.88 * smooth_step(outline[:, 1], 210, 0))
    outline[:, 0] -= apart * 0.75 * np.clip((outline[:, 0] - 30) / 70, 0, 1)
    outline[:, 1] += apart * smooth_step(outline[:, 1], 110, 0)
    outline = np.concatenate([[(-40, 345), (-40, 40)], curve(outline)])
    inside = depth_inside(frame, outline * [side, 1])
    own = _on_side(chest, side) * smooth_step(chest.y, 262, 238) * (chest.wall > 0)
    lucent = smooth_step(inside, 0.9, 0.0) * own
    line = np.exp(-(((inside - 0.7) / 0.6) ** 2)) * own * smooth_step(chest.lung, 5, 40)
    # The tissue that was there has gone with the lung, which is a little denser for it.
    added = 5.5 * line - lucent * chest.lung * build.aeration * 0.92
    squeezed = 0.06 * smooth_step(inside, 0, 3) * own
    mask = (lucent > 0.5) & (chest.lung > 2)
    return Lesion(squeezed, added=added, mask=mask, bare=lucent)


def _edema(frame: Frame, build: Build, chest: Chest, random: np.random.Generator) -> Lesion:
    """Haze about both hila that spares the periphery, and Kerley lines at the bases."""
    share = np.zeros_like(chest.x)
    lines = []
    for side, (x, y) in HILA.items():
        distance = _cloud(chest, (x + side * 24, y + 34), (58, 78)) + 0.10 * noise(
            frame, random, 16
        )
        share = np.maximum(share, smooth_step(distance, 1.25, 0.0) * _on_side(chest, side))
        for level in np.arange(184, 240, 6.5):
            start, long = 137 - random.uniform(2, 6), random.uniform(9, 17)
            path = np.array([(side * start, level), (side * (start - long), level - 1.5)])
            lines.append(tube(frame, path + random.normal(0, 0.8, (2, 2)), 0.7, 7.0))
    share *= np.clip(0.40 + 0.035 * noise(frame, random, 7) + 0.025 * noise(frame, random, 3), 0, 1)
    kerley = splat_all(frame, lines) * smooth_step(chest.lung, 2, 14)
    mask = _seen(share, chest, 0.14) | ((kerley > 1.5) & (chest.lung > 4))
    return Lesion(share, added=kerley, mask=mask, bare=share * 0.3)


def _emphysema(frame: Frame, build: Build, chest: Chest, random: np.random.Generator) -> Lesion:
    """The build is hyperinflated already; here, upper zones lose vessels and tissue to bullae."""
    upper = smooth_step(chest.y, 170, 40)
    holes = smooth_step(noise(frame, random, 26), 0.5, 1.6) * upper
    added = -chest.lung * build.aeration * (0.18 * upper + 0.35 * holes)
    return Lesion(added=added, mask=chest.lung > 25, bare=0.35 * upper + 0.5 * holes)


def _fibrosis(frame: Frame, build: Build, chest: Chest, random: np.random.Generator) -> Lesion:
    """A net of fine lines, densest at the bases and under the pleura."""
    basal = smooth_step(chest.y, 115, 215) * (0.45 + 0.55 * smooth_step(chest.wall, 60, 8))
    net = np.zeros_like(chest.x)
    for size, weight in ((9.0, 0.8), (6.0, 1.0), (4.0, 0.8)):
        net += weight * np.exp(-((noise(frame, random, size) / 0.28) ** 2))
    patches = np.clip(0.75 + 0.3 * noise(frame, random, 28), 0.15, 1.3)
    lines = 15 * basal * patches * blur(net, 0.4 / frame.pitch) * smooth_step(chest.lung, 4, 45)
    mask = (blur(lines, 4 / frame.pitch) > 3.3) & (chest.lung > 4)
    return Lesion(filled=0.14 * basal * patches, added=lines, mask=mask)


def _pleural_thickening(
    frame: Frame, build: Build, chest: Chest, random: np.random.Generator
) -> Lesion:
    """A band along the wall from the apex down one side, with an uneven inner border."""
    side = _side(random)
    wide = (8 + 5 * smooth_step(chest.y, 60, 5)) * (1 + 0.22 * noise(frame, random, 22))
    own = _on_side(chest, side) * smooth_step(chest.y, 232, 190) * (chest.wall > 0)
    lateral = smooth_step(chest.x * side, 26, 74)
    share = smooth_step(chest.wall, wide + 3, wide - 3) * own * lateral
    return Lesion(0.8 * share, added=7 * share, mask=(share > 0.4), bare=share)


def _hernia(frame: Frame, build: Build, chest: Chest, random: np.random.Generator) -> Lesion:
    """Stomach above the diaphragm behind the heart: a round wall, air, and a fluid level."""
    radius = random.uniform(30, 36)
    centre = (random.uniform(14, 24), 224 + build.dome - radius * 0.45)
    distance = np.hypot((chest.x - centre[0]) * 0.88, (chest.y - centre[1]) * 1.06)
    distance = distance + 1.6 * noise(frame, random, 22)
    ball = np.sqrt(np.clip(radius**2 - distance**2, 0, None)) * 0.9
    inner = np.sqrt(np.clip((radius - 3.5) ** 2 - distance**2, 0, None)) * 1.9
    level = centre[1] + random.uniform(-6, 2)
    added = blur(ball, 0.7 / frame.pitch) * smooth_step(chest.below, 14, -4)
    added -= blur(inner * smooth_step(chest.y, level + 0.9, level - 0.9), 0.6 / frame.pitch) * 1.05
    return Lesion(added=added, mask=(distance < radius) & (chest.below < 12))


_DRAW: dict[str, Draw] = {
    "Atelectasis": _atelectasis,
    "Cardiomegaly": _cardiomegaly,
    "Effusion": _effusion,
    "Infiltration": _infiltration,
    "Mass": _mass,
    "Nodule": _nodule,
    "Pneumonia": _pneumonia,
    "Pneumothorax": _pneumothorax,
    "Consolidation": _consolidation,
    "Edema": _edema,
    "Emphysema": _emphysema,
    "Fibrosis": _fibrosis,
    "Pleural_Thickening": _pleural_thickening,
    "Hernia": _hernia,
}

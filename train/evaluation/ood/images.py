"""Pictures that are no frontal chest film, made from films, photographs, arithmetic or DICOM files.

All are squares of the network's size, uint8 (S, S), as `network_pixels` makes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import cv2
import numpy as np
from sklearn.datasets import load_sample_images

from lmeran.config import Preprocessing
from lmeran.imaging.files import may_be_film, read_file
from lmeran.imaging.preprocess import network_pixels
from lmeran.imaging.radiograph import Radiograph, ReadError

SPOILED: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "turned by 90 degrees": lambda film: np.rot90(film),
    "turned by 270 degrees": lambda film: np.rot90(film, 3),
    "turned by 180 degrees": lambda film: np.rot90(film, 2),
    "upside down": lambda film: film[::-1],
    "inverted": lambda film: 255 - film,
}
"""What is done to a film that was accepted as it is."""

LATERAL_VIEWS = ("LL", "RL", "LAT", "LATERAL")
"""DICOM View Position (0018,5101) of films from the side."""

CROPS = 20
NOISES = 60
SAME = 4
"""Gray levels: pictures whose 8 x 8 thumbnails differ by less on average are taken for one."""


def spoiled(films: np.ndarray, kind: str) -> np.ndarray:
    """Films (N, S, S) after one of `SPOILED`."""
    return np.stack([np.ascontiguousarray(SPOILED[kind](film)) for film in films])


def photographs(preprocessing: Preprocessing, seed: int = 0) -> np.ndarray:
    """scikit-learn's two sample photographs in gray, whole and `CROPS` random parts of each."""
    random = np.random.default_rng(seed)
    found = []
    for colour in load_sample_images().images:
        gray = cv2.cvtColor(np.asarray(colour), cv2.COLOR_RGB2GRAY)
        height, width = gray.shape
        found.append(network_pixels(gray, preprocessing))
        for _ in range(CROPS):
            side = int(random.uniform(0.3, 0.9) * min(height, width))
            top, left = random.integers(0, height - side), random.integers(0, width - side)
            crop = np.ascontiguousarray(gray[top : top + side, left : left + side])
            found.append(network_pixels(crop, preprocessing))
    return np.stack(found)


def patterns(size: int, seed: int = 0) -> np.ndarray:
    """Noise of several grains, gradients, even gray and checkerboards, `NOISES` of them."""
    random = np.random.default_rng(seed)
    row, column = np.mgrid[0:size, 0:size]
    found = []
    for k in range(NOISES):
        grain = int(random.integers(3, size))
        slope = random.normal(size=2)
        ramp = slope[0] * row + slope[1] * column
        picture = [
            random.uniform(0, 255, (size, size)),
            random.normal(128, 40, (size, size)),
            cv2.resize(random.uniform(0, 255, (grain, grain)), (size, size)),
            255 * (ramp - ramp.min()) / np.ptp(ramp),
            np.full((size, size), random.uniform(0, 255)),
            255 * ((row // grain + column // grain) % 2),
        ][k % 6]
        found.append(np.clip(picture, 0, 255).astype(np.uint8))
    return np.stack(found)


def dicom_files(
    folder: Path, preprocessing: Preprocessing
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """DICOM files of a folder that can be read: those whose header says frontal chest
    radiograph, of a lateral one, and the others; each picture once, (N, S, S)."""
    kinds: tuple[list[np.ndarray], ...] = ([], [], [])
    thumbnails: list[np.ndarray] = []
    for film in _readable(folder):
        square = network_pixels(film.pixels, preprocessing)
        thumbnail = cv2.resize(square, (8, 8), interpolation=cv2.INTER_AREA).astype(np.float32)
        if any(np.abs(thumbnail - seen).mean() < SAME for seen in thumbnails):
            continue
        thumbnails.append(thumbnail)
        frontal = film.media == "DICOM" and not film.warnings
        frontal &= film.view in ("PA", "AP") or film.modality == "DX"
        lateral = film.media == "DICOM" and film.view in LATERAL_VIEWS
        kinds[0 if frontal else 1 if lateral else 2].append(square)
    size = preprocessing.image_size
    chest, lateral, other = (np.array(k, dtype=np.uint8).reshape(-1, size, size) for k in kinds)
    return chest, lateral, other


def pictures_in(folder: Path, preprocessing: Preprocessing) -> np.ndarray:
    """All of a folder that can be read, (N, S, S)."""
    size = preprocessing.image_size
    squares = [network_pixels(film.pixels, preprocessing) for film in _readable(folder)]
    return np.array(squares, dtype=np.uint8).reshape(-1, size, size)


def _readable(folder: Path) -> Iterator[Radiograph]:
    for path in sorted(p for p in folder.rglob("*") if p.is_file()):
        if not may_be_film(path):
            continue
        try:
            yield read_file(path)
        except ReadError:
            continue

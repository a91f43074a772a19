"""From thicknesses to a film: beam, scatter, noise, the detector's logarithm, window, lettering."""

from __future__ import annotations

import cv2
import numpy as np

from train.phantom.drawing.frame import Frame, blur

SOFT_PER_MM = 0.0185
"""Effective attenuation of soft tissue at about 120 kV behind a grid, 1/mm."""
USUAL_BODY_MM = 172
"""Mean thickness of the body on a middling film."""
DEEPEST = 255
"""Grey of the densest thing the curve can show."""
WINDOW_CENTRE, WINDOW_WIDTH = 2500, 2400
"""The DICOM sigmoid window under which `values` look as `pixels` do."""


def expose(
    frame: Frame, tissue: np.ndarray, random: np.random.Generator, supine: bool
) -> np.ndarray:
    """Soft-tissue equivalent mm (H, W) to log attenuation (H, W), as the detector sees it."""
    primary = np.exp(-SOFT_PER_MM * np.clip(tissue, 0, None))
    # Scatter comes from dozens of mm around; without a grid at the bedside there is more of it.
    share = 0.55 if supine else 0.38
    under = np.minimum(primary, 0.25)
    scattered = share * (0.6 * blur(under, 16 / frame.pitch) + 0.4 * blur(under, 45 / frame.pitch))
    image = blur(primary + scattered, max(0.35, 0.16 / frame.pitch))
    # Pixels of a smaller film collect more quanta each.
    quanta = 2.6e4 * frame.spacing**2 / 0.42**2
    grain = random.standard_normal(image.shape, dtype=np.float32)
    grain = 0.75 * grain + 0.5 * blur(grain, 0.8)
    image = image + grain * np.sqrt(image / quanta)
    return -np.log(np.clip(image, 1e-3, None))


def develop(
    frame: Frame, attenuation: np.ndarray, body: np.ndarray, random: np.random.Generator
) -> np.ndarray:
    """Log attenuation to 12-bit values: dynamic range compressed, fine detail raised.

    The thickness of the body (H, W) in mm stands for the automatic exposure, which gives stout and
    slim patients films of like brightness; a lesion must not change it.
    """
    stout = SOFT_PER_MM * (body[body > 60].mean() - USUAL_BODY_MM)
    usual = attenuation - 0.85 * stout * np.clip(attenuation, 0, 1)
    wide = blur(usual, 28 / frame.pitch)
    fine = usual - blur(usual, 1.6 / frame.pitch)
    even = usual - 0.30 * (wide - 1.9) + 0.5 * fine
    # No two machines are set alike.
    contrast, light = random.uniform(0.92, 1.06), random.normal(0, 60)
    return np.clip(240 + light + (even * contrast + 2 * (1 - contrast)) * 1120, 0, 4095)


def window(values: np.ndarray) -> np.ndarray:
    """12-bit values to display pixels uint8: the DICOM sigmoid window."""
    shade = 1 / (1 + np.exp(-4 * (values.astype(np.float32) - WINDOW_CENTRE) / WINDOW_WIDTH))
    return np.round(shade * DEEPEST).astype(np.uint8)


def collimate(frame: Frame, values: np.ndarray, random: np.random.Generator) -> np.ndarray:
    """Blacken a narrow strip along the edges where the shutters stood."""
    left, right, top, bottom = random.uniform(-3, 5, 4) / frame.spacing
    rows, columns = np.arange(frame.height)[:, None], np.arange(frame.width)[None]
    margin = np.minimum(
        np.minimum(rows - top, frame.height - 1 - rows - bottom),
        np.minimum(columns - left, frame.width - 1 - columns - right),
    )
    open_share = np.clip(margin / (1.6 / frame.spacing) + 0.5, 0, 1)
    return values * open_share


def letter(frame: Frame, values: np.ndarray, random: np.random.Generator) -> np.ndarray:
    """Burn in the lead letter of the patient's left side and the word SYNTHETIC."""
    side = min(frame.height, frame.width)
    place = (random.uniform(0.86, 0.915), random.uniform(0.06, 0.12))
    mark = _text(frame, "L", place, side / random.uniform(520, 680), 0.006 * side)
    word = _text(frame, "SYNTHETIC", (0.035, 0.972), max(0.30, side / 1500), side / 820)
    wear = 1 - 0.04 * random.random()
    lead = np.clip(mark * wear * 3700 + word * 3900, 0, 4095)
    # A dark rim keeps the word legible on the bright abdomen.
    rim = blur(word, max(0.8, side / 500))
    dimmed = values * (1 - 0.75 * np.clip(rim * 2.5, 0, 1))
    return np.where(mark + word > 0, np.maximum(dimmed, lead), dimmed)


def _text(
    frame: Frame, text: str, place: tuple[float, float], size: float, stroke: float
) -> np.ndarray:
    """Text as a map of 0 .. 1; `place` is its lower left corner as a share of width and height."""
    sheet = np.zeros((frame.height, frame.width), dtype=np.uint8)
    corner = (round(place[0] * frame.width), round(place[1] * frame.height))
    thick = max(1, round(stroke))
    cv2.putText(sheet, text, corner, cv2.FONT_HERSHEY_SIMPLEX, size, 255, thick, cv2.LINE_AA)
    return sheet.astype(np.float32) / 255

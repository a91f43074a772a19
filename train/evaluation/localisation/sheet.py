"""Maps over films with their truth boxes, a typical film of each finding (the paper's Figure 8)."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from lmeran.findings import FINDINGS, display_name
from lmeran.imaging.geometry import Geometry
from lmeran.model.maps import CONTOUR_LEVEL
from train.data.boxes import Box
from train.data.index import Index
from train.evaluation.figures import new_figure, styled
from train.evaluation.localisation.cases import Measured, read_film
from train.evaluation.localisation.maps import MODEL_MAPS
from train.evaluation.localisation.measures import IOU, POINTING

TRUTH = np.array([57, 211, 83]) / 255
MAP_COLOURS = "inferno"
STRONGEST = 0.6
"""Opacity of the map at its maximum; weak places are transparent."""

SHEET_SIDE = 192
"""Longer side of a film on the contact sheet, in pixels."""


def contact_sheet(measured: Measured, index: Index) -> Figure:
    """One film a finding: the film and each free map over it, the truth box, the 0.4 contour.

    The film is the one whose map of the first kind has the finding's median IoU: a typical one,
    neither the best nor the worst. The figure shows patients' films.
    """
    kinds = list(measured.maps)
    chosen = _typical_cases(measured, kinds[0])
    with styled():
        figure = new_figure(height=0.4 + 1.62 * len(chosen))
        grid = figure.subplots(len(chosen), 1 + len(kinds), squeeze=False)
        titles = ["Film", *(MODEL_MAPS[kind] for kind in kinds)]
        for axes, title in zip(grid[0], titles, strict=True):
            axes.set_title(title)
        for line, k in zip(grid, chosen, strict=True):
            _sheet_row(line, measured, k, read_film(index, measured.cases[k].row).pixels)
    return figure


def _typical_cases(measured: Measured, kind: str) -> list[int]:
    """For each finding the case with the median (lower one) of that map's IoU."""
    iou = measured.free[kind][:, IOU]
    chosen = []
    for finding in np.unique(measured.findings):
        own = np.flatnonzero(measured.findings == finding)
        order = own[np.argsort(iou[own], kind="stable")]
        chosen.append(int(order[(len(order) - 1) // 2]))
    return chosen


def _sheet_row(line: Sequence[Axes], measured: Measured, k: int, pixels: np.ndarray) -> None:
    """The film of case k alone, then under each of its free maps."""
    case = measured.cases[k]
    scale = SHEET_SIDE / max(pixels.shape)
    height, width = (max(1, round(side * scale)) for side in pixels.shape)
    small = cv2.resize(pixels, (width, height), interpolation=cv2.INTER_AREA)
    film = np.repeat(small[..., None] / 255, 3, axis=2)
    geometry = Geometry(height, width, SHEET_SIDE)
    line[0].set_ylabel(display_name(FINDINGS[case.finding]))
    _show(line[0], film, case.boxes)
    for axes, (kind, maps) in zip(line[1:], measured.maps.items(), strict=True):
        share = _share_of_maximum(geometry.map_to_original(maps[k]))
        _show(axes, _blend(film, share), case.boxes)
        x, y = np.arange(width) + 0.5, np.arange(height) + 0.5
        if share.any():
            axes.contour(x, y, share, levels=[CONTOUR_LEVEL], colors="w", linewidths=0.6)
        iou, pointing = measured.free[kind][k, [IOU, POINTING]]
        place = "in" if pointing > 0.5 else "off"
        found = f"IoU {iou:.2f}, points {place}" if share.any() else "no positive evidence"
        axes.set_xlabel(found)


def _share_of_maximum(field: np.ndarray) -> np.ndarray:
    """0 .. 1 of the map's maximum; zero everywhere if it has no positive value."""
    top = float(field.max())
    return np.clip(field / top, 0, 1) if top > 0 else np.zeros_like(field)


def _blend(film: np.ndarray, share: np.ndarray) -> np.ndarray:
    """RGB 0 .. 1 (H, W, 3) of the film under the coloured map."""
    opacity = STRONGEST * share[..., None]
    colours = matplotlib.colormaps[MAP_COLOURS](share)[..., :3]
    return (1 - opacity) * film + opacity * colours


def _show(axes: Axes, picture: np.ndarray, boxes: tuple[Box, ...]) -> None:
    height, width = picture.shape[:2]
    # Its own pixels go into the file, not a resampled copy.
    axes.imshow(picture, extent=(0, width, height, 0), interpolation="none")
    axes.set(xticks=[], yticks=[])
    for box in boxes:
        corner = (box.left * width, box.top * height)
        size = ((box.right - box.left) * width, (box.bottom - box.top) * height)
        axes.add_patch(Rectangle(corner, *size, fill=False, edgecolor=TRUTH, linewidth=1.2))

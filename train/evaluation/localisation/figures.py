"""Figures of localisation: maps with truth boxes (the paper's Figure 8), and T(IoU), T(IoBB)."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.patches import Rectangle

from lmeran.findings import FINDINGS, display_name
from lmeran.imaging.geometry import Geometry
from lmeran.model.maps import CONTOUR_LEVEL
from train.data.boxes import Box
from train.data.index import Index
from train.evaluation.localisation.cases import Measured, read_film
from train.evaluation.localisation.maps import MODEL_MAPS
from train.evaluation.localisation.measures import IOU, MEASURES, POINTING, THRESHOLDS
from train.evaluation.localisation.tables import NAMES, WANG_2017, Rows
from train.evaluation.section import Plot
from train.evaluation.statistics import Estimate
from train.evaluation.style import BLUE, GRAY, GREEN, INK, ORANGE, PALE, PURPLE, new_figure, styled

TRUTH = np.array([57, 211, 83]) / 255
MAP_COLOURS = "inferno"
STRONGEST = 0.6
"""Opacity of the map at its maximum; weak places are transparent."""

SHEET_SIDE = 192
"""Longer side of a film on the contact sheet, in pixels."""

CURVES = {
    "attention": (BLUE, "-"),
    "rollout": (BLUE, "--"),
    "cam": (ORANGE, "-"),
    "sum": (GREEN, "-"),
    "gradcam": (PURPLE, "-"),
    "random": (GRAY, ":"),
    "centre": (INK, "--"),
    "ceiling": (GRAY, "-"),
}
"""Colour and line of each kind of map."""


def contact_sheet(measured: Measured, index: Index) -> Plot:
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
    return Plot(
        "localisation_sheet",
        "Maps and truth boxes",
        figure,
        f"Green: the radiologist's box. White: {CONTOUR_LEVEL} of the map's maximum. Each film is "
        f"the one with the finding's median IoU of the map: {MODEL_MAPS[kinds[0]]}.",
    )


def threshold_curves(rows: Rows) -> Plot:
    """T(IoU) and T(IoBB) of the free maps and the controls, with intervals over patients."""
    with styled():
        figure = new_figure(height=4.2)
        for axes, measure in zip(figure.subplots(1, 2, sharey=True), ("IoU", "IoBB"), strict=True):
            at = [MEASURES.index(f"{measure}>{t}") for t in THRESHOLDS]
            for (kind, pinned), estimates in rows.items():
                if not pinned:
                    _curve(axes, kind, [estimates[k] for k in at])
            if measure == "IoU":
                axes.plot(THRESHOLDS, WANG_2017, color=PALE, marker="o", label="Wang et al. 2017")
            axes.set(xlabel="T", title=f"Share of boxes with {measure} > T", ylim=(0, 1))
        handles, labels = figure.axes[0].get_legend_handles_labels()
        figure.legend(handles, labels, loc="outside right center")
    return Plot(
        "localisation_thresholds",
        "Boxes found at each threshold",
        figure,
        "Mean over the findings, nothing pinned; bands: 95 % interval over resampled patients.",
    )


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


def _curve(axes: Axes, kind: str, estimates: list[Estimate]) -> None:
    colour, line = CURVES[kind]
    axes.plot(THRESHOLDS, [e.value for e in estimates], line, color=colour, label=NAMES[kind])
    if all(e.low is not None for e in estimates):
        low, high = [e.low for e in estimates], [e.high for e in estimates]
        axes.fill_between(THRESHOLDS, low, high, color=colour, alpha=0.1, linewidth=0)

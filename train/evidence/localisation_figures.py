"""Figures of localisation: maps with truth boxes (the paper's Figure 8), and T(IoU), T(IoBB)."""

from __future__ import annotations

import cv2
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from lmeran.findings import FINDINGS, display_name
from lmeran.geometry import Geometry
from lmeran.maps import CONTOUR_LEVEL
from train.boxes import Box
from train.evidence.localisation_cases import Measured, read_film
from train.evidence.localisation_maps import MODEL_MAPS
from train.evidence.localisation_measures import IOU, MEASURES, POINTING, THRESHOLDS
from train.evidence.localisation_tables import NAMES, WANG_2017, Rows
from train.evidence.section import Plot
from train.index import Index

TRUTH = "#39d353"
MAP_COLOURS = "inferno"
SHEET_SIDE = 320
"""Longer side of a film on the contact sheet, in pixels; a map needs no more."""

CURVE_COLOURS = {
    "attention": "C0",
    "rollout": "C1",
    "cam": "C2",
    "sum": "C3",
    "gradcam": "C4",
    "random": "0.6",
    "centre": "0.35",
    "ceiling": "0.8",
}


def contact_sheet(measured: Measured, index: Index) -> Plot:
    """One film a finding: the film and each free map over it, the truth box, the 0.4 contour.

    The film is the one whose map of the first kind has the finding's median IoU: a typical one,
    neither the best nor the worst. The figure shows patients' films.
    """
    kinds = list(measured.maps)
    chosen = _typical_cases(measured, kinds[0])
    rows, columns = len(chosen), 1 + len(kinds)
    figure = Figure(figsize=(2.1 * columns, 2.25 * rows), layout="constrained")
    grid = figure.subplots(rows, columns, squeeze=False)
    for line, k in zip(grid, chosen, strict=True):
        case = measured.cases[k]
        pixels = read_film(index, case.row).pixels
        height, width = _fit(*pixels.shape)
        geometry = Geometry(height, width, SHEET_SIDE)
        small = cv2.resize(pixels, (width, height), interpolation=cv2.INTER_AREA)
        line[0].set_ylabel(display_name(FINDINGS[case.finding]))
        _film(line[0], small, case.boxes)
        for axes, kind in zip(line[1:], kinds, strict=True):
            _film(axes, small, case.boxes)
            _heat(axes, geometry.map_to_original(measured.maps[kind][k]))
            iou, pointing = measured.free[kind][k, [IOU, POINTING]]
            place = "into the box" if pointing > 0.5 else "elsewhere"
            axes.set_xlabel(f"IoU {iou:.2f}, points {place}", fontsize=7)
    for axes, title in zip(grid[0], ["film", *(MODEL_MAPS[kind] for kind in kinds)], strict=True):
        axes.set_title(title, fontsize=8, wrap=True)
    return Plot(
        "localisation_sheet",
        "Maps and truth boxes",
        figure,
        f"Green: the radiologist's box. White: {CONTOUR_LEVEL} of the map's maximum. Each film is "
        f"the one with the finding's median IoU of the map: {MODEL_MAPS[kinds[0]]}.",
    )


def threshold_curves(rows: Rows) -> Plot:
    """T(IoU) and T(IoBB) of the free maps and the controls, with intervals over patients."""
    figure = Figure(figsize=(10, 4.2), layout="constrained")
    for axes, measure in zip(figure.subplots(1, 2, sharey=True), ("IoU", "IoBB"), strict=True):
        at = [MEASURES.index(f"{measure}>{t}") for t in THRESHOLDS]
        for (kind, pinned), estimates in rows.items():
            if not pinned:
                _curve(axes, kind, [estimates[k] for k in at])
        if measure == "IoU":
            axes.plot(THRESHOLDS, list(WANG_2017.values()), "k:", label="Wang et al. 2017")
        axes.set(xlabel="T", title=f"share of boxes with {measure} > T", ylim=(0, 1))
        axes.grid(alpha=0.3)
    handles, labels = figure.axes[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside right center", fontsize=8)
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


def _fit(height: int, width: int) -> tuple[int, int]:
    scale = SHEET_SIDE / max(height, width)
    return max(1, round(height * scale)), max(1, round(width * scale))


def _film(axes: Axes, pixels: np.ndarray, boxes: tuple[Box, ...]) -> None:
    height, width = pixels.shape
    axes.imshow(pixels, cmap="gray", vmin=0, vmax=255, extent=(0, width, height, 0))
    axes.set(xticks=[], yticks=[])
    for box in boxes:
        corner = (box.left * width, box.top * height)
        size = ((box.right - box.left) * width, (box.bottom - box.top) * height)
        axes.add_patch(Rectangle(corner, *size, fill=False, edgecolor=TRUTH, linewidth=1.2))


def _heat(axes: Axes, field: np.ndarray) -> None:
    """The map in shares of its own maximum, weak places transparent; nothing if it has none."""
    height, width = field.shape
    top = float(field.max())
    if top <= 0:
        axes.text(width / 2, height / 2, "no positive evidence", color="w", ha="center", fontsize=7)
        return
    share = np.clip(field / top, 0, 1)
    axes.imshow(
        share, cmap=MAP_COLOURS, vmin=0, vmax=1, alpha=0.6 * share, extent=(0, width, height, 0)
    )
    x, y = np.arange(width) + 0.5, np.arange(height) + 0.5
    axes.contour(x, y, share, levels=[CONTOUR_LEVEL], colors="w", linewidths=0.7)


def _curve(axes: Axes, kind: str, estimates: list) -> None:
    values = [e.value for e in estimates]
    style = "--" if kind in ("random", "centre", "ceiling") else "-"
    axes.plot(THRESHOLDS, values, style, color=CURVE_COLOURS[kind], label=NAMES[kind])
    if all(e.low is not None for e in estimates):
        low, high = [e.low for e in estimates], [e.high for e in estimates]
        axes.fill_between(THRESHOLDS, low, high, color=CURVE_COLOURS[kind], alpha=0.1, lw=0)

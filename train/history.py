"""What a run leaves to watch: history.csv, TensorBoard scalars, a figure of the curves."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from torch.utils.tensorboard import SummaryWriter

from lmeran.files import replacing


class History:
    """The epochs of a run: a row each in history.csv, the same as scalars in `tensorboard/`."""

    def __init__(self, folder: Path, step: int) -> None:
        """step: where the run stands; scalars a kill left beyond it are dropped."""
        self._csv = folder / "history.csv"
        self._figure = folder / "curves.png"
        self._scalars = SummaryWriter(folder / "tensorboard", purge_step=step)

    def step(self, step: int, values: dict[str, float]) -> None:
        """Scalars of a training step."""
        for name, value in values.items():
            self._scalars.add_scalar(f"step/{name}", value, step)

    def epoch(self, row: dict[str, Any]) -> None:
        """A finished epoch; one run again after a kill replaces its row."""
        rows = [old for old in self.rows() if old["epoch"] != str(row["epoch"])]
        with replacing(self._csv) as partial, partial.open("w", newline="") as file:
            writer = csv.DictWriter(file, row)
            writer.writeheader()
            writer.writerows([*rows, row])
        for name, value in row.items():
            if name not in ("epoch", "step") and value is not None:
                self._scalars.add_scalar(f"epoch/{name}", value, row["step"])
        self._scalars.flush()

    def rows(self) -> list[dict[str, str]]:
        """The epochs so far, as they stand in the file."""
        if not self._csv.is_file():
            return []
        with self._csv.open(newline="") as file:
            return list(csv.DictReader(file))

    def close(self) -> None:
        """Draw the curves and end the scalars."""
        rows = self.rows()
        if rows:
            curves(rows).savefig(self._figure, dpi=120)
        self._scalars.close()


def curves(rows: list[dict[str, str]]) -> Figure:
    """Loss and validation AUC (free, with 7 known, and each finding free) over the epochs."""

    def column(name: str) -> np.ndarray:
        return np.array([float(row[name]) if row[name] else np.nan for row in rows])

    figure = Figure(figsize=(11, 4), layout="constrained")
    left, right = figure.subplots(1, 2)
    epochs = column("epoch")
    left.plot(epochs, column("loss"), color="black")
    left.set(xlabel="epoch", ylabel="training loss")
    for name in rows[0]:
        if name.startswith("auc_free_") and name != "auc_free_within_sources":
            right.plot(epochs, column(name), color="0.8", linewidth=0.8)
    right.plot(epochs, column("auc_free"), color="tab:blue", label="free")
    right.plot(epochs, column("auc_known7"), color="tab:orange", label="7 known")
    right.plot(
        epochs, column("auc_free_within_sources"), "--", color="tab:blue", label="free, in sources"
    )
    right.set(xlabel="epoch", ylabel="validation AUC (gray: each finding, free)")
    right.legend(frameon=False)
    return figure

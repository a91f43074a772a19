"""What a run leaves behind: history.csv, TensorBoard scalars, a figure of the curves."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd
from matplotlib.figure import Figure
from torch.utils.tensorboard import SummaryWriter

from lmeran.files import write_atomic


class History:
    """The epochs of a run: a row each in history.csv, the same as scalars in `tensorboard/`."""

    def __init__(self, folder: Path, step: int) -> None:
        """step: where the run stands; scalars that a killed run left beyond it are dropped."""
        self._csv = folder / "history.csv"
        self._figure = folder / "curves.png"
        self._scalars = SummaryWriter(folder / "tensorboard", purge_step=step)

    def step(self, step: int, values: dict[str, float]) -> None:
        """Scalars of a training step."""
        for name, value in values.items():
            self._scalars.add_scalar(f"step/{name}", value, step)

    def epoch(self, row: dict[str, Any]) -> None:
        """A finished epoch; an epoch that is repeated after a kill replaces its row."""
        rows = pd.DataFrame([row])
        if self._csv.is_file():
            before = pd.read_csv(self._csv)
            rows = pd.concat([before[before["epoch"] != row["epoch"]], rows])
        write_atomic(self._csv, rows.to_csv(index=False))
        for name, value in row.items():
            if name not in ("epoch", "step") and value is not None:
                self._scalars.add_scalar(f"epoch/{name}", value, row["step"])
        self._scalars.flush()

    def close(self) -> None:
        """Draw the curves and end the scalars."""
        if self._csv.is_file():
            curves(pd.read_csv(self._csv)).savefig(self._figure, dpi=120)
        self._scalars.close()


def curves(rows: pd.DataFrame) -> Figure:
    """Loss and validation AUC (free, with 7 known, and each finding free) over the epochs."""
    figure = Figure(figsize=(11, 4), layout="constrained")
    left, right = figure.subplots(1, 2)
    left.plot(rows["epoch"], rows["loss"], color="black")
    left.set(xlabel="epoch", ylabel="training loss")
    within = "auc_free_within_sources"
    for name in rows:
        if name.startswith("auc_free_") and name != within:
            right.plot(rows["epoch"], rows[name], color="0.8", linewidth=0.8)
    right.plot(rows["epoch"], rows["auc_free"], color="tab:blue", label="free")
    right.plot(rows["epoch"], rows["auc_known7"], color="tab:orange", label="7 known")
    right.plot(rows["epoch"], rows[within], "--", color="tab:blue", label="free, in sources")
    right.set(xlabel="epoch", ylabel="validation AUC (gray: each finding, free)")
    right.legend(frameon=False)
    return figure

"""The index of a data set: a row for each image, with official split, patient and findings.

Columns used: file (relative to the folder), image_index, official_split ("train_val" or "test"),
patient_id, finding_labels ("Effusion|Mass" or "No Finding"), height, width; and, for subgroups,
view_position, sex, age (years) and source.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from lmeran.findings import FINDINGS
from train.data.table import NO_FINDING, DataError, read_table


@dataclass(frozen=True, eq=False)
class Index:
    """Images of one split.

    root: folder the files are relative to.
    files: relative paths; names: NIH image names, which seed masks; patients: ids, (N,).
    labels: float32 (N, 14), 0 or 1, in the order of `FINDINGS`.
    groups: int64 (N,), where an image comes from: its source and size, as far as the index says.
    views, sexes, sources: str (N,), empty where unknown; ages: float64 (N,), years, NaN where
        unknown. None where the index has no such column.
    """

    root: Path
    files: tuple[str, ...]
    names: tuple[str, ...]
    patients: np.ndarray
    labels: np.ndarray
    groups: np.ndarray
    views: np.ndarray | None = None
    sexes: np.ndarray | None = None
    ages: np.ndarray | None = None
    sources: np.ndarray | None = None

    def __len__(self) -> int:
        return len(self.files)

    @property
    def digest(self) -> str:
        """SHA-256 of the image names in order: what a reported number was measured on."""
        return hashlib.sha256("\n".join(self.names).encode()).hexdigest()

    def take(self, rows: np.ndarray) -> Index:
        """The given rows, in the given order."""
        return Index(
            self.root,
            tuple(self.files[i] for i in rows),
            tuple(self.names[i] for i in rows),
            self.patients[rows],
            self.labels[rows],
            self.groups[rows],
            *(
                None if column is None else column[rows]
                for column in (self.views, self.sexes, self.ages, self.sources)
            ),
        )


def read_index(root: str | Path, split: str, min_size: int = 0) -> Index:
    """Rows of `root`/index.csv whose official split is `split`, sides of at least `min_size` px.

    Raises `DataError` with every fault of the whole table, or where the split is empty.
    """
    root = Path(root)
    path = root / "index.csv"
    if not path.is_file():
        raise DataError(f"There is no index.csv in {root}.")
    table = read_table(path)
    rows = table[table["official_split"] == split]
    if min_size and {"height", "width"} <= set(table.columns):
        rows = rows[rows[["height", "width"]].apply(pd.to_numeric).min(axis=1) >= min_size]
    if rows.empty:
        raise DataError(f"{path} has no image of the split '{split}'.")
    return Index(
        root,
        tuple(rows["file"]),
        tuple(rows["image_index"]),
        rows["patient_id"].to_numpy(),
        np.stack([label_vector(text) for text in rows["finding_labels"]]),
        _groups(rows),
        views=_texts(rows, "view_position"),
        sexes=_texts(rows, "sex"),
        ages=_ages(rows),
        sources=_texts(rows, "source"),
    )


def label_vector(text: str) -> np.ndarray:
    """'Effusion|Mass' to float32 (14,); 'No Finding' to zeros."""
    vector = np.zeros(len(FINDINGS), dtype=np.float32)
    for name in (part.strip() for part in text.split("|")):
        if name != NO_FINDING:
            vector[FINDINGS.index(name)] = 1.0
    return vector


def label_text(vector: np.ndarray) -> str:
    """The inverse of `label_vector`."""
    names = (name for name, present in zip(FINDINGS, vector > 0.5, strict=True) if present)
    return "|".join(names) or NO_FINDING


def source_offsets(index: Index, pseudo: float = 10.0) -> np.ndarray:
    """Log-odds of each finding in each group over those in all images, float32 (groups, 14).

    Added to the logits in training, they explain what the source alone says of a finding, so that
    the network need not learn the source (logit adjustment, Menon et al., ICLR 2021, by source).
    Shares are drawn towards the overall one by `pseudo` images.
    """
    films = len(index)
    overall = (index.labels.sum(axis=0, dtype=np.float64) + 0.5) / (films + 1)
    offsets = np.zeros((int(index.groups.max()) + 1, index.labels.shape[1]), dtype=np.float32)
    for group in np.unique(index.groups):
        labels = index.labels[index.groups == group]
        share = (labels.sum(axis=0) + pseudo * overall) / (len(labels) + pseudo)
        offsets[group] = np.log(share / (1 - share)) - np.log(overall / (1 - overall))
    return offsets


def label_sets(labels: np.ndarray) -> dict[str, int]:
    """How many films carry each set of findings: {"No Finding": 6000, "Effusion|Mass": 12, ...}.

    labels: (N, 14) of 0 and 1. What co-occurrence in the training data was, kept in checkpoints.
    """
    counts = Counter(label_text(row) for row in labels)
    return dict(sorted(counts.items(), key=lambda item: (-item[1], item[0])))


def split_by_patient(index: Index, share: float, seed: int) -> tuple[Index, Index]:
    """Training and validation part, no patient in both; depends on ids and seed alone."""
    digests = (hashlib.sha256(f"{seed}:{p}".encode()).digest()[:8] for p in index.patients)
    wanted = np.array([int.from_bytes(digest, "big") / 2**64 < share for digest in digests])
    if wanted.all() or not wanted.any():
        raise DataError("Too few patients to keep some of them for validation.")
    return index.take(np.flatnonzero(~wanted)), index.take(np.flatnonzero(wanted))


def _groups(rows: pd.DataFrame) -> np.ndarray:
    known = [column for column in ("source", "height") if column in rows.columns]
    if not known:
        return np.zeros(len(rows), dtype=np.int64)
    facts = rows[known].assign(**{c: pd.to_numeric(rows[c]) for c in known if c == "height"})
    return facts.groupby(known, dropna=False).ngroup().to_numpy(dtype=np.int64)


def _texts(rows: pd.DataFrame, column: str) -> np.ndarray | None:
    if column not in rows.columns:
        return None
    return rows[column].to_numpy(dtype=str)


def _ages(rows: pd.DataFrame) -> np.ndarray | None:
    """Years; the release has a few ages such as 411, which are treated as unknown."""
    if "age" not in rows.columns:
        return None
    ages = pd.to_numeric(rows["age"], errors="coerce").to_numpy(dtype=np.float64, na_value=np.nan)
    return np.where(ages <= 120, ages, np.nan)

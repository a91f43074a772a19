"""A pack: every film at the size the network reads, compressed, with all that training needs.

A folder of a few tens of megabytes that goes where no data set and no network can be had:

films.bin      the films one after the other, gray WebP
index.npz      where each film lies, its labels, patient, part, source, boxes, soft labels
init.safetensors, teacher.safetensors   weights to start from, float16
"""

from __future__ import annotations

import argparse
import json
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, fields
from pathlib import Path

import cv2
import numpy as np
import pandas as pd
import torch
from safetensors.torch import save_file

from lmeran.checkpoint import load_checkpoint
from lmeran.config import Preprocessing
from lmeran.findings import FINDINGS
from lmeran.imaging.preprocess import network_pixels, resize
from train.bundled.teacher import imagenet_weights
from train.data.boxes import RELEASE_SIDE, Box, Boxes, read_boxes
from train.data.index import DataError, Index, read_index, source_offsets, split_by_patient

TRAIN, VALIDATION, TEST = 0, 1, 2
"""Parts of a pack. Test films are carried to be scored, never to be learned from or chosen by."""

MOST_BOXES = 8
"""Boxes of one finding on one film that are kept, the largest first."""

CHESTXDET = "labels/boxes_chestxdet.csv.gz"
SOFT_LABELS = "labels/soft_labels_train_val.csv.gz"
LABEL_TABLE = "labels/Data_Entry_2017_v2020.csv.gz"

_OTHER_NAMES = {"Diffuse Nodule": ("Nodule",), "Pleural Thickening": ("Pleural_Thickening",)}
_STANDS_FOR = {"Consolidation": ("Consolidation", "Infiltration", "Pneumonia")}
"""Findings that the radiologists' box of another one teaches where to look for."""


@dataclass(frozen=True, eq=False)
class Pack:
    """The films of a pack; N films, P boxed pairs of film and finding.

    gray: uint8 (N, S, S). names, part, labels (N, 14), groups (source and size), offsets (N, 14)
    of `source_offsets` (zero outside the training part), soft (N, 14, NaN where not known).
    box_film, box_finding: int64 (P,), sorted by film; boxes: float32 (P, MOST_BOXES, 4), left,
    top, right, bottom in fractions of the film, NaN where there are fewer. On training and
    validation films they are ChestX-Det's, on test films NIH's.
    label_rows: uint8 (R, 14), the label table's train_val rows without validation patients.
    """

    gray: np.ndarray
    names: np.ndarray
    part: np.ndarray
    labels: np.ndarray
    groups: np.ndarray
    offsets: np.ndarray
    soft: np.ndarray
    box_film: np.ndarray
    box_finding: np.ndarray
    boxes: np.ndarray
    label_rows: np.ndarray

    def rows(self, part: int) -> np.ndarray:
        return np.flatnonzero(self.part == part)


def command(given: argparse.Namespace) -> None:
    """Films, labels and the weights to start from."""
    given.out.mkdir(parents=True, exist_ok=True)
    model = load_checkpoint(given.checkpoint).model
    (given.out / "config.json").write_text(json.dumps(model.config.to_dict()))
    add_weights(
        given.out, "init", {f"backbone.{k}": v for k, v in model.backbone.state_dict().items()}
        | {"class_weight": model.class_weight, "class_bias": model.class_bias}
    )  # fmt: skip
    lite = torch.load(imagenet_weights(), map_location="cpu", weights_only=True)
    add_weights(given.out, "teacher", {k: v for k, v in lite.items() if not k.startswith("_fc.")})
    total = make_pack(
        given.data, given.out, given.size, given.quality, given.small_quality, given.share,
        given.seed,
    )  # fmt: skip
    print(f"{given.out}: {total / 1e6:.1f} MB")


def make_pack(
    data: Path,
    out: Path,
    size: int,
    quality: int,
    small_quality: int,
    share: float,
    seed: int,
) -> int:
    """Write a pack of `data` at `size` pixels; returns its bytes."""
    out.mkdir(parents=True, exist_ok=True)
    train, validation = split_by_patient(read_index(data, "train_val"), share, seed)
    parts = [train, validation, read_index(data, "test", min_size=128)]
    offsets = [source_offsets(train)[train.groups]]
    offsets += [np.zeros_like(p.labels) for p in parts[1:]]
    films: list[bytes] = []
    with ThreadPoolExecutor() as pool:
        for part in parts:
            paths = [part.root / file for file in part.files]
            films += pool.map(lambda path: _encode(path, size, quality, small_quality), paths)
    (out / "films.bin").write_bytes(b"".join(films))
    names = np.array([n for p in parts for n in p.names])
    boxes = read_chestxdet(data) | read_boxes(data)
    box_film, box_finding, box_values = _boxed_pairs(names, boxes)
    np.savez_compressed(
        out / "index.npz",
        size=size,
        share=share,
        seed=seed,
        starts=np.cumsum([0, *map(len, films)]),
        names=names,
        part=np.repeat(np.arange(3), [len(p) for p in parts]).astype(np.uint8),
        labels=np.concatenate([p.labels for p in parts]).astype(bool),
        groups=np.concatenate([p.groups for p in parts]),
        offsets=np.concatenate(offsets).astype(np.float16),
        soft=np.concatenate([read_soft_labels(data / SOFT_LABELS, p) for p in parts]).astype(
            np.float16
        ),
        box_film=box_film,
        box_finding=box_finding,
        boxes=box_values.astype(np.float16),
        label_rows=np.packbits(_label_rows(data, validation), axis=1),
    )
    return sum(f.stat().st_size for f in out.iterdir())


def add_weights(out: Path, name: str, tensors: dict[str, torch.Tensor]) -> None:
    """Weights to start from, in half precision."""
    halves = {
        k: (v.half() if v.is_floating_point() else v).contiguous() for k, v in tensors.items()
    }
    save_file(halves, out / f"{name}.safetensors")


def read_pack(folder: Path, preprocessing: Preprocessing | None = None) -> Pack:
    """Decode all of it, on every core. preprocessing: of the films; None: at the pack's size."""
    with np.load(folder / "index.npz") as index:
        kept = {f.name: index[f.name] for f in fields(Pack) if f.name != "gray"}
        preprocessing = preprocessing or Preprocessing(int(index["size"]))
        starts = index["starts"]
    data = (folder / "films.bin").read_bytes()
    size = preprocessing.image_size
    gray = np.empty((len(starts) - 1, size, size), np.uint8)

    def decode(k: int) -> None:
        film = np.frombuffer(data, np.uint8, starts[k + 1] - starts[k], starts[k])
        gray[k] = network_pixels(cv2.imdecode(film, cv2.IMREAD_GRAYSCALE), preprocessing)

    with ThreadPoolExecutor() as pool:
        list(pool.map(decode, range(len(gray))))
    kept["label_rows"] = np.unpackbits(kept["label_rows"], axis=1)[:, : len(FINDINGS)]
    for name in ("labels", "offsets", "soft", "boxes"):
        kept[name] = kept[name].astype(np.float32)
    return Pack(gray=gray, **kept)


def read_chestxdet(data: Path) -> Boxes:
    """ChestX-Det's boxes by image and finding, on train_val films only.

    Its boxes on test films would stand beside NIH's there, so they are left out.
    """
    table = pd.read_csv(data / CHESTXDET)
    boxes: Boxes = {}
    for row in table[table.official_split == "train_val"].itertuples():
        box = Box(*(min(max(v / RELEASE_SIDE, 0.0), 1.0) for v in (row.x1, row.y1, row.x2, row.y2)))
        names = _OTHER_NAMES.get(row.finding) or _STANDS_FOR.get(row.finding) or (row.finding,)
        if not (box.left < box.right and box.top < box.bottom):
            continue
        for finding in names:
            if finding in FINDINGS:
                of_film = boxes.setdefault(row.image_index, {})
                of_film[finding] = (*of_film.get(finding, ()), box)
    return boxes


def read_soft_labels(path: Path, index: Index) -> np.ndarray:
    """Probabilities (N, 14) of a CSV for the images of an index; NaN where it does not list one."""
    table = pd.read_csv(path)
    if not {"Image Index", *FINDINGS} <= set(table.columns):
        raise DataError(f"{path.name} needs the columns 'Image Index' and the 14 findings.")
    listed = table.drop_duplicates("Image Index").set_index("Image Index")[list(FINDINGS)]
    if not ((listed >= 0) & (listed <= 1)).all(axis=None):
        raise DataError(f"{path.name} has values that are no probabilities; correct them.")
    return listed.reindex(list(index.names)).to_numpy(dtype=np.float32)


def _encode(path: Path, size: int, quality: int, small_quality: int) -> bytes:
    """A film as WebP, at `size` where it has as much, else at its own size, made square."""
    gray = cv2.imread(str(path), cv2.IMREAD_GRAYSCALE)
    side = min(gray.shape)
    # 200 px and more are brought to the network's size here; the rest when the pack is read.
    large = side >= 200
    if large or gray.shape[0] != gray.shape[1]:
        gray = resize(gray, size if large else side)
    flags = [cv2.IMWRITE_WEBP_QUALITY, quality if large else small_quality]
    return cv2.imencode(".webp", gray, flags)[1].tobytes()


def _boxed_pairs(names: np.ndarray, boxes: Boxes) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    films, findings, values = [], [], []
    for k, name in enumerate(names):
        for finding, of_finding in boxes.get(name, {}).items():
            largest = sorted(of_finding, key=lambda b: (b.left - b.right) * (b.bottom - b.top))
            kept = np.full((MOST_BOXES, 4), np.nan)
            for j, box in enumerate(largest[:MOST_BOXES]):
                kept[j] = box.left, box.top, box.right, box.bottom
            films.append(k)
            findings.append(FINDINGS.index(finding))
            values.append(kept)
    boxed = np.array(values, dtype=np.float64).reshape(-1, MOST_BOXES, 4)
    return np.array(films, dtype=np.int64), np.array(findings, dtype=np.int64), boxed


def _label_rows(data: Path, validation: Index) -> np.ndarray:
    """The train_val rows of the label table, 0 or 1, of patients not kept for validation."""
    table = pd.read_csv(data / LABEL_TABLE, usecols=["Image Index", "Finding Labels", "Patient ID"])
    listed = set((data / "splits/train_val_list.txt").read_text().split())
    held = {str(int(p)) for p in validation.patients}
    kept = table["Image Index"].isin(listed) & ~table["Patient ID"].astype(str).isin(held)
    sets = table["Finding Labels"][kept].str.split("|")
    return np.array([[f in s for f in FINDINGS] for s in sets], dtype=np.uint8)

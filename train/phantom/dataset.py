"""A data set drawn from a world: films, index, lesion masks, and what each film was drawn with.

    index.csv      the index that all of `train/` reads; `official_split` by patient
    images/        one gray PNG per film
    masks/         one 16-bit PNG per film: bit i is set where finding i of `FINDINGS` is drawn
    BBox_List_2017.csv  the box round each lesion, as NIH lists radiologists' boxes
    levels.csv     the level of each finding on each film (`train.phantom.world`), 0: not drawn
    world.json     the joint distribution and how the films were made

A film is a function of the seed and its number alone, so that a stopped run resumes where it was.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pandas as pd
from tqdm import tqdm

from lmeran.files import write_atomic
from lmeran.findings import FINDINGS
from train.data.boxes import BOX_FILES, RELEASE_SIDE
from train.data.index import DataError, label_text, label_vector
from train.phantom.drawing.draw import draw
from train.phantom.drawing.frame import stream
from train.phantom.drawing.patient import PhantomSpec, build_of
from train.phantom.world import World, draw_labels, draw_levels

FAINTEST = 0.4
"""Strength of a lesion at level 0+; it grows evenly to 1 at level 1."""
TEST_SHARE = 0.2
"""Of the patients."""
MOST_VISITS = 3
BEDSIDE_SHARE = 0.2
"""Of the films; the view says nothing of the findings."""
CHUNK = 16
"""Films a process draws before it asks for more."""


@dataclass(frozen=True, eq=False)
class WorldData:
    """What a written data set knows beyond its index: the world and the levels of each film."""

    root: Path
    world: World
    levels: dict[str, np.ndarray]

    def masks(self, name: str) -> np.ndarray:
        """Where each finding is drawn on a film, bool (14, H, W)."""
        bits = cv2.imread(str(self.root / "masks" / name), cv2.IMREAD_UNCHANGED)
        if bits is None:
            raise DataError(f"The lesion masks of {name} cannot be read; write the data set again.")
        return (bits[None] >> np.arange(len(FINDINGS))[:, None, None] & 1).astype(bool)


def write_world(folder: Path, films: int, size: int = 128, seed: int = 0, workers: int = 0) -> None:
    """Write a data set of `films` square films of `size` pixels; `workers` 0: one for each core.

    The same call again resumes where it was stopped, and with more films adds to a set. Raises
    `DataError` where the folder holds another world, size or seed.
    """
    world = World()
    folder.mkdir(parents=True, exist_ok=True)
    _keep_facts(folder / "world.json", {"seed": seed, "size": size, "world": world.to_dict()})
    for part in ("images", "masks"):
        (folder / part).mkdir(exist_ok=True)
    specs, index, levels = plan_films(world, films, size, seed)
    tasks = [
        (folder, name, spec)
        for name, spec in zip(index["image_index"], specs, strict=True)
        if not (folder / "images" / name).is_file()
    ]
    # The films are divided over processes; OpenCV's threads on top would only get in their way.
    with ProcessPoolExecutor(
        workers or os.cpu_count(), get_context("spawn"), cv2.setNumThreads, (1,)
    ) as pool:
        done = pool.map(_write_film, tasks, chunksize=CHUNK)
        for _ in tqdm(done, total=films, initial=films - len(tasks), desc="films", unit="film"):
            pass
    write_atomic(folder / "levels.csv", levels.to_csv())
    write_atomic(folder / BOX_FILES[-1], pd.DataFrame(_boxes(folder, index)).to_csv(index=False))
    # The index comes last: while it is missing, the set is not complete.
    write_atomic(folder / "index.csv", index.to_csv(index=False))


def read_world(folder: Path) -> WorldData:
    """What `write_world` wrote. Raises `DataError` for a folder that holds no such data set."""
    try:
        facts = json.loads((folder / "world.json").read_text(encoding="utf-8"))
        table = pd.read_csv(folder / "levels.csv", index_col="image_index")
    except OSError:
        raise DataError(
            f"{folder} holds no finished synthetic world; "
            "write one with `python -m train phantom --films N`."
        ) from None
    rows = table[list(FINDINGS)].to_numpy(dtype=np.float64)
    levels = dict(zip(table.index, rows, strict=True))
    return WorldData(folder, World.from_dict(facts["world"]), levels)


def plan_films(
    world: World, films: int, size: int, seed: int
) -> tuple[list[PhantomSpec], pd.DataFrame, pd.DataFrame]:
    """Patients, visits, findings and how plainly they show: a specification of each film, and the
    rows of index.csv and of levels.csv. A pure function.

    Each film draws its own findings: a patient lends the anatomy, and the posterior of a film
    needs no other film. A larger set of the same seed begins with the films of a smaller one.
    """
    purposes = ("visits", "test", "view", "findings", "levels")
    random = {purpose: stream(seed, purpose) for purpose in purposes}
    visits = random["visits"].integers(1, MOST_VISITS + 1, films)
    patients = np.repeat(np.arange(films), visits)[:films]
    visit = np.concatenate([np.arange(count) for count in visits])[:films]
    test = (random["test"].random(films) < TEST_SHARE)[patients]
    bedside = random["view"].random(films) < BEDSIDE_SHARE
    labels = draw_labels(world, films, random["findings"])
    levels = draw_levels(world, labels, random["levels"])
    specs, rows = [], []
    for k in range(films):
        drawn = np.flatnonzero(levels[k])
        spec = PhantomSpec(
            seed=1 + seed * 10_000_000 + int(patients[k]),
            findings=tuple(FINDINGS[i] for i in drawn),
            height=size,
            width=size,
            view="AP" if bedside[k] else "PA",
            visit=int(visit[k]),
            strengths=tuple(float(FAINTEST + (1 - FAINTEST) * levels[k, i]) for i in drawn),
        )
        specs.append(spec)
        name = f"{patients[k] + 1:08d}_{visit[k]:03d}.png"
        rows.append(
            {
                "file": f"images/{name}",
                "image_index": name,
                "official_split": "test" if test[k] else "train_val",
                "patient_id": int(patients[k]) + 1,
                "finding_labels": label_text(labels[k]),
                "view_position": spec.view,
                "sex": "F" if build_of(spec).female else "M",
                "height": size,
                "width": size,
            }
        )
    index = pd.DataFrame(rows)
    names = pd.Index(index["image_index"])
    return specs, index, pd.DataFrame(levels, index=names, columns=FINDINGS)


def _boxes(folder: Path, index: pd.DataFrame) -> Iterator[dict[str, Any]]:
    """The box round all that is drawn of a finding on a film, in NIH's coordinates and columns."""
    for name, text in zip(index["image_index"], index["finding_labels"], strict=True):
        bits = cv2.imread(str(folder / "masks" / name), cv2.IMREAD_UNCHANGED)
        for i in np.flatnonzero(label_vector(text)):
            drawn = (bits >> i & 1).astype(np.uint8)
            if drawn.any():
                box = np.array(cv2.boundingRect(drawn)) * RELEASE_SIDE / len(bits)
                keys = {"Image Index": name, "Finding Label": FINDINGS[i]}
                yield keys | dict(zip(("Bbox [x", "y", "w", "h]"), box.tolist(), strict=True))


def _write_film(task: tuple[Path, str, PhantomSpec]) -> None:
    """Draw one film; its image comes last, so that an image on disk has its masks."""
    folder, name, spec = task
    film = draw(spec)
    bits = np.zeros((spec.height, spec.width), dtype=np.uint16)
    for finding, mask in film.masks.items():
        bits |= mask.astype(np.uint16) << FINDINGS.index(finding)
    for part, pixels in (("masks", bits), ("images", film.pixels)):
        done, data = cv2.imencode(".png", pixels)
        if not done:
            raise OSError(f"{name} could not be encoded as PNG")
        write_atomic(folder / part / name, data.tobytes())


def _keep_facts(path: Path, facts: dict[str, Any]) -> None:
    text = json.dumps(facts, indent=1) + "\n"
    if path.is_file() and path.read_text(encoding="utf-8") != text:
        raise DataError(
            f"{path.parent} holds another synthetic world; choose another --out "
            "or give the same options."
        )
    write_atomic(path, text)

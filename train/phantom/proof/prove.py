"""`python -m train prove`: does a model do on a synthetic world what Bayes' rule says it must?

Three questions on films of the test split, each with an answer that is known: how far must pins
move the other findings, where is the lesion, and how well can the findings be detected at all.
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
from tqdm import tqdm

from lmeran.checkpoint import Checkpoint
from lmeran.imaging.files import read_file
from lmeran.predictor import Predictor
from train.data.index import Index, read_index
from train.evaluation.metrics import auc_per_finding
from train.phantom.dataset import WorldData, read_world
from train.phantom.proof.lesion_maps import lesion_cases, summary
from train.phantom.proof.report import report, scatter
from train.phantom.proof.results import Arm, Proof, as_json
from train.phantom.proof.shifts import Shifts, agreements, model_logits, pins_of_film, true_shifts


def prove(checkpoints: list[Checkpoint], folder: Path, out: Path, films: int) -> str:
    """Measure, write prove.json and shifts.png into `out`, and return the tables as text.

    films: of the test split at most. Raises `DataError` for a folder that holds no synthetic world.
    """
    data = read_world(folder)
    whole = read_index(folder, "test")
    index = whole.take(np.arange(min(films, len(whole))))
    true = true_shifts(data, index.names, index.labels)
    alone = true_shifts(data, index.names, index.labels, with_film=False)
    proof = Proof(
        index=index,
        true=true,
        best_auc=auc_per_finding(index.labels, true.free),
        labels_alone=agreements(true, alone, index.patients),
        arms=tuple(measure_arm(checkpoint, data, index, true) for checkpoint in checkpoints),
    )
    out.mkdir(parents=True, exist_ok=True)
    (out / "prove.json").write_text(json.dumps(as_json(proof), indent=1) + "\n", encoding="utf-8")
    scatter(proof, out / "shifts.png")
    return report(proof)


def measure_arm(checkpoint: Checkpoint, data: WorldData, index: Index, true: Shifts) -> Arm:
    """Read every film under all its pins, and score its maps."""
    predictor = Predictor(checkpoint)
    free, pinned, cases = [], [], []
    for k, name in enumerate(tqdm(index.names, desc=checkpoint.identity, unit="film")):
        film = predictor.encode(read_file(index.root / index.files[k]))
        pins = pins_of_film(name, index.labels[k])
        free.append(film.free_logits.double().cpu().numpy())
        pinned.append(model_logits(predictor, film, pins))
        cases += lesion_cases(predictor, film, name, index.labels[k], data.masks(name))
    shifts = Shifts(np.stack(free), np.stack(pinned))
    return Arm(
        identity=checkpoint.identity,
        label_masking=checkpoint.training.get("config", {}).get("label_masking"),
        auc=auc_per_finding(index.labels, shifts.free),
        agreement=agreements(true, shifts, index.patients),
        maps=summary(cases),
        shifts=shifts,
    )

"""The parts that a run left, put together as a checkpoint."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import numpy as np
from safetensors.torch import load_file

from lmeran.checkpoint import load_checkpoint, save_checkpoint
from lmeran.config import LMeRANConfig
from lmeran.findings import FINDINGS
from lmeran.model.lmeran import LMeRAN
from train.bundled.pack import TRAIN
from train.data.index import DataError, label_sets, read_index, split_by_patient


def command(given: argparse.Namespace) -> None:
    assemble(given.run, given.pack, given.data, given.initial, given.out)


def assemble(run: Path, pack: Path, data: Path, initial: Path, out: Path) -> None:
    """Write the checkpoint of a run to `out`.

    run: folder of `train.bundled run`; pack: what it was trained on; data: folder with index.csv,
    of which the validation split is named; initial: the checkpoint that the pack's first weights
    are of, whose training is told along. Raises `DataError` where a part is missing.
    """
    parts = sorted(run.glob("branch-*.safetensors"))
    facts_file, backbone = run / "facts.json", run / "backbone.safetensors"
    if not (parts and facts_file.is_file() and backbone.is_file()):
        raise DataError(f"{run} lacks backbone.safetensors, branch-0.safetensors or facts.json.")
    facts = json.loads(facts_file.read_text())
    tensors = load_file(backbone)
    for part in parts:
        tensors |= load_file(part)
    config = LMeRANConfig.from_dict(facts["config"])
    model = LMeRAN(config)
    model.load_state_dict({name: t.float() for name, t in tensors.items()})
    with np.load(pack / "index.npz") as index:
        learned = index["labels"][index["part"] == TRAIN]
        rows = np.unpackbits(index["label_rows"], axis=1)[:, : len(FINDINGS)]
        split = {"share": float(index["share"]), "seed": int(index["seed"])}
    validation = split_by_patient(read_index(data, "train_val"), split["share"], split["seed"])[1]
    training = {
        "config": {
            "label_masking": True,
            "min_size": 0,
            "validation_share": split["share"],
            "seed": split["seed"],
            "model": config.to_dict(),
            **facts["recipes"],
        },
        "stages": {"seconds": facts["seconds"], "steps": facts["steps"]},
        "device": facts["device"],
        "torch": facts["torch"],
        "history": facts["history"],
        "train_images": len(learned),
        "train_positives": dict(zip(FINDINGS, learned.sum(0).astype(int).tolist(), strict=True)),
        "label_sets": label_sets(rows.astype(np.float32)),
        "validation_images": len(validation),
        "validation_split_sha256": validation.digest,
        "earlier": facts["earlier"],
        "initial": load_checkpoint(initial).training,
    }
    save_checkpoint(out, model, training, {"validation": facts["history"][-1:]})

"""The whole recipe as one command that ends by the clock."""

from __future__ import annotations

import argparse
import json
import math
import time
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file

from lmeran.checkpoint import stored
from lmeran.config import Backbone, LMeRANConfig, Preprocessing
from lmeran.findings import FINDINGS
from lmeran.model.lmeran import LMeRAN
from train.augment import Augmentation
from train.bundled.backbone import (
    BackboneRecipe,
    mixed,
    train_backbone,
    train_teacher,
)
from train.bundled.branch import ARMS, Arm, BranchRecipe, learn_label_rows, train_branches
from train.bundled.films import Films
from train.bundled.looks import check, free_auc, look_at, save_predictions, teacher_auc
from train.bundled.measure import (
    Encoded,
    auc_summary,
    counting_shift,
    encode_rows,
    localisation,
    logits_without_film,
    maps_of,
)
from train.bundled.pack import TEST, TRAIN, VALIDATION, read_pack
from train.bundled.schedule import Stage
from train.bundled.teacher import Teacher
from train.states import load_state, save_state

STAGES = ("teacher", "backbone", "labels", "branch")
PART_BYTES = 14_000_000
SHARES = (0.4, 0.6, 0.8, 1.0)
"""Of the trained weights in those that are kept, the rest being the weights started from."""


class Recorder:
    """Lines to the screen and to a file at once, with the seconds since the start."""

    def __init__(self, out: Path) -> None:
        self.started, self.path = time.monotonic(), out / "log.txt"
        self.path.write_text("")

    def __call__(self, line: str) -> None:
        line = f"{time.monotonic() - self.started:6.1f} {line}"
        print(line, flush=True)
        with self.path.open("a") as file:
            file.write(line + "\n")


def model_config(size: int) -> LMeRANConfig:
    """The shipped architecture: 14 x 14 cells at 224 px, embeddings at the cells' scale."""
    return LMeRANConfig(
        embedding_std=0.5,
        backbone=Backbone(output_stride=16),
        preprocessing=Preprocessing(image_size=size),
    )


def config_of_start(folder: Path) -> LMeRANConfig:
    """The architecture of an earlier run, or of the checkpoint that a pack begins with."""
    facts = folder / "facts.json"
    if facts.is_file():
        return LMeRANConfig.from_dict(json.loads(facts.read_text())["config"])
    kept = json.loads((folder / "config.json").read_text())
    return replace(LMeRANConfig.from_dict(kept), embedding_std=0.5)


def command(arguments: argparse.Namespace) -> None:
    out, pack_folder = arguments.out, arguments.pack
    out.mkdir(parents=True, exist_ok=True)
    log = Recorder(out)
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    torch.backends.cuda.matmul.allow_tf32 = True
    torch.backends.cudnn.allow_tf32 = True
    torch.backends.cudnn.benchmark = True
    seconds = dict(zip(STAGES, arguments.seconds, strict=True))
    steps = dict(zip(STAGES, arguments.steps, strict=True))
    new_backbone = bool(seconds["backbone"] or steps["backbone"])
    earlier = arguments.start
    config = (
        model_config(arguments.size) if new_backbone else config_of_start(earlier or pack_folder)
    )
    pack = read_pack(pack_folder, config.preprocessing)
    parts = np.bincount(pack.part, minlength=3).tolist()
    log(f"{device} torch {torch.__version__}, films to train, to validate, to test: {parts}")
    films = Films(pack, device, Augmentation(crop=0.75, rotate=7, contrast=0.25))
    sizes = tuple(arguments.sizes)
    recipe, branch = BackboneRecipe(sizes=sizes), BranchRecipe(sizes=sizes)
    if arguments.batch:  # the rates are for 128 films a step
        slower = (arguments.batch / 128) ** 0.5
        recipe = replace(recipe, batch=arguments.batch, rate=recipe.rate * slower)
        branch = replace(
            branch,
            batch=arguments.batch,
            label_batch=min(branch.label_batch, 16 * arguments.batch),
            rate=branch.rate * slower,
        )
    if arguments.rate:
        recipe = replace(recipe, rate=arguments.rate)

    def stage(name: str) -> Stage:
        log(f"stage {name}: {seconds[name]} s, {steps[name]} steps")
        return Stage(name, seconds[name] or math.inf, steps[name] or math.inf)

    train, validation, test = (pack.rows(p) for p in (TRAIN, VALIDATION, TEST))
    teacher = None
    if seconds["teacher"] or steps["teacher"]:
        teacher = Teacher(config.preprocessing, dropout=0.3)
        teacher.network.load_state_dict(_float(load_file(pack_folder / "teacher.safetensors")))
        _start_at_prevalence(teacher.classifier.bias, pack.labels[train])
        softly = train[~np.isnan(pack.soft[train, 0])]
        teacher = train_teacher(films, teacher, softly, stage("teacher"), recipe, log)
        log(f"teacher validation {teacher_auc(films, teacher, validation, recipe.precision)}")

    torch.manual_seed(arguments.seed)
    base = LMeRAN(replace(config, label_branch="none"))
    first = earlier / "backbone.safetensors" if earlier else pack_folder / "init.safetensors"
    start = _float(load_file(first))
    base.load_state_dict(start)
    trained = out / "backbone.safetensors"
    if trained.is_file():
        base.load_state_dict(_float(load_file(trained)))
    elif new_backbone:
        base = base.to(device, memory_format=torch.channels_last)
        few = partial(check, films, recipe.precision, validation[::4], log)
        few(base.eval())
        base = train_backbone(
            films, base, teacher, train, stage("backbone"), recipe, log,
            out / "backbone.state" if arguments.keep else None, few,
        )  # fmt: skip
        half = partial(check, films, recipe.precision, validation[::2], log)
        base = max((mixed(start, base, share) for share in SHARES), key=half)
    base = base.to(device, memory_format=torch.channels_last).eval().requires_grad_(False)
    if not trained.is_file():
        halves = {k: stored(v, half=True) for k, v in base.state_dict().items()}
        save_file(halves, trained, {"recipe": str(recipe) if new_backbone else _recipe_of(first)})
    precision = recipe.precision
    seen = encode_rows(films, base, train[:: max(1, len(train) // 1000)], precision)
    log(f"plain, films learned from {free_auc(films, base, seen, precision)}")
    del seen
    held = encode_rows(films, base, validation, precision)
    log(f"plain, validation {free_auc(films, base, held, precision)}")
    cam = maps_of(films, base, held, precision)["cam"]
    log(f"cam, validation boxes {localisation(films, held, cam)}")

    arms = [Arm(a, base, config) for a in ARMS[: arguments.arms or None]]
    history: list[dict] = []

    def look(arms: list[Arm], encoded: Encoded) -> None:
        for arm in arms:
            entry = look_at(films, arm, encoded, precision)
            history.append(entry)
            log(json.dumps(entry))
        _save_branch(arms[0], out)

    some = Encoded(held.rows[::4], held.cells[::4])

    started = out / "labels.state"
    said = load_state(started, device)[0] if arguments.keep else None
    if said is None:
        if earlier:
            load_branch(arms[0].model, earlier)
        if seconds["labels"] or steps["labels"]:
            learn_label_rows(arms, films, base, stage("labels"), branch, log)
        said = {arm.recipe.name: _branch_of(arm.model) for arm in arms}
        if arguments.keep:
            save_state(said, started)
    for arm in arms:
        arm.model.load_state_dict(said[arm.recipe.name], strict=False)
        logits = logits_without_film(films, arm.model.eval(), validation, 7)
        log(f"labels alone, {arm.recipe.name}, 7 known {auc_summary(films, validation, logits)}")
    counted = counting_shift(films, validation, 7)
    log(f"counting alone, 7 known {auc_summary(films, validation, counted)}")
    boxed = np.intersect1d(pack.box_film, train)
    seen_rows = np.concatenate([train, *[boxed] * branch.more_boxed])
    train_branches(
        arms, films, base, seen_rows, stage("branch"), branch, log,
        partial(look, arms[:1], some), 2,
        out / "branch.state" if arguments.keep else None,
    )  # fmt: skip
    look(arms, held)
    if len(arms) > 1:  # one alone is measured by `train evaluate`
        save_predictions(films, arms, base, held, test, precision, out, log)
    facts = {
        "findings": list(FINDINGS),
        "config": config.to_dict(),
        "seconds": seconds,
        "steps": steps,
        "history": history,
        "train": len(train),
        "validation": len(validation),
        "train_positives": pack.labels[train].sum(0).astype(int).tolist(),
        "device": torch.cuda.get_device_name() if device.type == "cuda" else "cpu",
        "torch": torch.__version__,
        "recipes": {"backbone": _recipe_of(trained), "branch": str(branch), "arms": str(ARMS)},
        "earlier": json.loads((earlier / "facts.json").read_text()) if earlier else None,
    }
    (out / "facts.json").write_text(json.dumps(facts, indent=1))
    log("done")


def _recipe_of(weights: Path) -> str:
    """How a backbone was trained: perhaps by an earlier command than the one that goes on."""
    with safe_open(weights, "pt") as file:
        return (file.metadata() or {}).get("recipe", "")


def _branch_of(model: LMeRAN) -> dict[str, torch.Tensor]:
    """What the label branch has of its own."""
    shared = ("backbone.", "class_")
    return {k: v for k, v in model.state_dict().items() if not k.startswith(shared)}


def load_branch(model: LMeRAN, run_folder: Path) -> None:
    """The label branch that a run left."""
    for part in sorted(run_folder.glob("branch-*.safetensors")):
        model.load_state_dict(_float(load_file(part)), strict=False)


def _save_branch(arm: Arm, out: Path) -> None:
    """The label branch in parts that are small enough to travel."""
    tensors = {k: stored(v, half=True) for k, v in _branch_of(arm.ready).items()}
    groups: list[dict[str, torch.Tensor]] = [{}]
    for name, tensor in tensors.items():
        used = sum(t.nbytes for t in groups[-1].values())
        if used and used + tensor.nbytes > PART_BYTES:
            groups.append({})
        groups[-1][name] = tensor
    for k, group in enumerate(groups):
        save_file(group, out / f"branch-{k}.safetensors")


def _start_at_prevalence(bias: torch.nn.Parameter, labels: np.ndarray) -> None:
    with torch.no_grad():
        bias.copy_(torch.from_numpy(labels.mean(0)).clamp(1e-4, 1 - 1e-4).logit())


def _float(tensors: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    return {k: v.float() if v.is_floating_point() else v for k, v in tensors.items()}

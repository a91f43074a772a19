"""Teacher, then DenseNet with a linear classifier: what the label branch later stands on.

The evidence of an image must be as honest on the films learned from as on others, or the label
branch learns that pins add nothing. So the DenseNet learns mostly probabilities of networks that
had not seen the film: the public soft labels, and for the other films those of a teacher that was
trained only on films with soft labels.
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from lmeran.model.lmeran import LMeRAN
from train.augment import network_input, resized
from train.bundled.films import BoxTargets, Drawn, Films
from train.bundled.schedule import Resumable, Stage, batches
from train.bundled.teacher import Teacher
from train.optimiser import adamw, decay_groups, moving_average, set_rate

Log = Callable[[str], None]

LOOK_EVERY = 1000
"""Steps of the backbone between two looks at validation films."""


@dataclass(frozen=True)
class BackboneRecipe:
    """batch: films a step. hard: weight of NIH's labels beside the taught probabilities. hint: of
    the teacher's cells. boxes: of the boxes. fall: see `Films.targets`. average: of the weights.
    sizes: of the input, each for an equal part of the backbone's stage; none: the model's own."""

    batch: int = 128
    teacher_rate: float = 7e-4
    rate: float = 5e-4
    decay: float = 0.05
    hard: float = 0.3
    hint: float = 0.3
    boxes: float = 0.02
    fall: float = 0.5
    average: float = 0.998
    sizes: tuple[int, ...] = ()
    precision: torch.dtype = torch.bfloat16


def train_teacher(
    films: Films,
    teacher: Teacher,
    rows: np.ndarray,
    stage: Stage,
    recipe: BackboneRecipe,
    log: Log,
) -> Teacher:
    """Fine-tune on films with soft labels; the moving average, in eval mode."""
    device = films.device
    teacher = teacher.to(device, memory_format=torch.channels_last)
    optimizer = adamw(decay_groups(teacher.parameters(), recipe.decay), device)
    average = moving_average(teacher, recipe.average)
    generator = torch.Generator(device).manual_seed(1)
    teacher.train()
    for batch in batches(rows, recipe.batch, stage, seed=11):
        drawn = films.draw(batch, generator)
        with torch.autocast(device.type, recipe.precision):
            logits = teacher(network_input(drawn.gray, teacher.preprocessing))[0].float()
        loss = label_loss(logits, drawn.soft, drawn, recipe.hard)
        set_rate(optimizer, stage.rate(recipe.teacher_rate))
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        nn.utils.clip_grad_norm_(teacher.parameters(), 1.0)
        optimizer.step()
        average.update_parameters(teacher)
        if stage.step % 100 == 0:
            log(f"teacher step {stage.step} progress {stage.progress:.2f} loss {loss.item():.4f}")
    return average.module.eval().requires_grad_(False)


def train_backbone(
    films: Films,
    model: LMeRAN,
    teacher: Teacher | None,
    rows: np.ndarray,
    stage: Stage,
    recipe: BackboneRecipe,
    log: Log,
    kept: Path | None = None,
    look: Callable[[LMeRAN], None] = lambda _: None,
) -> LMeRAN:
    """Backbone and classifier of `model` (its label branch is not used); the moving average.

    kept: file that the stage's state is kept in, to go on with after a stop. look: called with the
    moving average every LOOK_EVERY steps.
    """
    device = films.device
    model = model.to(device, memory_format=torch.channels_last)
    hint = nn.Linear(model.config.backbone.width, teacher.width).to(device) if teacher else None
    trained = [*model.backbone.parameters(), model.class_weight, model.class_bias]
    trained += list(hint.parameters()) if hint else []
    optimizer = adamw(decay_groups(trained, recipe.decay), device)
    average = moving_average(model, recipe.average)
    generator = torch.Generator(device).manual_seed(2)
    parts = {"model": model, "optimizer": optimizer, "average": average}
    state = Resumable(kept, stage, parts | ({"hint": hint} if hint else {}), every=50)
    if state.restore():
        log(f"backbone goes on at step {stage.step}")
    model.train()
    for batch in batches(rows, recipe.batch, stage, seed=12):
        torch.manual_seed(stage.step)
        generator.manual_seed(stage.step)
        drawn = films.draw(batch, generator)
        gray = at_size(drawn.gray, recipe.sizes, stage.progress)
        images = network_input(gray, model.config.preprocessing)
        taught, wanted = drawn.soft, None
        with torch.autocast(device.type, recipe.precision):
            if teacher is not None:
                with torch.no_grad():
                    said, wanted = teacher(images)
                taught = _blend(said.float().sigmoid(), drawn.soft)
            cells = model.backbone(images).relu().flatten(2).transpose(1, 2)
        cells = cells.float()
        logits = cells.mean(1) @ model.class_weight.T + model.class_bias
        loss = label_loss(logits, taught, drawn, recipe.hard)
        if hint is not None and wanted is not None:
            loss = loss + recipe.hint * _hint(hint, cells, wanted.float())
        targets = films.targets(drawn, round(cells.shape[1] ** 0.5), recipe.fall)
        boxed = cells.new_zeros(())
        if targets is not None:
            boxed = box_loss(cells @ model.class_weight.T, targets)
            loss = loss + recipe.boxes * boxed
        set_rate(optimizer, stage.rate(recipe.rate))
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        nn.utils.clip_grad_norm_(trained, 1.0)
        optimizer.step()
        average.update_parameters(model)
        state.step()
        if stage.step % 20 == 0:
            log(
                f"backbone step {stage.step} progress {stage.progress:.2f} "
                f"loss {loss.item():.4f} boxes {boxed.item():.3f}"
            )
        if (stage.step + 1) % LOOK_EVERY == 0:
            look(average.module.eval())
    return average.module.eval().requires_grad_(False)


def mixed(start: dict[str, torch.Tensor], trained: LMeRAN, share: float) -> LMeRAN:
    """Weights and statistics on the line from `start` (share 0) to those trained (1).

    Wortsman et al., "Robust fine-tuning of zero-shot models", CVPR 2022: often better than both.
    """
    model = copy.deepcopy(trained)
    tensors = {
        name: torch.lerp(start[name].to(tensor), tensor, share)
        if tensor.is_floating_point()
        else tensor
        for name, tensor in trained.state_dict().items()
    }
    model.load_state_dict(tensors)
    return model.eval().requires_grad_(False)


def at_size(gray: torch.Tensor, sizes: tuple[int, ...], progress: float) -> torch.Tensor:
    """Films (B, S, S) reduced to the size of this part of a stage."""
    if not sizes:
        return gray
    return resized(gray, sizes[min(len(sizes) - 1, int(progress * len(sizes)))])


def label_loss(
    logits: torch.Tensor, taught: torch.Tensor, drawn: Drawn, hard: float
) -> torch.Tensor:
    """Cross-entropy to taught probabilities (NaN: to the labels) and, by `hard`, to the labels."""
    to_labels, to_taught = cross_entropies(logits, taught, drawn)
    return torch.where(~taught.isnan(), hard * to_labels + (1 - hard) * to_taught, to_labels).mean()


def cross_entropies(
    logits: torch.Tensor, taught: torch.Tensor, drawn: Drawn
) -> tuple[torch.Tensor, torch.Tensor]:
    """Of each finding to its label and to its taught probability, (B, 14) each.

    Against the labels the logits carry what the source alone says of a finding.
    """
    each = functional.binary_cross_entropy_with_logits
    return (
        each(logits + drawn.offsets, drawn.labels, reduction="none"),
        each(logits, taught.nan_to_num(), reduction="none"),
    )


def box_loss(scores: torch.Tensor, targets: BoxTargets) -> torch.Tensor:
    """Cross-entropy of softmax over cells to where the boxes are; scores (B, cells, 14)."""
    own = scores[targets.image, :, targets.finding]
    return targets.mean(-(targets.share * own.log_softmax(-1)).sum(-1))


def attention_loss(
    attention: torch.Tensor,
    cam: torch.Tensor,
    labels: torch.Tensor,
    targets: BoxTargets | None,
    follow: float,
    absent: float,
) -> torch.Tensor:
    """Cross-entropy of the attention over cells to the boxes, and elsewhere to softmax(CAM).

    attention, cam: (B, 14, cells). follow: weight of the map, `absent` of it for findings that are
    not labelled. A boxed finding follows its box alone.
    """
    logs = (attention / attention.sum(-1, keepdim=True)).clamp(min=1e-8).log()
    each = -(cam.detach().softmax(-1) * logs).sum(-1)
    weight = torch.where(labels > 0.5, 1.0, absent)
    total = each.new_zeros(())
    if targets is not None:
        weight[targets.image, targets.finding] = 0.0
        total = targets.mean(-(targets.share * logs[targets.image, targets.finding]).sum(-1))
    return total + follow * (weight * each).sum() / weight.sum()


def _blend(said: torch.Tensor, soft: torch.Tensor) -> torch.Tensor:
    return torch.where(soft.isnan(), said, (said + soft) / 2)


def _hint(hint: nn.Linear, cells: torch.Tensor, wanted: torch.Tensor) -> torch.Tensor:
    """On the teacher's own, coarser grid; wanted (B, width, side, side)."""
    grid = round(cells.shape[1] ** 0.5)
    spread = cells.transpose(1, 2).unflatten(2, (grid, grid))
    coarse = functional.adaptive_avg_pool2d(spread, wanted.shape[-2:]).flatten(2).transpose(1, 2)
    return hint_loss(hint(coarse), wanted.flatten(2).transpose(1, 2))


def hint_loss(found: torch.Tensor, wanted: torch.Tensor) -> torch.Tensor:
    """1 - cosine between cells (B, cells, width), each channel less its mean over the batch.

    Without the mean, what all cells of all films share would make up most of the likeness.
    """
    found = found - found.mean((0, 1), keepdim=True)
    wanted = wanted - wanted.mean((0, 1), keepdim=True)
    return 1 - functional.cosine_similarity(found, wanted, dim=-1).mean()

"""The label branch and its arms, side by side on the same cells of a frozen backbone.

First the branch learns from label rows alone what goes with what (its cells are those of films
drawn at random, or none); then, with the films' own cells, under label masks. Every arm has the
backbone and the classifier of the plain DenseNet, which is the arm without any branch.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.optim.swa_utils import AveragedModel

from lmeran.config import LMeRANConfig
from lmeran.model.lmeran import Encoding, LMeRAN, Output
from lmeran.model.masking import masked_loss, sample_label_mask, states_under_mask
from train.augment import network_input
from train.bundled.backbone import Log, at_size, attention_loss, cross_entropies
from train.bundled.films import BoxTargets, Drawn, Films
from train.bundled.schedule import Resumable, Stage, batches
from train.optimiser import adamw, decay_groups, moving_average, set_rate


@dataclass(frozen=True)
class ArmRecipe:
    """What an arm changes. attention: weight of the boxes on the last layer's attention, and, by
    `follow` times that, of the class activation map where there is no box. label_rows: whether it
    learns the label statistics first."""

    name: str
    config: dict[str, object] = dataclasses.field(default_factory=dict)
    masking: bool = True
    attention: float = 0.2
    label_rows: bool = True
    seed: int = 0


ARMS = (
    ArmRecipe("lmeran"),
    ArmRecipe("no_map_supervision", attention=0.0),
    ArmRecipe("no_masking", masking=False, label_rows=False),
    ArmRecipe("no_attention", {"label_branch": "embedding"}, attention=0.0),
    ArmRecipe("paper_block", {"block": "paper"}),
    ArmRecipe("no_label_rows", label_rows=False),
)


@dataclass(frozen=True)
class BranchRecipe:
    """rate, label_rate: peaks, absolute. free: share of films read with nothing known. taught:
    weight of the taught probabilities on those. follow, absent: see `attention_loss`. more_boxed:
    times that boxed films are seen besides. hidden: see `hide_channels`. sizes: of the input."""

    batch: int = 128
    label_batch: int = 1024
    rate: float = 2.5e-4
    label_rate: float = 1e-4
    decay: float = 0.02
    free: float = 0.3
    taught: float = 0.5
    follow: float = 0.3
    absent: float = 0.2
    fall: float = 0.5
    more_boxed: int = 2
    hidden: float = 0.5
    average: float = 0.998
    sizes: tuple[int, ...] = ()
    precision: torch.dtype = torch.bfloat16


class Arm:
    """A label branch in training; `model.backbone` is not its own and is never called here."""

    def __init__(self, recipe: ArmRecipe, base: LMeRAN, config: LMeRANConfig) -> None:
        torch.manual_seed(recipe.seed)
        self.recipe = recipe
        self.model = LMeRAN(dataclasses.replace(config, **recipe.config))
        self.model.backbone = nn.Identity()
        self.model.class_weight = nn.Parameter(base.class_weight.detach().clone(), False)
        self.model.class_bias = nn.Parameter(base.class_bias.detach().clone(), False)
        self.model.to(base.class_weight.device)
        self.trained = [p for p in self.model.parameters() if p.requires_grad]
        self.optimizer: torch.optim.Optimizer | None = None
        self.average: AveragedModel | None = None

    def start(self, recipe: BranchRecipe) -> None:
        """A new optimiser and average; embeddings are not decayed."""
        embeddings = (self.model.label_embedding, self.model.state_embedding)
        groups = decay_groups(self.trained, recipe.decay, embeddings)
        self.optimizer = adamw(groups, self.model.class_weight.device)
        self.average = moving_average(self.model, recipe.average)
        self.model.train()

    def step(self, loss: torch.Tensor, rate: float) -> None:
        set_rate(self.optimizer, rate)
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()
        nn.utils.clip_grad_norm_(self.trained, 1.0)
        self.optimizer.step()
        self.average.update_parameters(self.model)

    def state_dict(self) -> dict[str, Any]:
        parts = (self.model, self.optimizer, self.average)
        return {f"{k}": part.state_dict() for k, part in enumerate(parts)}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        for k, part in enumerate((self.model, self.optimizer, self.average)):
            part.load_state_dict(state[f"{k}"])

    @property
    def ready(self) -> LMeRAN:
        return self.average.module.eval()


def learn_label_rows(
    arms: list[Arm], films: Films, base: LMeRAN, stage: Stage, recipe: BranchRecipe, log: Log
) -> None:
    """P(label | known labels) from the label table alone, before any film is looked at.

    The image part is held at each finding's own log-odds. Of four steps, three have no cells at
    all, one the cells of films that have nothing to do with the labels.
    """
    device = films.device
    table = torch.from_numpy(films.pack.label_rows).to(device).float()
    prior = label_row_prior(films)
    generator = torch.Generator(device).manual_seed(3)
    taught = [arm for arm in arms if arm.recipe.label_rows]
    for arm in taught:
        arm.start(recipe)
    pool = films.pack.rows(0)
    rng = np.random.default_rng(3)
    while stage.progress < 1:
        images = stage.step % 4 == 3
        size = recipe.batch if images else recipe.label_batch
        labels = table[torch.randint(len(table), (size,), generator=generator, device=device)]
        mask = sample_label_mask(size, labels.shape[1]).to(device)
        states = states_under_mask(labels, mask)
        encoding = no_cells(base, size)
        if images:
            drawn = films.draw(rng.choice(pool, size), generator)
            encoding = encoding_of(
                encode(base, at_size(drawn.gray, recipe.sizes, 0), recipe.precision)
            )
        losses = []
        for arm in taught:
            with torch.autocast(device.type, recipe.precision):
                output = arm.model.condition(encoding, states)
            branch = _branch_logits(arm.model, output)
            loss = masked_loss(prior + branch, labels, mask)
            arm.step(loss, stage.rate(recipe.label_rate))
            losses.append(float(loss.detach()) if stage.step % 50 == 0 else 0.0)
        if stage.step % 50 == 0:
            log(f"labels step {stage.step} loss {' '.join(f'{v:.4f}' for v in losses)}")
        stage.step += 1
    for arm in taught:
        arm.model.load_state_dict(arm.ready.state_dict())


def label_row_prior(films: Films) -> torch.Tensor:
    """Log-odds of each finding in the label rows, (14,)."""
    rows = torch.from_numpy(films.pack.label_rows).to(films.device).float()
    return rows.mean(0).clamp(1e-4, 1 - 1e-4).logit()


def no_cells(base: LMeRAN, size: int) -> Encoding:
    """The encoding of `size` films of which nothing is seen."""
    d, device = base.config.backbone.width, base.class_weight.device
    return encoding_of(torch.zeros(size, 0, d, device=device))


def train_branches(
    arms: list[Arm],
    films: Films,
    base: LMeRAN,
    rows: np.ndarray,
    stage: Stage,
    recipe: BranchRecipe,
    log: Log,
    look: Callable[[], None] = lambda: None,
    looks: int = 3,
    kept: Path | None = None,
) -> None:
    """All arms on the same batches; look: called `looks` times on the way; kept: as of
    `train_backbone`."""
    device = films.device
    generator = torch.Generator(device)
    for arm in arms:
        arm.start(recipe)
    state = Resumable(kept, stage, {f"{k}": arm for k, arm in enumerate(arms)}, every=50)
    if state.restore():
        log(f"branch goes on at step {stage.step}")
    looked = int(stage.progress * (looks + 1))
    for batch in batches(rows, recipe.batch, stage, seed=13):
        torch.manual_seed(stage.step)
        generator.manual_seed(stage.step)
        drawn = films.draw(batch, generator)
        gray = at_size(drawn.gray, recipe.sizes, stage.progress)
        cells = encode(base, gray, recipe.precision)
        cam = (cells @ base.class_weight.T).transpose(1, 2)
        plain = (cam.mean(-1) + base.class_bias).sigmoid()
        taught = torch.where(drawn.soft.isnan(), plain, drawn.soft)
        mask = sample_label_mask(len(batch), drawn.labels.shape[1]).to(device)
        mask[torch.rand(len(batch), generator=generator, device=device) < recipe.free] = True
        free = mask.all(1)
        targets = films.targets(drawn, round(cells.shape[1] ** 0.5), recipe.fall)
        shown = hide_channels(cells, recipe.hidden, generator)
        losses = []
        for arm in arms:
            loss = _arm_loss(arm, shown, cam, drawn, taught, mask, free, targets, recipe)
            arm.step(loss, stage.rate(recipe.rate))
            losses.append(loss.detach())
        state.step()
        if stage.step % 50 == 0:
            said_losses = " ".join(f"{float(v):.4f}" for v in losses)
            log(f"branch step {stage.step} progress {stage.progress:.2f} loss {said_losses}")
        if stage.progress * (looks + 1) > looked + 1 and looked < looks:
            looked += 1
            look()


def hide_channels(cells: torch.Tensor, share: float, generator: torch.Generator) -> torch.Tensor:
    """Cells (B, cells, d) with a share of each film's channels at 0, the others larger for it.

    The backbone knows the films it was trained on too well. With half of the channels its AUC on
    them is about that on other films, so that what the branch learns of pins holds there.
    """
    size = (len(cells), 1, cells.shape[2])
    kept = torch.rand(size, generator=generator, device=cells.device) >= share
    return cells * kept / (1 - share)


@torch.no_grad()
def encode(base: LMeRAN, gray: torch.Tensor, precision: torch.dtype) -> torch.Tensor:
    """Cells (B, cells, d) of a frozen backbone in eval mode, of films (B, S, S)."""
    images = network_input(gray, base.config.preprocessing)
    with torch.autocast(gray.device.type, precision):
        cells = base.backbone(images).relu()
    return cells.flatten(2).transpose(1, 2).float()


def _arm_loss(
    arm: Arm,
    cells: torch.Tensor,
    cam: torch.Tensor,
    drawn: Drawn,
    taught: torch.Tensor,
    mask: torch.Tensor,
    free: torch.Tensor,
    targets: BoxTargets | None,
    recipe: BranchRecipe,
) -> torch.Tensor:
    if not arm.recipe.masking:
        mask, free = torch.ones_like(mask), torch.ones_like(free)
    states = states_under_mask(drawn.labels, mask)
    weight = arm.recipe.attention
    with torch.autocast(cells.device.type, recipe.precision):
        output = arm.model.condition(encoding_of(cells), states, need_attention=weight > 0)
    image = cells.mean(1) @ arm.model.class_weight.T + arm.model.class_bias
    logits = image + _branch_logits(arm.model, output)
    to_labels, to_taught = cross_entropies(logits, taught, drawn)
    each = torch.where(
        free[:, None], (1 - recipe.taught) * to_labels + recipe.taught * to_taught, to_labels
    )
    loss = (each * mask).sum() / mask.sum()
    if weight:
        looked = output.attention[-1].float().mean(1)[:, :, : cells.shape[1]]
        loss = loss + weight * attention_loss(
            looked, cam, drawn.labels, targets, recipe.follow, recipe.absent
        )
    return loss


def _branch_logits(model: LMeRAN, output: Output) -> torch.Tensor:
    """lambda w_i . r_i in full precision, (B, 14)."""
    residual = output.residual.float()
    return model.config.residual_weight * (residual * model.class_weight).sum(-1)


def encoding_of(cells: torch.Tensor) -> Encoding:
    pooled = cells.mean(1) if cells.shape[1] else cells.new_zeros(len(cells), cells.shape[2])
    return Encoding(cells, pooled)

"""The loss of a pass against the same put together by hand; what a teacher adds."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from torch import nn
from torch.nn import functional

from lmeran.config import ConfigError, Preprocessing
from lmeran.findings import FINDINGS
from lmeran.imaging.preprocess import normalise
from lmeran.model.lmeran import LMeRAN
from lmeran.model.masking import states_under_mask
from tests.conftest import lively_model, small_config
from tests.support.training import CPU, config
from train.augment import Augmentation
from train.batches import Batch
from train.data.index import DataError, read_index
from train.distill.teacher import load_teacher, read_soft_labels
from train.fit import fit
from train.learner import Learner, hint_loss
from train.plan import prepare
from train.processes import Processes

STILL = Augmentation(flip=False, crop=1.0, rotate=0.0, contrast=0.0)


class FakeTeacher(nn.Module):
    """Its probability is the brightness of the film; its cells are the film itself."""

    preprocessing = Preprocessing(64)
    width = 1

    def forward(self, images: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        gray = images[:, :1]
        return gray.mean((1, 2, 3))[:, None].expand(-1, len(FINDINGS)), gray


def _batch(free: int = 0, soft: float = float("nan")) -> Batch:
    generator = torch.Generator().manual_seed(0)
    labels = (torch.rand(6, 14, generator=generator) < 0.3).float()
    mask = torch.rand(6, 14, generator=generator) < 0.5
    mask[:, 0] = True
    mask[free:, 1] = False
    mask[:free] = True
    return Batch(
        gray=torch.randint(0, 256, (6, 64, 64), generator=generator, dtype=torch.uint8),
        labels=labels,
        states=states_under_mask(labels, mask),
        mask=mask,
        free=mask.all(dim=1),
        offsets=None,
        soft=torch.full((6, 14), soft),
        seed=5,
    )


def _learner(network: FakeTeacher | None = None, **changes: object) -> Learner:
    settings = config(model=small_config(64, layers=2, dropout=0.0), augmentation=STILL, **changes)
    return Learner(lively_model(settings.model), settings, network).eval()


def _logits(model: LMeRAN, batch: Batch) -> torch.Tensor:
    images = normalise(batch.gray.float() / 255, model.config.preprocessing)
    return model(images, batch.states).logits


def test_the_loss_is_cross_entropy_on_masked_findings_after_the_offsets() -> None:
    learner, batch = _learner(), _batch()
    offsets = torch.linspace(-1, 1, 14).expand(6, 14)
    logits = _logits(learner.model, batch)
    for told, given in (
        (batch, logits),
        (Batch(**{**vars(batch), "offsets": offsets}), logits + offsets),
    ):
        by_hand = functional.binary_cross_entropy_with_logits(
            given[batch.mask], batch.labels[batch.mask]
        )
        assert learner(told, 64).item() == pytest.approx(by_hand.item(), rel=1e-5)


def test_balanced_weights_multiply_the_positive_term(data: Path, tmp_path: Path) -> None:
    plan, run = prepare(config(class_weight="balanced"), data, tmp_path, Processes(0, 1, CPU))
    weight = run.learner.positive_weight
    positive = plan.source.index.labels.sum(0)
    effusion = FINDINGS.index("Effusion")
    expected = (len(plan.source.index) - positive[effusion]) / positive[effusion]
    assert weight[effusion].item() == pytest.approx(min(20, expected))
    assert weight.max() <= 20
    learner, batch = _learner(), _batch()
    learner.positive_weight = torch.linspace(1, 3, 14)
    logits = _logits(learner.model, batch)
    log_p, log_n = functional.logsigmoid(logits), functional.logsigmoid(-logits)
    each = -(learner.positive_weight * batch.labels * log_p + (1 - batch.labels) * log_n)
    assert learner(batch, 64).item() == pytest.approx(each[batch.mask].mean().item(), rel=1e-5)


def test_a_teacher_is_learnt_on_the_free_images_alone() -> None:
    teacher, batch = FakeTeacher(), _batch(free=2)
    learner = _learner(teacher, teacher="a folder", free_share=0.5, distill=0.7, hint=0.3)
    assert batch.free.tolist() == [True, True, False, False, False, False]
    logits = _logits(learner.model, batch)
    labels = functional.binary_cross_entropy_with_logits(
        logits[batch.mask], batch.labels[batch.mask]
    )
    images = normalise(batch.gray[:2].float() / 255, teacher.preprocessing)
    taught, cells = teacher(images.to(torch.bfloat16))
    told = functional.binary_cross_entropy_with_logits(logits[:2], taught.float().sigmoid())
    own = learner.model.encode(normalise(batch.gray.float() / 255, teacher.preprocessing)).cells
    wanted = functional.adaptive_avg_pool2d(cells.float(), 2).flatten(2).transpose(1, 2)
    hint = hint_loss(learner.hint_map(own[:2]), wanted)
    by_hand = labels + 0.7 * told + 0.3 * hint
    assert learner(batch, 64).item() == pytest.approx(by_hand.item(), rel=2e-3)
    none_free = _batch(free=0)
    assert learner(none_free, 64).item() == pytest.approx(_learner()(none_free, 64).item())


def test_soft_labels_alone_are_learnt_where_they_are_known() -> None:
    learner = _learner(None, soft_labels="a file", free_share=0.5, distill=2.0)
    nothing, told = learner(_batch(free=2), 64), learner(_batch(free=2, soft=0.25), 64)
    logits = _logits(learner.model, _batch(free=2))[:2]
    extra = functional.binary_cross_entropy_with_logits(logits, torch.full_like(logits, 0.25))
    assert (told - nothing).item() == pytest.approx(2 * extra.item(), rel=1e-4)


def test_the_hint_asks_for_direction_not_for_what_all_cells_share() -> None:
    wanted = torch.randn(4, 9, 8)
    assert hint_loss(wanted * 3 + 7, wanted).item() == pytest.approx(0, abs=1e-5)
    assert hint_loss(-wanted, wanted).item() == pytest.approx(2, abs=1e-5)


def test_smaller_inputs_come_first_in_a_progressive_run() -> None:
    settings = config(model=small_config(128), progressive=(64, 64, 96, 128))
    sizes = [settings.input_size(step, 100) for step in range(100)]
    assert [sizes.count(s) for s in (64, 96, 128)] == [50, 25, 25]
    assert sizes == sorted(sizes)
    for wrong in ((64,), (60, 128), (128, 160)):
        with pytest.raises(ConfigError, match="progressive"):
            config(model=small_config(128), progressive=wrong)


def test_a_teacher_needs_images_read_free() -> None:
    with pytest.raises(ConfigError, match="free_share"):
        config(teacher="a folder")
    with pytest.raises(ConfigError, match="no teacher"):
        load_teacher("nowhere")


def test_soft_labels_are_found_by_image_name(data: Path, tmp_path: Path) -> None:
    index = read_index(data, "train_val")
    table = pd.DataFrame({"Image Index": ["3.png", "nowhere.png"]})
    for k, name in enumerate(FINDINGS):
        table[f"prob_{name}"] = [k / 20, 0.9]
    table.to_csv(tmp_path / "soft.csv", index=False)
    soft = read_soft_labels(tmp_path / "soft.csv", index)
    row = index.names.index("3.png")
    assert np.allclose(soft[row], np.arange(14) / 20)
    assert np.isnan(np.delete(soft, row, axis=0)).all()
    table.drop(columns="prob_Mass").to_csv(tmp_path / "less.csv", index=False)
    with pytest.raises(DataError, match="14 findings"):
        read_soft_labels(tmp_path / "less.csv", index)
    best = fit(
        config(epochs=1, soft_labels=str(tmp_path / "soft.csv"), free_share=0.5, max_steps=2),
        data,
        tmp_path / "run",
        CPU,
    )
    assert str(tmp_path) not in (best / "config.json").read_text()


def test_a_frozen_backbone_keeps_its_weights_then_moves(data: Path, tmp_path: Path) -> None:
    def weights(folder: Path) -> torch.Tensor:
        state = torch.load(folder / "state.pt", weights_only=True)
        return state["learner"]["model.backbone.conv0.weight"]

    fit(config(frozen=0.5, max_steps=1), data, tmp_path / "start", CPU)
    fit(config(frozen=0.5, epochs=2, learning_rate=0.01), data, tmp_path / "run", CPU)
    plan, run = prepare(config(frozen=0.5), data, tmp_path / "fresh", Processes(0, 1, CPU))
    initial = run.learner.model.backbone.conv0.weight
    assert plan.total == 6
    assert torch.equal(weights(tmp_path / "start"), initial)
    assert not torch.equal(weights(tmp_path / "run"), initial)

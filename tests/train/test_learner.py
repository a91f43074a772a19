"""The loss of a pass against the same put together by hand."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch.nn import functional

from lmeran.config import ConfigError
from lmeran.imaging.preprocess import normalise
from lmeran.model.lmeran import LMeRAN
from lmeran.model.masking import states_under_mask
from tests.conftest import lively_model, small_config
from tests.support.training import CPU, config
from train.augment import Augmentation
from train.batches import Batch
from train.fit import fit
from train.plan import prepare
from train.processes import Processes
from train.run import Learner

STILL = Augmentation(flip=False, crop=1.0, rotate=0.0, contrast=0.0)


def _batch() -> Batch:
    generator = torch.Generator().manual_seed(0)
    labels = (torch.rand(6, 14, generator=generator) < 0.3).float()
    mask = torch.rand(6, 14, generator=generator) < 0.5
    mask[:, 0] = True
    return Batch(
        gray=torch.randint(0, 256, (6, 64, 64), generator=generator, dtype=torch.uint8),
        labels=labels,
        states=states_under_mask(labels, mask),
        mask=mask,
        offsets=None,
        seed=5,
    )


def _learner(**changes: object) -> Learner:
    settings = config(model=small_config(64, layers=2, dropout=0.0), augmentation=STILL, **changes)
    return Learner(lively_model(settings.model), settings).eval()


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


def test_smaller_inputs_come_first_in_a_progressive_run() -> None:
    settings = config(model=small_config(128), progressive=(64, 64, 96, 128))
    sizes = [settings.input_size(step, 100) for step in range(100)]
    assert [sizes.count(s) for s in (64, 96, 128)] == [50, 25, 25]
    assert sizes == sorted(sizes)
    for wrong in ((64,), (60, 128), (128, 160)):
        with pytest.raises(ConfigError, match="progressive"):
            config(model=small_config(128), progressive=wrong)


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

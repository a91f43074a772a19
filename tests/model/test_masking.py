from __future__ import annotations

import math

import pytest
import torch

from lmeran.findings import State
from lmeran.model.masking import masked_loss, sample_label_mask, states_under_mask


@pytest.mark.parametrize(("lower", "least"), [(0.0, 1), (0.25, 4), (0.5, 7), (0.75, 11)])
def test_mask_counts_are_uniform_from_the_lower_bound_to_all(lower: float, least: int) -> None:
    draws = 60_000
    mask = sample_label_mask(draws, 14, lower, torch.Generator().manual_seed(1))
    counts = torch.bincount(mask.sum(1), minlength=15).double() / draws
    assert counts[:least].sum() == 0
    expected = 1 / (15 - least)
    spread = math.sqrt(expected * (1 - expected) / draws)
    assert (counts[least:] - expected).abs().max() < 5 * spread


def test_every_finding_and_pair_is_masked_equally_often() -> None:
    mask = sample_label_mask(60_000, 14, 0.25, torch.Generator().manual_seed(2)).double()
    share = mask.mean(0)
    assert (share - 9 / 14).abs().max() < 0.01
    pairs = mask.T @ mask / len(mask)
    off = pairs[~torch.eye(14, dtype=torch.bool)]
    assert off.max() - off.min() < 0.015


def test_states_are_true_where_known_and_unknown_where_masked() -> None:
    labels = torch.tensor([[1.0, 0.0, 1.0, 0.0]])
    mask = torch.tensor([[True, True, False, False]])
    states = states_under_mask(labels, mask)
    assert states.tolist() == [[State.UNKNOWN, State.UNKNOWN, State.POSITIVE, State.NEGATIVE]]


@pytest.mark.parametrize("reduction", ["mean", "sum"])
def test_loss_is_the_cross_entropy_of_the_masked_findings_alone(reduction: str) -> None:
    generator = torch.Generator().manual_seed(3)
    logits = torch.randn(6, 14, generator=generator, dtype=torch.double, requires_grad=True)
    labels = (torch.rand(6, 14, generator=generator) < 0.3).double()
    mask = sample_label_mask(6, 14, 0.25, generator)
    loss = masked_loss(logits, labels, mask, reduction)
    terms = []
    for b in range(6):
        for i in range(14):
            if mask[b, i]:
                p = 1 / (1 + math.exp(-logits[b, i].item()))
                terms.append(-math.log(p if labels[b, i] else 1 - p))
    expected = sum(terms) / (len(terms) if reduction == "mean" else 6)
    assert loss.item() == pytest.approx(expected)
    loss.backward()
    assert logits.grad is not None
    assert (logits.grad[~mask] == 0).all()
    assert (logits.grad[mask] != 0).all()


def test_unknown_reduction_is_refused() -> None:
    with pytest.raises(ValueError, match="reduction"):
        masked_loss(torch.zeros(1, 1), torch.zeros(1, 1), torch.ones(1, 1, dtype=torch.bool), "max")

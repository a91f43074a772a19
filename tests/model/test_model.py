"""The network against a plain, loop-by-loop computation of the paper's equations."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
import torch

from lmeran.config import ConfigError, LMeRANConfig
from lmeran.findings import FINDINGS, State
from lmeran.model.lmeran import LMeRAN
from tests.conftest import lively_model, small_config

N = len(FINDINGS)


def plain_attention(block: torch.nn.Module, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Equations (4) and (5) for tokens x (M, d), one head and one query at a time."""
    attention = block.attention
    size = attention.head_size
    q, k, v = (x @ w.weight.T for w in (attention.query, attention.key, attention.value))
    heads, alphas = [], []
    for t in range(attention.heads):
        part = slice(t * size, (t + 1) * size)
        rows = []
        for i in range(len(x)):
            score = torch.stack([q[i, part] @ k[j, part] / math.sqrt(size) for j in range(len(x))])
            rows.append((score - score.max()).exp() / (score - score.max()).exp().sum())
        alpha = torch.stack(rows)
        alphas.append(alpha)
        heads.append(alpha @ v[:, part])
    return torch.cat(heads, dim=1) @ attention.output.weight.T, torch.stack(alphas)


def plain_forward(
    model: LMeRAN, image: torch.Tensor, states: torch.Tensor
) -> tuple[torch.Tensor, list[torch.Tensor]]:
    """Logits (n,) of one image (3, H, W), and alpha of each layer, from the equations alone."""
    config = model.config
    features = torch.relu(model.backbone(image[None]))[0]
    cells = features.reshape(features.shape[0], -1).T
    g = cells.mean(0)
    c = [model.label_embedding[i] + model.state_embedding[states[i]] for i in range(N)]
    alphas: list[torch.Tensor] = []
    if config.label_branch == "embedding":
        mean = sum(c) / N
        r = [mean + model.label_embedding[i] for i in range(N)]
    else:
        image_tokens = cells
        if config.positional == "learned":
            image_tokens = cells + model.position_embedding
        tokens = torch.cat([image_tokens, torch.stack(c)])
        for block in model.blocks:
            mixed, alpha = plain_attention(block, block.norm(tokens))
            alphas.append(alpha)
            tokens = mixed if config.block == "paper" else tokens + mixed
            if config.block == "transformer":
                tokens = tokens + block.feedforward(tokens)
        r = list(tokens[-N:])
    z = [g + config.residual_weight * r[i] for i in range(N)]
    logits = [model.class_weight[i] @ z[i] + model.class_bias[i] for i in range(N)]
    return torch.stack(logits), alphas


CASES = [
    small_config(block="paper"),
    small_config(block="residual"),
    small_config(block="transformer"),
    small_config(block="residual", positional="learned", heads=6),
    small_config(layers=1),
    small_config(label_branch="embedding"),
]


@pytest.mark.parametrize("config", CASES, ids=lambda c: f"{c.label_branch}-{c.block}-{c.layers}")
@torch.no_grad()
def test_forward_is_the_equations(config: LMeRANConfig) -> None:
    model = lively_model(config).double()
    if config.positional == "learned":
        model.position_embedding.normal_()
    image = torch.randn(2, 3, 96, 96, dtype=torch.double)
    states = torch.randint(0, 3, (2, N))
    output = model(image, states, need_attention=True)
    for row in range(2):
        logits, alphas = plain_forward(model, image[row], states[row])
        torch.testing.assert_close(output.logits[row], logits, atol=1e-9, rtol=1e-9)
        for layer, alpha in enumerate(alphas):
            torch.testing.assert_close(
                output.attention[layer][row], alpha[:, -N:], atol=1e-9, rtol=1e-9
            )


@torch.no_grad()
def test_stride_16_gives_the_same_weights_four_times_as_many_cells() -> None:
    coarse = small_config(96)
    fine = replace(coarse, backbone=replace(coarse.backbone, output_stride=16))
    model, other = lively_model(coarse), LMeRAN(fine).eval()
    other.load_state_dict(model.state_dict())
    images = torch.randn(2, 3, 96, 96, generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        before = model.backbone[:-2](images)  # all but the last block and norm
        unpooled = other.backbone[:-2](images)
        encoding = other.encode(images)
    assert torch.allclose(torch.nn.functional.avg_pool2d(unpooled, 2), before, atol=1e-5)
    assert encoding.cells.shape == (2, 36, coarse.backbone.width)
    assert fine.grid == 2 * coarse.grid == 6
    with pytest.raises(ConfigError, match="output_stride"):
        replace(coarse.backbone, output_stride=8)


def test_embeddings_start_at_the_scale_of_the_configuration() -> None:
    for scale in (0.02, 0.5):
        model = LMeRAN(small_config(embedding_std=scale))
        assert float(model.label_embedding.detach().std()) == pytest.approx(scale, rel=0.1)


def test_without_label_branch_it_is_a_densenet_and_a_linear_layer() -> None:
    model = lively_model(small_config(label_branch="none"))
    image = torch.randn(1, 3, 96, 96)
    g = torch.relu(model.backbone(image)).mean((2, 3))
    expected = g @ model.class_weight.T + model.class_bias
    for state in State:
        logits = model(image, torch.full((1, N), int(state))).logits
        torch.testing.assert_close(logits, expected)


@torch.no_grad()
def test_the_default_is_densenet121_with_four_layers_of_four_heads() -> None:
    config = LMeRANConfig()
    assert config.backbone.width == 1024
    assert config.tokens == 14 * 14 + 14
    model = LMeRAN(config)
    assert len(model.blocks) == 4
    assert model.blocks[0].attention.heads == 4
    assert sum(p.numel() for p in model.backbone.parameters()) == 6_953_856


@torch.no_grad()
def test_attention_rows_sum_to_one_and_are_not_kept_unless_asked_for() -> None:
    model = lively_model(small_config())
    image, states = torch.randn(1, 3, 96, 96), torch.zeros(1, N, dtype=torch.int64)
    assert model(image, states).attention == ()
    for alpha in model(image, states, need_attention=True).attention:
        assert alpha.shape == (1, 4, N, 9 + N)
        torch.testing.assert_close(alpha.sum(-1), torch.ones(1, 4, N))


@torch.no_grad()
def test_one_encoding_serves_many_states() -> None:
    model = lively_model(small_config())
    image = torch.randn(1, 3, 96, 96)
    states = torch.randint(0, 3, (5, N))
    batched = model.condition(model.encode(image).expand(5), states).logits
    apart = torch.cat([model(image, row[None]).logits for row in states])
    torch.testing.assert_close(batched, apart, atol=1e-5, rtol=1e-5)


def test_all_three_state_embeddings_are_trained() -> None:
    model = lively_model(small_config()).train()
    states = torch.arange(N)[None] % 3
    model(torch.randn(2, 3, 96, 96), states.expand(2, -1)).logits.sum().backward()
    gradient = model.state_embedding.grad
    assert gradient is not None
    assert (gradient.abs().sum(dim=1) > 0).all()


def test_a_pinned_findings_own_state_reaches_the_others_but_dropout_is_off() -> None:
    model = lively_model(small_config())
    image = torch.randn(1, 3, 96, 96)
    free = torch.zeros(1, N, dtype=torch.int64)
    pinned = free.clone()
    pinned[0, 2] = int(State.POSITIVE)
    with torch.no_grad():
        before, after = model(image, free).logits, model(image, pinned).logits
        assert torch.equal(before, model(image, free).logits)
    others = [i for i in range(N) if i != 2]
    assert ((after - before)[0, others].abs() > 1e-6).all()

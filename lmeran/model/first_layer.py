"""The first layer of the label branch, but for what the states change: computed once an image.

An image token attends to image tokens and label tokens. Its scores against the image tokens do not
depend on the states, so their exponentials, their sum and their weighted values are kept; the
label tokens are joined to them at each reading, as in a softmax computed in two pieces. Exact.
"""

from __future__ import annotations

from typing import NamedTuple

import torch

from lmeran.model.attention import Block


class FirstLayer(NamedTuple):
    """State-free part of the first layer; s is the head size.

    tokens: (B, h w, d), the image tokens. queries, keys, values: (B, heads, h w, s), scaled q.
    top: (B, heads, h w, 1), largest score over the image tokens; total: the same shape, sum of
    exp(score - top); mixed: (B, heads, h w, d), exp(score - top) v, times this head's part of W_O.
    """

    tokens: torch.Tensor
    queries: torch.Tensor
    keys: torch.Tensor
    values: torch.Tensor
    top: torch.Tensor
    total: torch.Tensor
    mixed: torch.Tensor


def first_layer(block: Block, tokens: torch.Tensor) -> FirstLayer:
    """Prepare the first layer for image tokens (B, h w, d)."""
    q, k, v = block.attention.project(block.norm(tokens))
    q = q * block.attention.head_size**-0.5
    scores = q @ k.transpose(-1, -2)
    top = scores.amax(dim=-1, keepdim=True)
    exps = (scores - top).exp()
    mixed = torch.einsum("bhts,dhs->bhtd", exps @ v, _output_by_head(block))
    return FirstLayer(tokens, q, k, v, top, exps.sum(dim=-1, keepdim=True), mixed)


def finish_first_layer(
    block: Block, first: FirstLayer, labels: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor]:
    """Join label tokens (B, n, d): all outputs (B, h w + n, d) and the labels' alpha."""
    attention = block.attention
    q, k, v = attention.project(block.norm(labels))
    keys, values = torch.cat([first.keys, k], dim=2), torch.cat([first.values, v], dim=2)
    weights = attention.scores(q, keys).softmax(dim=-1)
    labels_out = block.finish(labels, attention.join(weights @ values))
    image_out = block.finish(first.tokens, _image_mixed(block, first, k, v))
    return torch.cat([image_out, labels_out], dim=1), weights


def _image_mixed(
    block: Block, first: FirstLayer, label_keys: torch.Tensor, label_values: torch.Tensor
) -> torch.Tensor:
    """Attention output (B, h w, d) of the image tokens over image and labels."""
    scores = first.queries @ label_keys.transpose(-1, -2)
    top = torch.maximum(first.top, scores.amax(dim=-1, keepdim=True))
    exps = (scores - top).exp()
    kept = (first.top - top).exp()
    total = kept * first.total + exps.sum(dim=-1, keepdim=True)
    from_labels = torch.einsum("bhns,dhs->bhnd", label_values, _output_by_head(block))
    # Heads one after the other, or as one long sum: never (B, heads, h w, d) at once.
    out = (exps / total).transpose(1, 2).flatten(2) @ from_labels.flatten(1, 2)
    share = kept / total
    for head in range(share.shape[1]):
        out = torch.addcmul(out, share[:, head], first.mixed[:, head])
    return out


def _output_by_head(block: Block) -> torch.Tensor:
    """W_O as (d, heads, s): what each head contributes to the output."""
    attention = block.attention
    return attention.output.weight.unflatten(1, (attention.heads, attention.head_size))

"""One layer of the label branch: multi-head attention over [image cells; label tokens]."""

from __future__ import annotations

import torch
from torch import nn
from torch.nn import functional

from lmeran.config import LMeRANConfig


class MultiHeadAttention(nn.Module):
    """alpha = softmax(q k^T / sqrt(head size)) v, heads concatenated, times W_O. No biases.

    The head size is d // heads; where that does not divide (6 heads at d = 1024: 170), W_O
    projects the shorter concatenation back to d.
    """

    def __init__(self, width: int, heads: int, dropout: float) -> None:
        super().__init__()
        self.heads = heads
        self.head_size = width // heads
        inner = heads * self.head_size
        self.query = nn.Linear(width, inner, bias=False)
        self.key = nn.Linear(width, inner, bias=False)
        self.value = nn.Linear(width, inner, bias=False)
        self.output = nn.Linear(inner, width, bias=False)
        self.dropout = dropout

    def forward(
        self, tokens: torch.Tensor, weights_of_last: int = 0
    ) -> tuple[torch.Tensor, torch.Tensor | None]:
        """Every token of (B, M, d) attends over all.

        Returns the output (B, M, d) and alpha (B, heads, L, M) of the last L = `weights_of_last`
        tokens, None for 0. Its rows sum to 1: dropout is not applied to what is returned.
        """
        q, k, v = self.project(tokens)
        drop = self.dropout if self.training else 0.0
        mixed = functional.scaled_dot_product_attention(q, k, v, dropout_p=drop)
        weights = None
        if weights_of_last:
            weights = self.scores(q[:, :, -weights_of_last:], k).softmax(dim=-1)
        return self.join(mixed), weights

    def few(self, queries: torch.Tensor, tokens: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """A few queries (B, Q, d) attend over many tokens (B, M, d); output and alpha as above.

        The same by associativity, without projecting the M tokens: q (W_K x) = (q W_K) x, and
        alpha (W_V x) = W_V (alpha x). Cheaper where Q heads < M.
        """
        by_head = (self.heads, self.head_size)
        key, value = (w.weight.unflatten(0, by_head) for w in (self.key, self.value))
        q = self.split(self.query(queries))
        seen = torch.einsum("bhqs,hsd->bhqd", q, key)
        weights = self.scores(seen, tokens[:, None]).softmax(dim=-1)
        drop = self.dropout if self.training else 0.0
        gathered = functional.dropout(weights, drop) @ tokens[:, None]
        return self.join(torch.einsum("bhqd,hsd->bhqs", gathered, value)), weights

    def project(self, tokens: torch.Tensor) -> list[torch.Tensor]:
        """Queries, keys and values of tokens (B, M, d), each (B, heads, M, head size)."""
        return [self.split(linear(tokens)) for linear in (self.query, self.key, self.value)]

    def scores(self, q: torch.Tensor, k: torch.Tensor) -> torch.Tensor:
        """q k^T / sqrt(head size)."""
        return q @ k.transpose(-1, -2) * self.head_size**-0.5

    def split(self, x: torch.Tensor) -> torch.Tensor:
        """(B, T, heads * head size) to (B, heads, T, head size)."""
        return x.unflatten(-1, (self.heads, self.head_size)).transpose(1, 2)

    def join(self, mixed: torch.Tensor) -> torch.Tensor:
        """Heads (B, heads, T, head size) concatenated, times W_O: (B, T, d)."""
        return self.output(mixed.transpose(1, 2).flatten(2))


class Block(nn.Module):
    """A layer of the label branch; `config.block` says what surrounds the attention.

    paper:        x <- attention(x)
    residual:     x <- x + attention(norm(x))
    transformer:  the same, then x <- x + feedforward(norm(x))
    """

    def __init__(self, config: LMeRANConfig) -> None:
        super().__init__()
        width = config.backbone.width
        self.attention = MultiHeadAttention(width, config.heads, config.dropout)
        self.residual = config.block != "paper"
        self.norm = nn.LayerNorm(width) if self.residual else nn.Identity()
        self.dropout = nn.Dropout(config.dropout)
        self.feedforward: nn.Module | None = None
        if config.block == "transformer":
            hidden = config.feedforward_multiple * width
            self.feedforward = nn.Sequential(
                nn.LayerNorm(width),
                nn.Linear(width, hidden),
                nn.GELU(),
                nn.Dropout(config.dropout),
                nn.Linear(hidden, width),
                nn.Dropout(config.dropout),
            )

    def forward(
        self, tokens: torch.Tensor, weights_of_last: int = 0
    ) -> tuple[torch.Tensor, torch.Tensor | None]:
        """All tokens (B, M, d) to all; alpha of the last ones if asked for."""
        mixed, weights = self.attention(self.norm(tokens), weights_of_last)
        return self.finish(tokens, mixed), weights

    def last(self, tokens: torch.Tensor, labels: int) -> tuple[torch.Tensor, torch.Tensor]:
        """Outputs of the last `labels` tokens alone, and their alpha: all a last layer owes."""
        normed = self.norm(tokens)
        mixed, weights = self.attention.few(normed[:, -labels:], normed)
        return self.finish(tokens[:, -labels:], mixed), weights

    def finish(self, tokens: torch.Tensor, mixed: torch.Tensor) -> torch.Tensor:
        """What follows the attention: residual and feed-forward, where the block has them."""
        out = self.dropout(mixed)
        if self.residual:
            out = tokens + out
        if self.feedforward is not None:
            out = out + self.feedforward(out)
        return out

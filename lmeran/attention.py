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
        self, queries: torch.Tensor, tokens: torch.Tensor, need_weights: bool = False
    ) -> tuple[torch.Tensor, torch.Tensor | None]:
        """queries (B, Q, d) attend over tokens (B, M, d).

        Returns the output (B, Q, d) and, if asked for, alpha (B, heads, Q, M), whose rows sum
        to 1 (dropout is not applied to what is returned).
        """
        q, k, v = self.split(self.query(queries)), *self.keys_and_values(tokens)
        return self.attend(q, k, v, need_weights)

    def keys_and_values(self, tokens: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """k and v of tokens (B, M, d), each (B, heads, M, head size)."""
        return self.split(self.key(tokens)), self.split(self.value(tokens))

    def split(self, x: torch.Tensor) -> torch.Tensor:
        """(B, T, heads * head size) to (B, heads, T, head size)."""
        return x.unflatten(-1, (self.heads, self.head_size)).transpose(1, 2)

    def attend(
        self, q: torch.Tensor, k: torch.Tensor, v: torch.Tensor, need_weights: bool = False
    ) -> tuple[torch.Tensor, torch.Tensor | None]:
        """Attention from projected heads (B, heads, Q or M, head size); see `forward`."""
        drop = self.dropout if self.training else 0.0
        weights = None
        if need_weights:
            weights = (q @ k.transpose(-1, -2) * self.head_size**-0.5).softmax(dim=-1)
            mixed = functional.dropout(weights, drop) @ v
        else:
            mixed = functional.scaled_dot_product_attention(q, k, v, dropout_p=drop)
        return self.output(mixed.transpose(1, 2).flatten(2)), weights


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
        self, tokens: torch.Tensor, first_query: int = 0, need_weights: bool = False
    ) -> tuple[torch.Tensor, torch.Tensor | None]:
        """tokens (B, M, d) to the outputs of tokens[first_query:] and their attention."""
        normed = self.norm(tokens)
        mixed, weights = self.attention(normed[:, first_query:], normed, need_weights)
        return self.finish(tokens[:, first_query:], mixed), weights

    def finish(self, tokens: torch.Tensor, mixed: torch.Tensor) -> torch.Tensor:
        """What follows the attention: residual and feed-forward, where the block has them."""
        out = self.dropout(mixed)
        if self.residual:
            out = tokens + out
        if self.feedforward is not None:
            out = out + self.feedforward(out)
        return out

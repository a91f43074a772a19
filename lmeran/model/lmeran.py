"""LMeRAN: DenseNet cells, label tokens with states, residual attention, one classifier per finding.

Fu et al., "LMeRAN: Label Masking-Enhanced Residual Attention Network for Multi-Label Chest X-Ray
Disease Aided Diagnosis", Sensors 2025, 25(18), 5676. B images, n findings, width d, h x w cells.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import nn
from torch.nn.functional import adaptive_avg_pool2d
from torchvision.models import DenseNet

from lmeran.config import CELL_STRIDE, LMeRANConfig
from lmeran.findings import FINDINGS, State
from lmeran.model.attention import Block
from lmeran.model.first_layer import FirstLayer, finish_first_layer, first_layer

MIDDLE = "transition2"
"""Half-way through the backbone: edges and outlines, still free of what findings look like."""


class Encoding(NamedTuple):
    """All of an image that does not depend on the states: one backbone pass makes it.

    cells: (B, h w, d), feature cells after the last norm and ReLU, row by row.
    pooled: (B, d), g, their mean.
    first: the first layer's state-free part; None where there is no such layer to shorten.
    middle: (B, h w, c), the second transition averaged over each cell, which the input gate looks
        at; None in training.
    """

    cells: torch.Tensor
    pooled: torch.Tensor
    first: FirstLayer | None = None
    middle: torch.Tensor | None = None

    def expand(self, rows: int) -> Encoding:
        """The encoding of one image for `rows` sets of states, without a copy."""
        return self._each(lambda t: t.expand(rows, *t.shape[1:]))

    def split(self) -> list[Encoding]:
        """An encoding of B images as B encodings of one, without a copy."""
        return [self._each(lambda t, i=i: t[i : i + 1]) for i in range(len(self.pooled))]

    @classmethod
    def join(cls, encodings: Sequence[Encoding]) -> Encoding:
        """The inverse of `split`, copied; all of one model."""
        cells, pooled, firsts, middles = zip(*encodings, strict=True)
        first = None
        if firsts[0] is not None:
            first = FirstLayer(*map(torch.cat, zip(*firsts, strict=True)))
        middle = None if middles[0] is None else torch.cat(middles)
        return cls(torch.cat(cells), torch.cat(pooled), first, middle)

    @property
    def nbytes(self) -> int:
        """Memory of its tensors."""
        tensors = [self.cells, self.pooled, *(self.first or ())]
        tensors += [] if self.middle is None else [self.middle]
        return sum(t.nbytes for t in tensors)

    def _each(self, act: Callable[[torch.Tensor], torch.Tensor]) -> Encoding:
        first = None if self.first is None else FirstLayer(*map(act, self.first))
        middle = None if self.middle is None else act(self.middle)
        return Encoding(act(self.cells), act(self.pooled), first, middle)


@dataclass(frozen=True)
class Output:
    """What the model says under given states.

    logits: (B, n), before the sigmoid.
    residual: (B, n, d), r_i; zero where the label branch is "none".
    attention: per layer, alpha of the label tokens (B, heads, n, h w + n); empty unless asked for.
    """

    logits: torch.Tensor
    residual: torch.Tensor
    attention: tuple[torch.Tensor, ...]


class LMeRAN(nn.Module):
    """The network of `config`; `forward(images, states)` is `condition(encode(images), states)`."""

    def __init__(self, config: LMeRANConfig) -> None:
        super().__init__()
        self.config = config
        self.findings = FINDINGS
        n, d = len(FINDINGS), config.backbone.width
        self.backbone = DenseNet(
            growth_rate=config.backbone.growth_rate,
            block_config=config.backbone.layers_per_block,
            num_init_features=config.backbone.initial_features,
            num_classes=1,
        ).features
        if config.backbone.output_stride < CELL_STRIDE:
            last = len(config.backbone.layers_per_block) - 1
            self.backbone.get_submodule(f"transition{last}").pool = nn.Identity()
        if config.label_branch != "none":
            self.label_embedding = nn.Parameter(torch.empty(n, d))
            self.state_embedding = nn.Parameter(torch.empty(len(State), d))
            nn.init.normal_(self.label_embedding, std=config.embedding_std)
            nn.init.normal_(self.state_embedding, std=config.embedding_std)
        if config.label_branch == "attention":
            self.blocks = nn.ModuleList(Block(config) for _ in range(config.layers))
            if config.positional == "learned":
                self.position_embedding = nn.Parameter(torch.zeros(config.grid**2, d))
        self.class_weight = nn.Parameter(torch.empty(n, d))
        self.class_bias = nn.Parameter(torch.zeros(n))
        nn.init.normal_(self.class_weight, std=d**-0.5)

    def forward(
        self, images: torch.Tensor, states: torch.Tensor, need_attention: bool = False
    ) -> Output:
        """images (B, 3, H, W) normalised, states int64 (B, n) of `State` values."""
        return self.condition(self.encode(images), states, need_attention)

    def encode(self, images: torch.Tensor) -> Encoding:
        """The one backbone pass: images (B, 3, H, W), H and W multiples of 32."""
        features, middle = images, None
        for name, layer in self.backbone.named_children():
            features = layer(features)
            if name == MIDDLE and not self.training:
                middle = features
        cells = features.relu().flatten(2).transpose(1, 2)
        first = None
        # Dropout falls on single attention weights, so training computes the layer whole; a first
        # layer that is also the last has no image outputs to save.
        attention = self.config.label_branch == "attention"
        if attention and len(self.blocks) > 1 and not self.training:
            first = first_layer(self.blocks[0], self._image_tokens(cells))
        if middle is not None:
            pooled = adaptive_avg_pool2d(middle, features.shape[-2:])
            middle = pooled.flatten(2).transpose(1, 2)
        return Encoding(cells, cells.mean(dim=1), first, middle)

    def condition(
        self, encoding: Encoding, states: torch.Tensor, need_attention: bool = False
    ) -> Output:
        """Read an encoded image under states int64 (B, n): the label branch alone."""
        residual, attention = self._label_branch(encoding, states, need_attention)
        image_part = encoding.pooled @ self.class_weight.T
        label_part = self.config.residual_weight * (residual * self.class_weight).sum(-1)
        return Output(self.class_bias + image_part + label_part, residual, attention)

    def full_attention(self, encoding: Encoding, states: torch.Tensor) -> tuple[torch.Tensor, ...]:
        """Alpha of every layer and token, each (B, heads, M, M): the plain way, for rollout."""
        if self.config.label_branch != "attention":
            return ()
        labels = self.label_embedding + self.state_embedding[states]
        tokens = torch.cat([self._image_tokens(encoding.cells), labels], dim=1)
        maps = []
        for block in self.blocks:
            tokens, weights = block(tokens, weights_of_last=tokens.shape[1])
            maps.append(weights)
        return tuple(maps)

    def _label_branch(
        self, encoding: Encoding, states: torch.Tensor, need_attention: bool
    ) -> tuple[torch.Tensor, tuple[torch.Tensor, ...]]:
        """r (B, n, d) and, if asked for, the label tokens' alpha of every layer."""
        rows, n = states.shape[0], len(FINDINGS)
        if self.config.label_branch == "none":
            return encoding.pooled.new_zeros(rows, n, self.config.backbone.width), ()
        labels = self.label_embedding + self.state_embedding[states]
        if self.config.label_branch == "embedding":
            # "w/o LSRA": z_i = g + lambda mean_j(c_j) + lambda l_i
            return labels.mean(dim=1, keepdim=True) + self.label_embedding, ()
        # The layers over [cells; labels]. Of the last one only the label tokens are read.
        wanted = n if need_attention else 0
        first, maps = encoding.first, []
        if first is not None:
            tokens, weights = finish_first_layer(self.blocks[0], first, labels)
            maps.append(weights)
            between = self.blocks[1:-1]
        else:
            tokens = torch.cat([self._image_tokens(encoding.cells), labels], dim=1)
            between = self.blocks[:-1]
        for block in between:
            tokens, weights = block(tokens, wanted)
            maps.append(weights)
        residual, weights = self.blocks[-1].last(tokens, n)
        return residual, (*maps, weights) if need_attention else ()

    def _image_tokens(self, cells: torch.Tensor) -> torch.Tensor:
        if self.config.positional == "learned":
            return cells + self.position_embedding
        return cells

"""LMeRAN: DenseNet cells, label tokens with states, residual attention, one classifier a finding.

Fu et al., "LMeRAN: Label Masking-Enhanced Residual Attention Network for Multi-Label Chest X-Ray
Disease Aided Diagnosis", Sensors 2025, 25(18), 5676. B images, n findings, width d, h x w cells.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import nn
from torchvision.models import DenseNet

from lmeran.attention import Block
from lmeran.config import LMeRANConfig
from lmeran.findings import FINDINGS, State


@dataclass(frozen=True)
class Encoding:
    """All of an image that does not depend on the states: one backbone pass makes it.

    cells: (B, h w, d), feature cells after the last norm and ReLU, row by row.
    pooled: (B, d), g, their mean.
    first_keys, first_values, first_queries: (B, heads, h w, head size), the projections of the
        image cells in the first layer; None without attention.
    """

    cells: torch.Tensor
    pooled: torch.Tensor
    first_queries: torch.Tensor | None
    first_keys: torch.Tensor | None
    first_values: torch.Tensor | None

    def expand(self, rows: int) -> Encoding:
        """The encoding of one image as `rows` views of it, for as many sets of states."""
        return Encoding(
            *(
                None if t is None else t.expand(rows, *t.shape[1:])
                for t in (
                    self.cells,
                    self.pooled,
                    self.first_queries,
                    self.first_keys,
                    self.first_values,
                )
            )
        )


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
        if config.label_branch != "none":
            self.label_embedding = nn.Parameter(torch.empty(n, d))
            self.state_embedding = nn.Parameter(torch.empty(len(State), d))
            nn.init.normal_(self.label_embedding, std=0.02)
            nn.init.normal_(self.state_embedding, std=0.02)
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
        features = self.backbone(images).relu()
        cells = features.flatten(2).transpose(1, 2)
        pooled = cells.mean(dim=1)
        if self.config.label_branch != "attention":
            return Encoding(cells, pooled, None, None, None)
        first = self.blocks[0]
        normed = first.norm(self._image_tokens(cells))
        keys, values = first.attention.keys_and_values(normed)
        queries = first.attention.split(first.attention.query(normed))
        return Encoding(cells, pooled, queries, keys, values)

    def condition(
        self, encoding: Encoding, states: torch.Tensor, need_attention: bool = False
    ) -> Output:
        """Read an encoded image under states int64 (B, n): the label branch alone.

        The first layer's image projections come from the encoding; the last layer computes the
        label tokens only. Both are exact: nothing else of them depends on the states.
        """
        residual, attention = self._label_branch(encoding, states, need_attention)
        image_part = encoding.pooled @ self.class_weight.T
        label_part = self.config.residual_weight * (residual * self.class_weight).sum(-1)
        return Output(self.class_bias + image_part + label_part, residual, attention)

    def _label_branch(
        self, encoding: Encoding, states: torch.Tensor, need_attention: bool
    ) -> tuple[torch.Tensor, tuple[torch.Tensor, ...]]:
        rows, d = states.shape[0], self.config.backbone.width
        if self.config.label_branch == "none":
            return encoding.pooled.new_zeros(rows, len(FINDINGS), d), ()
        labels = self.label_embedding + self.state_embedding[states]
        if self.config.label_branch == "embedding":
            # "w/o LSRA": z_i = g + lambda mean_j(c_j) + lambda l_i
            return labels.mean(dim=1, keepdim=True) + self.label_embedding, ()
        return self._attention_layers(encoding, labels, need_attention)

    def _attention_layers(
        self, encoding: Encoding, labels: torch.Tensor, need_attention: bool
    ) -> tuple[torch.Tensor, tuple[torch.Tensor, ...]]:
        cells = encoding.cells.shape[1]
        only = len(self.blocks) == 1
        tokens, weights = self._first_layer(encoding, labels, need_attention, labels_only=only)
        maps = [weights]
        for position, block in enumerate(self.blocks[1:], start=2):
            first_query = cells if position == len(self.blocks) else 0
            tokens, weights = block(tokens, first_query, need_attention)
            maps.append(weights)
        n = labels.shape[1]
        attention = tuple(w[:, :, -n:] for w in maps if w is not None)
        return tokens[:, -n:], attention

    def _first_layer(
        self, encoding: Encoding, labels: torch.Tensor, need_attention: bool, labels_only: bool
    ) -> tuple[torch.Tensor, torch.Tensor | None]:
        block = self.blocks[0]
        normed = block.norm(labels)
        queries = block.attention.split(block.attention.query(normed))
        label_keys, label_values = block.attention.keys_and_values(normed)
        keys = torch.cat([encoding.first_keys, label_keys], dim=2)
        values = torch.cat([encoding.first_values, label_values], dim=2)
        tokens = labels
        if not labels_only:
            queries = torch.cat([encoding.first_queries, queries], dim=2)
            tokens = torch.cat([self._image_tokens(encoding.cells), labels], dim=1)
        mixed, weights = block.attention.attend(queries, keys, values, need_attention)
        return block.finish(tokens, mixed), weights

    def _image_tokens(self, cells: torch.Tensor) -> torch.Tensor:
        if self.config.positional == "learned":
            return cells + self.position_embedding
        return cells

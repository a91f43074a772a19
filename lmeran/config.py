"""The configuration of a model: one frozen dataclass that travels inside the checkpoint."""

from __future__ import annotations

import dataclasses
import typing
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from lmeran.errors import UserError
from lmeran.findings import FINDINGS

BlockName = Literal["paper", "residual", "transformer"]
LabelBranch = Literal["attention", "embedding", "none"]
Positional = Literal["none", "learned"]

CELL_STRIDE = 32
"""Input pixels per feature cell and axis after the five halvings of a DenseNet."""


class ConfigError(UserError):
    """A configuration that describes no model; the message names the field."""


def check_least(config: object, least: float, *names: str) -> None:
    """Refuse numbers of a configuration below `least`, or too large. Raises `ConfigError`."""
    for name in names:
        value = getattr(config, name)
        if not least <= value < 2**31:
            raise ConfigError(f"{name} must be at least {least:g} and less than 2^31: {value}")


def check_positive(config: object, *names: str) -> None:
    """Refuse numbers of a configuration that are not above 0. Raises `ConfigError`."""
    for name in names:
        if not 0 < getattr(config, name) < 2**31:
            raise ConfigError(f"{name} must be positive: {getattr(config, name)}")


@dataclass(frozen=True)
class Preprocessing:
    """How a film becomes the network's input: the same for training, evaluation and viewer.

    image_size: side of the square input in pixels, a multiple of 32.
    detail: films are first reduced to this many pixels a side, then enlarged to `image_size`, so
        that every film carries the same fine detail whatever its resolution. None: no such limit.
    mean, std: of the gray value in 0 .. 1, the same for the three equal input channels.
    """

    image_size: int = 448
    detail: int | None = None
    mean: float = 0.5
    std: float = 0.25

    def __post_init__(self) -> None:
        if self.image_size < 64 or self.image_size % CELL_STRIDE:
            raise ConfigError(f"image_size must be a multiple of 32, 64 or more: {self.image_size}")
        if self.detail is not None and not 16 <= self.detail <= self.image_size:
            raise ConfigError(f"detail must be between 16 and image_size: {self.detail}")
        check_least(self, 0, "mean")
        check_positive(self, "std")


@dataclass(frozen=True)
class Backbone:
    """Shape of the DenseNet; the defaults are DenseNet-121. Smaller ones serve tests.

    output_stride: input pixels per feature cell and axis. 32 is DenseNet's own; 16 leaves out the
        pooling of the last transition, so the same weights give four times as many cells.
    """

    growth_rate: int = 32
    layers_per_block: tuple[int, ...] = (6, 12, 24, 16)
    initial_features: int = 64
    output_stride: int = CELL_STRIDE

    def __post_init__(self) -> None:
        check_least(self, 1, "growth_rate", "initial_features")
        if len(self.layers_per_block) != 4 or min(self.layers_per_block) < 1:
            raise ConfigError(f"layers_per_block must be four from 1 on: {self.layers_per_block}")
        if self.output_stride not in (CELL_STRIDE // 2, CELL_STRIDE):
            raise ConfigError(f"output_stride must be 16 or 32: {self.output_stride}")

    @property
    def width(self) -> int:
        """d, the number of channels of a feature cell (1024 for DenseNet-121)."""
        *before, last = self.layers_per_block
        return self._width_after(before) + last * self.growth_rate

    @property
    def middle_width(self) -> int:
        """Channels after the second block and its transition (256 for DenseNet-121)."""
        return self._width_after(self.layers_per_block[:2])

    def _width_after(self, blocks: Sequence[int]) -> int:
        """Channels after some blocks, each with its transition, which halves them."""
        channels = self.initial_features
        for layers in blocks:
            channels = (channels + layers * self.growth_rate) // 2
        return channels


@dataclass(frozen=True)
class LMeRANConfig:
    """Everything that determines the network's architecture and its input.

    block: inside of an attention layer. "paper": attention alone, as the equations are printed;
        "residual": pre-norm residual attention; "transformer": that plus a feed-forward part.
    label_branch: "attention": LMeRAN; "embedding": the paper's "w/o LSRA", states reach the
        classifier without attention; "none": DenseNet and a linear layer.
    residual_weight: lambda in z_i = g + lambda r_i.
    embedding_std: standard deviation of the label and state embeddings before training. Cells have
        a norm near 20; at 0.02 a label token has 0.9, and after one layer all of them are alike.
    """

    block: BlockName = "residual"
    label_branch: LabelBranch = "attention"
    layers: int = 4
    heads: int = 4
    residual_weight: float = 0.2
    dropout: float = 0.1
    feedforward_multiple: int = 2
    positional: Positional = "none"
    embedding_std: float = 0.02
    backbone: Backbone = field(default_factory=Backbone)
    preprocessing: Preprocessing = field(default_factory=Preprocessing)

    def __post_init__(self) -> None:
        kinds = {"block": BlockName, "label_branch": LabelBranch, "positional": Positional}
        for name, kind in kinds.items():
            value, allowed = getattr(self, name), typing.get_args(kind)
            if value not in allowed:
                raise ConfigError(f"{name} must be one of {', '.join(allowed)}: {value!r}")
        check_least(self, 1, "layers", "feedforward_multiple")
        check_least(self, 0, "residual_weight")
        check_positive(self, "embedding_std")
        if not 1 <= self.heads <= self.backbone.width:
            raise ConfigError(f"heads must be between 1 and {self.backbone.width}: {self.heads}")
        if not 0 <= self.dropout < 1:
            raise ConfigError(f"dropout must be in [0, 1): {self.dropout}")

    @property
    def grid(self) -> int:
        """Feature cells along one side of the input (14 at 448 px and stride 32)."""
        return self.preprocessing.image_size // self.backbone.output_stride

    @property
    def tokens(self) -> int:
        """M = h w + n, the tokens the label branch attends over (210 at 448 px)."""
        return self.grid**2 + len(FINDINGS)

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON or YAML; `from_dict` is the inverse."""
        return dataclasses.asdict(self)

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> LMeRANConfig:
        """The inverse of `to_dict`. Raises `ConfigError` on a field this version does not know."""
        return _build(cls, values)


def _build(cls: type, values: Any) -> Any:
    if not isinstance(values, dict):
        raise ConfigError(f"{cls.__name__} needs an object of named fields, not {values!r}")
    unknown = sorted(set(values) - {f.name for f in dataclasses.fields(cls)})
    if unknown:
        raise ConfigError(f"{cls.__name__} does not know {', '.join(unknown)}")
    arguments = {n: tuple(v) if isinstance(v, list) else v for n, v in values.items()}
    for name, kind in {"backbone": Backbone, "preprocessing": Preprocessing}.items():
        if name in values:
            arguments[name] = _build(kind, values[name])
    try:
        return cls(**arguments)
    except TypeError as error:
        raise ConfigError(f"{cls.__name__}: {error}") from None

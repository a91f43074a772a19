"""Encoded images apart and together: the backbone and the label branch run on batches of films."""

from __future__ import annotations

from collections.abc import Sequence

import torch

from lmeran.model.first_layer import FirstLayer
from lmeran.model.lmeran import Encoding


def split(encoding: Encoding) -> list[Encoding]:
    """An encoding of B images as B encodings of one, without a copy."""
    rows = len(encoding.pooled)
    firsts = [None] * rows if encoding.first is None else _split_first(encoding.first, rows)
    middle = encoding.middle
    return [
        Encoding(
            encoding.cells[i : i + 1],
            encoding.pooled[i : i + 1],
            firsts[i],
            None if middle is None else middle[i : i + 1],
        )
        for i in range(rows)
    ]


def join(encodings: Sequence[Encoding]) -> Encoding:
    """The inverse of `split`, copied; all of one model."""
    firsts = [encoding.first for encoding in encodings if encoding.first is not None]
    middles = [encoding.middle for encoding in encodings if encoding.middle is not None]
    return Encoding(
        torch.cat([encoding.cells for encoding in encodings]),
        torch.cat([encoding.pooled for encoding in encodings]),
        _join_first(firsts) if firsts else None,
        torch.cat(middles) if middles else None,
    )


def _split_first(first: FirstLayer, rows: int) -> list[FirstLayer]:
    return [FirstLayer(*(t[i : i + 1] for t in vars(first).values())) for i in range(rows)]


def _join_first(firsts: list[FirstLayer]) -> FirstLayer:
    columns = zip(*(vars(first).values() for first in firsts), strict=True)
    return FirstLayer(*(torch.cat(column) for column in columns))

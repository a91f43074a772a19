"""Fitted parts of a checkpoint whose arrays lie in a file of their own."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any, Self

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load, save

from lmeran.errors import UserError


class DamagedError(UserError):
    """A stored part that cannot be used; the message says what is wrong with it."""


@dataclass(frozen=True, eq=False)
class StoredPart:
    """Arrays, written as safetensors, and numbers, which stand in the checkpoint's JSON."""

    def to_bytes(self) -> bytes:
        """The arrays."""
        arrays = {n: v for n, v in vars(self).items() if isinstance(v, np.ndarray)}
        return save({name: np.ascontiguousarray(array) for name, array in arrays.items()})

    def numbers(self) -> dict[str, Any]:
        """What is not an array."""
        return {n: v for n, v in vars(self).items() if not isinstance(v, np.ndarray)}

    @classmethod
    def from_bytes(cls, data: bytes, numbers: dict[str, Any]) -> Self:
        """The inverse of `to_bytes` and `numbers`. Raises `DamagedError`."""
        try:
            values = numbers | load(data)
            part = cls(**{field.name: values[field.name] for field in fields(cls)})
            part.check()
        except (KeyError, TypeError, AttributeError, SafetensorError) as error:
            raise DamagedError(f"it lacks or damages a part ({error})") from None
        return part

    def check(self) -> None:
        """Raises `DamagedError` for values that do not go together."""
        raise NotImplementedError

"""Files of weights that others wrote with torch.save, read without running anything in them."""

from __future__ import annotations

import pickle
import re
import tarfile
import types
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import torch

from lmeran.config import ConfigError

_NUMPY_SCALAR = np.float64(0).__reduce__()[0]
_NUMPY_SCALARS = [
    *((_NUMPY_SCALAR, f"numpy.{core}.multiarray.scalar") for core in ("core", "_core")),
    np.dtype,
    *(type(np.dtype(kind)) for kind in (np.float32, np.float64, np.int32, np.int64)),
]
"""What numpy's numbers are pickled with: old checkpoints keep their best loss as one."""


class PickledObjectError(ConfigError):
    """A file that holds more than tensors, numbers and text."""


def read_tensors(path: Path) -> dict[str, torch.Tensor]:
    """The tensors of a file that holds a dictionary of them, or one under "state_dict".

    Raises `PickledObjectError` where the file holds other objects, `ConfigError` where it is not
    there or is no file of weights.
    """
    try:
        with torch.serialization.safe_globals(_NUMPY_SCALARS):
            content = torch.load(path, map_location="cpu", weights_only=True)
    except FileNotFoundError:
        raise ConfigError(f"There is no file {path}.") from None
    except pickle.UnpicklingError as error:
        if named := re.search(r"GLOBAL ([\w.]+)", str(error)):
            what = f"a Python object ({named[1]})"
        elif "Only persistent_load of storage" in str(error):
            what = "a whole pickled network"
        else:
            raise _no_weights(path) from None
        raise PickledObjectError(
            f"{path} holds {what} besides weights and is not opened, as such a file can run "
            "anything; save its state_dict() alone."
        ) from None
    except Exception:  # a damaged file fails in as many ways as there are bytes
        raise _no_weights(path) from None
    return _dictionary(path, content)


def read_pickled_network(path: Path, package: str) -> dict[str, torch.Tensor]:
    """The tensors of a whole network pickled with torch.save, named as `state_dict()` does.

    package: module that defines its classes. Neither it nor any class of the file is imported:
    the unpickler puts an inert `_Piece` where a module of the network stood, and refuses all that
    is neither such a module nor a tensor. Raises as `read_tensors`.
    """
    if tarfile.is_tarfile(path):
        raise _no_weights(path)

    class Unpickler(pickle.Unpickler):
        def find_class(self, module: str, name: str) -> Any:
            if module == package or module.startswith("torch.nn.modules."):
                return _Piece
            if (module, name) in _TENSOR_PARTS:
                return super().find_class(module, name)
            raise PickledObjectError(
                f"{path} holds {module}.{name}, which is no part of a network, and is not opened."
            )

    restricted = types.SimpleNamespace(
        __name__="restricted pickle",
        Unpickler=Unpickler,
        load=lambda file, **options: Unpickler(file, **options).load(),
    )
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", torch.serialization.SourceChangeWarning)
            # Not weights_only, which cannot read networks pickled before torch 1.6. The unpickler
            # above is the stricter one: it calls nothing but what rebuilds a tensor.
            content = torch.load(
                path, map_location="cpu", pickle_module=restricted, weights_only=False
            )
    except PickledObjectError:
        raise
    except Exception:
        raise _no_weights(path) from None
    if not isinstance(content, _Piece):
        return _dictionary(path, content)
    tensors: dict[str, torch.Tensor] = {}
    _collect(content, "", tensors)
    return tensors


_TENSOR_PARTS = frozenset(
    {
        ("collections", "OrderedDict"),
        ("builtins", "set"),
        ("__builtin__", "set"),
        ("torch._utils", "_rebuild_tensor"),
        ("torch._utils", "_rebuild_tensor_v2"),
        ("torch._utils", "_rebuild_parameter"),
        ("torch.nn.backends.thnn", "_get_thnn_function_backend"),  # in every module before 1.3
    }
)


class _Piece:
    """Stands where a module of a pickled network stood and keeps its attributes."""

    dump_patches = False  # torch.load asks this of classes whose source has changed


def _collect(piece: _Piece, prefix: str, tensors: dict[str, torch.Tensor]) -> None:
    kept = vars(piece)
    for name, tensor in {**kept.get("_parameters", {}), **kept.get("_buffers", {})}.items():
        if isinstance(tensor, torch.Tensor):
            tensors[prefix + name] = tensor.detach()
    for name, child in kept.get("_modules", {}).items():
        if isinstance(child, _Piece):
            _collect(child, f"{prefix}{name}.", tensors)


def _dictionary(path: Path, content: Any) -> dict[str, torch.Tensor]:
    if isinstance(content, dict) and isinstance(content.get("state_dict"), dict):
        content = content["state_dict"]
    if not isinstance(content, dict):
        raise _no_weights(path)
    return {str(name): t for name, t in content.items() if isinstance(t, torch.Tensor)}


def _no_weights(path: Path) -> ConfigError:
    return ConfigError(f"{path} is damaged or no file of weights.")

"""Optional parts of a checkpoint, fitted to its weights after training: calibration, input gate,
reference distributions.

They stand in `config.json` under their names, with the SHA-256 of the weights they belong to;
arrays in a file of their own, named by its content, so that the JSON, replaced last and at once,
never names a file of another fit. The weights' identity does not change by them.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lmeran.calibration import Calibration
from lmeran.errors import UserError
from lmeran.ood import OODDetector
from lmeran.reference import ReferenceDistribution
from lmeran.stored import DamagedError

NAMES = {"calibration": "calibration", "gate": "input gate", "reference": "reference distributions"}
"""Of each part: its key in the JSON, and what a sentence calls it."""

IN_FILES = {"gate": OODDetector, "reference": ReferenceDistribution}
"""Parts with a file beside the JSON."""


class ExtrasError(UserError):
    """A part that must not be used: one sentence that names it and what is wrong."""


@dataclass(frozen=True, eq=False)
class Extras:
    """What was fitted; None where it was not."""

    calibration: Calibration | None = None
    gate: OODDetector | None = None
    reference: ReferenceDistribution | None = None


def facts_of(extras: Extras, weights_sha256: str) -> tuple[dict[str, Any], dict[str, bytes]]:
    """What belongs into the JSON, and the files beside it by name."""
    facts: dict[str, Any] = {}
    files: dict[str, bytes] = {}
    if extras.calibration is not None:
        facts["calibration"] = extras.calibration.to_dict()
    for part in IN_FILES:
        fitted = getattr(extras, part)
        if fitted is not None:
            data = fitted.to_bytes()
            digest = hashlib.sha256(data).hexdigest()
            name = f"{part}-{digest[:12]}.safetensors"
            files[name] = data
            facts[part] = {"file": name, "sha256": digest} | fitted.numbers()
    bound = {"weights_sha256": weights_sha256}
    return {part: bound | values for part, values in facts.items()}, files


def listed_files(facts: dict[str, Any]) -> tuple[str, ...]:
    """Names of the files beside the JSON that it lists. Raises `ExtrasError` for any other name
    than a part's own: a fetched JSON must not choose what else is fetched or read."""
    return tuple(_file_of(facts, part) for part in IN_FILES if facts.get(part) is not None)


def stale_files(folder: Path, files: Iterable[str]) -> set[Path]:
    """Files of parts in a folder that are not among `files`."""
    written = {path for part in IN_FILES for path in folder.glob(f"{part}-*.safetensors")}
    return written - {folder / name for name in files}


def read_extras(
    facts: dict[str, Any], folder: Path, widths: Mapping[str, int], places: int
) -> Extras:
    """The parts a checkpoint's JSON lists, verified. widths: channels of its model by the layers
    that gates look at; places: h w.

    Raises `ExtrasError`.
    """
    found: dict[str, Any] = {}
    for part in NAMES:
        if facts.get(part) is None:
            continue
        try:
            if part in IN_FILES:
                found[part] = IN_FILES[part].from_bytes(*_read(facts, part, folder))
            else:
                found[part] = Calibration.from_dict(_bound(facts, part))
        except DamagedError as error:
            raise ExtrasError(f"The checkpoint's {NAMES[part]} is damaged: {error}.") from None
    extras = Extras(**found)
    gate = extras.gate
    if gate and (len(gate.mean), len(gate.places)) != (widths[gate.layer], places):
        raise ExtrasError("The checkpoint's input gate was fitted to another kind of model.")
    return extras


def _file_of(facts: dict[str, Any], part: str) -> str:
    name = facts[part].get("file") if isinstance(facts[part], dict) else None
    if not isinstance(name, str) or not re.fullmatch(rf"{part}-[0-9a-f]{{12}}\.safetensors", name):
        raise ExtrasError(f"The checkpoint's {NAMES[part]} names no {part} file.")
    return name


def _read(facts: dict[str, Any], part: str, folder: Path) -> tuple[bytes, dict[str, Any]]:
    """The file of a part, verified, and its entry in the JSON."""
    name, values = _file_of(facts, part), _bound(facts, part)
    try:
        data = (folder / name).read_bytes()
    except OSError:
        raise ExtrasError(f"The checkpoint has no {name}.") from None
    if hashlib.sha256(data).hexdigest() != values.get("sha256"):
        raise ExtrasError(f"{name} is damaged (SHA-256 differs); download or copy it again.")
    return data, values


def _bound(facts: dict[str, Any], part: str) -> dict[str, Any]:
    """The part without the weights it is bound to, once these are the checkpoint's."""
    values = facts[part]
    if not isinstance(values, dict):
        raise ExtrasError(f"The checkpoint's {part} is damaged: it has no fields.")
    if values.get("weights_sha256") != facts["weights_sha256"]:
        raise ExtrasError(
            f"The checkpoint's {part} was fitted to other weights; run "
            "python -m train calibrate on this checkpoint."
        )
    return {name: value for name, value in values.items() if name != "weights_sha256"}

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

from lmeran.calibration import Calibration, CalibrationError
from lmeran.errors import UserError
from lmeran.ood import Gate, GateError
from lmeran.reference import ReferenceDistribution, ReferenceError

NAMES = {"calibration": "calibration", "gate": "input gate", "reference": "reference distributions"}
"""Of each part: its key in the JSON, and what a sentence calls it."""

IN_FILES = ("gate", "reference")
"""Parts with a file beside the JSON."""


class ExtrasError(UserError):
    """A part that must not be used: one sentence that names it and what is wrong."""


@dataclass(frozen=True, eq=False)
class Extras:
    """What was fitted; None where it was not."""

    calibration: Calibration | None = None
    gate: Gate | None = None
    reference: ReferenceDistribution | None = None


def facts_of(extras: Extras, weights_sha256: str) -> tuple[dict[str, Any], dict[str, bytes]]:
    """What belongs into the JSON, and the files beside it by name."""
    bound = {"weights_sha256": weights_sha256}
    facts: dict[str, Any] = {}
    files: dict[str, bytes] = {}
    if extras.calibration is not None:
        facts["calibration"] = bound | extras.calibration.to_dict()
    for part in IN_FILES:
        fitted = getattr(extras, part)
        if fitted is None:
            continue
        data = fitted.to_bytes()
        digest = hashlib.sha256(data).hexdigest()
        name = f"{part}-{digest[:12]}.safetensors"
        files[name] = data
        facts[part] = bound | {"file": name, "sha256": digest} | fitted.numbers()
    return facts, files


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
    calibration, gate, reference = None, None, None
    if facts.get("calibration") is not None:
        try:
            calibration = Calibration.from_dict(_bound(facts, "calibration"))
        except CalibrationError as error:
            raise _damaged("calibration", error) from None
    if facts.get("gate") is not None:
        try:
            gate = Gate.from_bytes(*_read(facts, "gate", folder))
        except GateError as error:
            raise _damaged("gate", error) from None
        if len(gate.mean) != widths[gate.layer] or len(gate.places) != places:
            raise ExtrasError("The checkpoint's input gate was fitted to another kind of model.")
    if facts.get("reference") is not None:
        try:
            reference = ReferenceDistribution.from_bytes(*_read(facts, "reference", folder))
        except ReferenceError as error:
            raise _damaged("reference", error) from None
    return Extras(calibration, gate, reference)


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


def _damaged(part: str, error: UserError) -> ExtrasError:
    return ExtrasError(f"The checkpoint's {NAMES[part]} is damaged: {error}.")


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

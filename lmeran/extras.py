"""Optional parts of a checkpoint, fitted to its weights after training: calibration, input gate.

They stand in `config.json` under their names, with the SHA-256 of the weights they belong to; the
arrays of the gate in a file of their own, named by its content, so that the JSON, replaced last
and at once, never names a file of another fit. The weights' identity does not change by them.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lmeran.calibration import Calibration, CalibrationError
from lmeran.errors import UserError
from lmeran.ood import Gate, GateError

GATE_FILES = "gate-*.safetensors"
_GATE_FILE = re.compile(r"gate-[0-9a-f]{12}\.safetensors")


class ExtrasError(UserError):
    """A part that must not be used: one sentence that names it and what is wrong."""


@dataclass(frozen=True, eq=False)
class Extras:
    """What was fitted; None where it was not."""

    calibration: Calibration | None = None
    gate: Gate | None = None


def facts_of(extras: Extras, weights_sha256: str) -> tuple[dict[str, Any], dict[str, bytes]]:
    """What belongs into the JSON, and the files beside it by name."""
    facts: dict[str, Any] = {}
    files: dict[str, bytes] = {}
    if extras.calibration is not None:
        facts["calibration"] = {
            "weights_sha256": weights_sha256,
            **extras.calibration.to_dict(),
        }
    if extras.gate is not None:
        data = extras.gate.to_bytes()
        digest = hashlib.sha256(data).hexdigest()
        name = f"gate-{digest[:12]}.safetensors"
        files[name] = data
        facts["gate"] = {
            "weights_sha256": weights_sha256,
            "file": name,
            "sha256": digest,
            **extras.gate.numbers(),
        }
    return facts, files


def listed_files(facts: dict[str, Any]) -> tuple[str, ...]:
    """Names of the files beside the JSON that it lists. Raises `ExtrasError` for any other name
    than the gate's: a fetched JSON must not choose what else is fetched or read."""
    gate = facts.get("gate")
    if gate is None:
        return ()
    name = gate.get("file") if isinstance(gate, dict) else None
    if not isinstance(name, str) or not _GATE_FILE.fullmatch(name):
        raise ExtrasError("The checkpoint's input gate names no gate file.")
    return (name,)


def read_extras(
    facts: dict[str, Any], folder: Path, widths: Mapping[str, int], places: int
) -> Extras:
    """The parts a checkpoint's JSON lists, verified. widths: channels of its model by the layers
    that gates look at; places: h w.

    Raises `ExtrasError`.
    """
    calibration, gate = None, None
    if facts.get("calibration") is not None:
        values = _bound(facts, "calibration")
        try:
            calibration = Calibration.from_dict(values)
        except CalibrationError as error:
            raise ExtrasError(f"The checkpoint's calibration is damaged: {error}.") from None
    if facts.get("gate") is not None:
        gate = _read_gate(facts, folder)
        if len(gate.mean) != widths[gate.layer] or len(gate.places) != places:
            raise ExtrasError("The checkpoint's input gate was fitted to another kind of model.")
    return Extras(calibration, gate)


def _read_gate(facts: dict[str, Any], folder: Path) -> Gate:
    (name,) = listed_files(facts)
    values = _bound(facts, "gate")
    try:
        data = (folder / name).read_bytes()
    except OSError:
        raise ExtrasError(f"The checkpoint has no {name}.") from None
    if hashlib.sha256(data).hexdigest() != values.get("sha256"):
        raise ExtrasError(f"{name} is damaged (SHA-256 differs); download or copy it again.")
    try:
        return Gate.from_bytes(data, values)
    except GateError as error:
        raise ExtrasError(f"The checkpoint's input gate is damaged: {error}.") from None


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

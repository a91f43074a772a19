"""A reading file: one screen written down, to be opened or recomputed a year later.

JSON that holds which image (a hash of its pixels), which checkpoint, what was pinned, what was
shown, what came out and which versions computed it. It names no patient and no file.
"""

from __future__ import annotations

import hashlib
import json
import platform
from dataclasses import asdict, dataclass
from typing import Annotated, Any

import cv2
import numpy as np
import torch
from pydantic import BaseModel, Field, TypeAdapter, ValidationError
from typing_extensions import TypeAliasType

from lmeran import __version__
from lmeran.errors import UserError
from lmeran.explain.decomposition import LogitDecomposition, decompose_logits
from lmeran.findings import FINDINGS, PinError, Pins, State, parse_pins
from lmeran.imaging.radiograph import Radiograph
from lmeran.predictor import EncodedRadiograph, Predictor
from lmeran.serialize import DIGITS, raw_findings

SCHEMA = "lmeran-reading"
SCHEMA_VERSION = 1
MAX_BYTES = 2**20
MAX_VIEW_BYTES = 16 * 2**10
_DAMAGED = "The reading file is damaged ({}); export it again."

Number = Annotated[float, Field(gt=-1e9, lt=1e9)]
Probability = Annotated[float, Field(ge=0, le=1)]
Name = Annotated[str, Field(max_length=64)]
"""Of a choice or a library, never prose."""
Plain = TypeAliasType("Plain", "bool | Number | Name | list[Plain] | dict[Name, Plain] | None")
_VIEW = TypeAdapter(dict[Name, Plain])


def versions() -> dict[str, str]:
    """Name to version of this program and of the libraries that a reading's numbers depend on."""
    return {
        "lmeran": __version__,
        "torch": torch.__version__,
        "numpy": np.__version__,
        "opencv": cv2.__version__,
        "python": platform.python_version(),
    }


class ReadingFileError(UserError):
    """A file that is no reading file this version can read: one sentence."""


@dataclass(frozen=True)
class ImageIdentity:
    """Which image: SHA-256 of its display pixels, row by row, and its size in pixels.

    Of the decoded pixels and not of the file, so that the same film is known again in another
    transfer syntax or without its header.
    """

    sha256: str
    height: int
    width: int

    @classmethod
    def of(cls, film: Radiograph) -> ImageIdentity:
        digest = hashlib.sha256(np.ascontiguousarray(film.pixels)).hexdigest()
        return cls(digest, film.height, film.width)


@dataclass(frozen=True, eq=False)
class ReadingFile:
    """The content of a reading file.

    checkpoint: `Checkpoint.identity`; calibration: of the checkpoint, None without one. view: state
    of the screen, the page's own object, opaque here. findings: `reading_outputs` as it was.
    versions: `versions()` as it was.
    """

    image: ImageIdentity
    checkpoint: str
    calibration: str | None
    pins: Pins
    view: dict[str, Any]
    findings: list[dict[str, Any]]
    versions: dict[str, str]

    def to_bytes(self) -> bytes:
        """The file, UTF-8; `parse_reading_file` is the inverse."""
        content = {
            "schema": SCHEMA,
            "version": SCHEMA_VERSION,
            "image": asdict(self.image),
            "checkpoint": self.checkpoint,
            "calibration": self.calibration,
            "pins": {finding: state.name.lower() for finding, state in self.pins.items()},
            "view": self.view,
            "findings": self.findings,
            "versions": self.versions,
        }
        return (json.dumps(content, indent=1, allow_nan=False) + "\n").encode()


def reading_outputs(
    predictor: Predictor, film: EncodedRadiograph, pins: Pins
) -> list[dict[str, Any]]:
    """What the model says of each finding: its entry of `raw_findings`, and its decomposition.

    That is "ledger", a list of lines: "part", "finding" and "state" of a pin (else null), "logits".
    """
    entries = raw_findings(predictor.read(film, pins))
    decomposition = decompose_logits(predictor, film, pins)
    return [
        entry | {"ledger": decomposition_lines(decomposition, entry["finding"])}
        for entry in entries
    ]


def decomposition_lines(decomposition: LogitDecomposition, finding: str) -> list[dict[str, Any]]:
    """One finding's decomposition as plain values, in logits; of a pinned finding its free part
    alone."""
    return [
        {
            "part": entry.kind,
            "finding": entry.finding,
            "state": None if entry.state is None else entry.state.name.lower(),
            "logits": round(entry.value, DIGITS),
        }
        for entry in decomposition.entries(finding)
    ]


def calibration_identity(predictor: Predictor) -> str | None:
    """Which calibration the checkpoint has: fitted later, it does not change its identity."""
    calibration = predictor.checkpoint.calibration
    return None if calibration is None else calibration.identity


def write_reading_file(
    predictor: Predictor,
    image: ImageIdentity,
    film: EncodedRadiograph,
    pins: Pins,
    view: dict[str, Any] | None = None,
) -> ReadingFile:
    """One film's reading under one set of pins, ready to be written.

    Raises `ReadingFileError` for a view state that is not small, plain JSON.
    """
    return ReadingFile(
        image=image,
        checkpoint=predictor.checkpoint.identity,
        calibration=calibration_identity(predictor),
        pins=pins,
        view=_checked_view(view or {}),
        findings=reading_outputs(predictor, film, pins),
        versions=versions(),
    )


class _Image(BaseModel, strict=True, extra="forbid"):
    sha256: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
    height: Annotated[int, Field(ge=1)]
    width: Annotated[int, Field(ge=1)]


class _Line(BaseModel, strict=True, extra="forbid"):
    part: str
    finding: str | None
    state: str | None
    logits: Number


class _Finding(BaseModel, strict=True):
    """What is needed of a finding's entry; it may hold more."""

    finding: str
    state: str
    free: Probability
    conditioned: Probability | None
    ledger: list[_Line]


class _Content(BaseModel, strict=True, extra="forbid"):
    """What a file must hold; the view is checked by itself."""

    schema_: str = Field(alias="schema")
    version: int
    image: _Image
    checkpoint: Annotated[str, Field(pattern=r"^[0-9a-f]{12}$")]
    calibration: Annotated[str, Field(pattern=r"^[0-9a-f]{8}$")] | None
    pins: dict[str, str]
    view: dict[str, Any]
    findings: list[_Finding]
    versions: dict[Name, Name]


def parse_reading_file(data: bytes) -> ReadingFile:
    """Read and check every part. Raises `ReadingFileError`: one sentence, quoting nothing."""
    content = _content(data)
    try:
        checked = _Content.model_validate_json(data)
        pins = parse_pins(checked.pins)
    except ValidationError as error:
        first = error.errors()[0]
        is_part = len(first["loc"]) == 1 and first["type"] in ("missing", "extra_forbidden")
        part = "parts are missing or unknown" if is_part else (*first["loc"], "nested too deep")[0]
        raise ReadingFileError(_DAMAGED.format(part)) from None
    except PinError:
        raise ReadingFileError(_DAMAGED.format("pins")) from None
    if len(pins) != len(checked.pins):
        raise ReadingFileError(_DAMAGED.format("pins"))
    expected = [(f, pins.get(f, State.UNKNOWN).name.lower(), f in pins) for f in FINDINGS]
    if [(f.finding, f.state, f.conditioned is None) for f in checked.findings] != expected:
        raise ReadingFileError(_DAMAGED.format("findings"))
    return ReadingFile(
        image=ImageIdentity(**content["image"]),
        checkpoint=checked.checkpoint,
        calibration=checked.calibration,
        pins=pins,
        view=_checked_view(content["view"]),
        findings=content["findings"],
        versions=content["versions"],
    )


def _content(data: bytes) -> dict[str, Any]:
    if len(data) > MAX_BYTES:
        raise ReadingFileError(
            "This is not a reading file: it is far too large; choose one that the viewer or "
            "`export --as reading` wrote."
        )
    try:
        content = json.loads(data.decode("utf-8"), parse_constant=_no_constant)
    except (ValueError, RecursionError):
        raise ReadingFileError(
            "This is not a reading file, or it is cut off; choose one that the viewer or "
            "`export --as reading` wrote."
        ) from None
    if not isinstance(content, dict) or content.get("schema") != SCHEMA:
        raise ReadingFileError(
            "This is not a reading file; choose one that the viewer or `export --as reading` wrote."
        )
    if content.get("version") != SCHEMA_VERSION or type(content["version"]) is not int:
        raise ReadingFileError(
            f"The reading file has another version of its format than {SCHEMA_VERSION}, the one "
            "this program reads; open it with the program that wrote it."
        )
    return content


def _checked_view(view: dict[str, Any]) -> dict[str, Any]:
    """The view state as it is, if it is small and plain."""
    text = json.dumps(view)
    try:
        _VIEW.validate_json(text, strict=True)
    except ValidationError:
        raise ReadingFileError(_DAMAGED.format("view")) from None
    if len(text) > MAX_VIEW_BYTES:
        raise ReadingFileError(_DAMAGED.format("view"))
    return view


def _no_constant(text: str) -> float:
    raise ValueError(f"{text} is no JSON number")

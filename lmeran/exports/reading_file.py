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
from pydantic import AfterValidator, ConfigDict, Field, PlainValidator, TypeAdapter, ValidationError
from typing_extensions import TypeAliasType, TypedDict

from lmeran import __version__
from lmeran.errors import UserError
from lmeran.explain.decomposition import LogitDecomposition, decompose_logits
from lmeran.findings import FINDINGS, Pins, State, parse_pins, pin_words
from lmeran.imaging.radiograph import Radiograph
from lmeran.predictor import EncodedRadiograph, Predictor
from lmeran.serialize import DIGITS, raw_findings

SCHEMA = "lmeran-reading"
SCHEMA_VERSION = 2
MAX_BYTES = 2**20
MAX_VIEW_BYTES = 16 * 2**10
_DAMAGED = "The reading file is damaged ({}); export it again."
_NONE = "This is not a reading file{}; choose one that the viewer or `export --as reading` wrote."


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


def _check_view(view: dict[str, Any]) -> dict[str, Any]:
    if len(json.dumps(view)) > MAX_VIEW_BYTES:
        raise ValueError("too large")
    return view


def _pins(given: Any) -> Pins:
    pins = parse_pins(given)
    if len(pins) != len(given):
        raise ValueError("unknown is no pin")
    return pins


STRICT = ConfigDict(strict=True, extra="forbid")
Number = Annotated[int | float, Field(gt=-1e9, lt=1e9)]
Probability = Annotated[float, Field(ge=0, le=1)]
Name = Annotated[str, Field(max_length=64)]
"""Of a choice or a library, never prose."""
Plain = TypeAliasType("Plain", "bool | Number | Name | list[Plain] | dict[Name, Plain] | None")
View = Annotated[dict[Name, Plain], AfterValidator(_check_view)]
"""State of the screen: the page's own object, opaque here, if it is small and plain."""


@dataclass(frozen=True)
class ImageIdentity:
    """Which image: SHA-256 of its display pixels, row by row, and its size in pixels.

    Of the decoded pixels and not of the file, so that the same film is known again in another
    transfer syntax or without its header.
    """

    __pydantic_config__ = STRICT
    sha256: Annotated[str, Field(pattern="^[0-9a-f]{64}$")]
    height: Annotated[int, Field(ge=1)]
    width: Annotated[int, Field(ge=1)]

    @classmethod
    def of(cls, film: Radiograph) -> ImageIdentity:
        digest = hashlib.sha256(np.ascontiguousarray(film.pixels)).hexdigest()
        return cls(digest, film.height, film.width)


class Line(TypedDict):
    """A part of a logit; finding and state of a pin, else None."""

    __pydantic_config__ = STRICT
    part: str
    finding: str | None
    state: str | None
    logits: Number


class FindingOutputs(TypedDict):
    """A finding's entry of `raw_findings` and its decomposition; a file's entry may hold more."""

    __pydantic_config__ = ConfigDict(strict=True, extra="allow")
    finding: str
    state: str
    free: Probability
    conditioned: Probability | None
    decomposition: list[Line]


@dataclass(frozen=True, eq=False, kw_only=True)
class ReadingFile:
    """The content of a reading file.

    checkpoint: `Checkpoint.identity`; calibration: of the checkpoint, None without one. findings,
    versions: `reading_outputs` and `versions` as they were.
    """

    __pydantic_config__ = STRICT
    schema: str = SCHEMA
    version: int = SCHEMA_VERSION
    image: ImageIdentity
    checkpoint: Annotated[str, Field(pattern="^[0-9a-f]{12}$")]
    calibration: Annotated[str, Field(pattern="^[0-9a-f]{8}$")] | None
    pins: Annotated[Pins, PlainValidator(_pins)]
    view: View
    findings: list[FindingOutputs]
    versions: dict[Name, Name]

    def to_bytes(self) -> bytes:
        """The file, UTF-8; `parse_reading_file` is the inverse."""
        content = asdict(self) | {"pins": pin_words(self.pins)}
        return (json.dumps(content, indent=1, allow_nan=False) + "\n").encode()


def reading_outputs(
    predictor: Predictor, film: EncodedRadiograph, pins: Pins
) -> list[FindingOutputs]:
    """What the model says of each finding."""
    decomposition = decompose_logits(predictor, film, pins)
    return [
        entry | {"decomposition": decomposition_lines(decomposition, entry["finding"])}
        for entry in raw_findings(predictor.read(film, pins))
    ]


def decomposition_lines(decomposition: LogitDecomposition, finding: str) -> list[Line]:
    """One finding's decomposition, in logits; of a pinned finding its free part alone."""
    return [
        {
            "part": entry.kind,
            "finding": entry.finding,
            "state": None if entry.state is None else entry.state.word,
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
    try:
        TypeAdapter(View).validate_json(json.dumps(view or {}), strict=True)
    except ValidationError:
        raise ReadingFileError(_DAMAGED.format("view")) from None
    return ReadingFile(
        image=image,
        checkpoint=predictor.checkpoint.identity,
        calibration=calibration_identity(predictor),
        pins=pins,
        view=view or {},
        findings=reading_outputs(predictor, film, pins),
        versions=versions(),
    )


def parse_reading_file(data: bytes) -> ReadingFile:
    """Read and check every part. Raises `ReadingFileError`: one sentence, quoting nothing."""
    if len(data) > MAX_BYTES:
        raise ReadingFileError(_NONE.format(": it is far too large"))
    try:
        content = json.loads(data)
        if isinstance(content, dict) and str(content.get("version")) == "1":
            # Version 1 called a decomposition a ledger.
            content["version"] = SCHEMA_VERSION
            data = json.dumps(content).replace('"ledger":', '"decomposition":').encode()
    except (ValueError, RecursionError):
        raise ReadingFileError(_NONE.format(", or it is cut off")) from None
    if not isinstance(content, dict) or content.get("schema") != SCHEMA:
        raise ReadingFileError(_NONE.format(""))
    if content.get("version") != SCHEMA_VERSION or type(content["version"]) is not int:
        raise ReadingFileError(
            f"The reading file has another version of its format than {SCHEMA_VERSION}, the one "
            "this program reads; open it with the program that wrote it."
        )
    try:
        file = TypeAdapter(ReadingFile).validate_json(data)
    except ValidationError as error:
        first, unknown = error.errors()[0], ("missing", "unexpected_keyword_argument")
        is_part = len(first["loc"]) == 1 and first["type"] in unknown
        part = "parts are missing or unknown" if is_part else (*first["loc"], "nested too deep")[0]
        raise ReadingFileError(_DAMAGED.format(part)) from None
    expected = [(f, file.pins.get(f, State.UNKNOWN).word, f in file.pins) for f in FINDINGS]
    if [(f["finding"], f["state"], f["conditioned"] is None) for f in file.findings] != expected:
        raise ReadingFileError(_DAMAGED.format("findings"))
    return file

"""A reading file: one screen written down, to be opened or recomputed a year later.

JSON that holds which image (a hash of its pixels), which checkpoint, what was pinned, what was
shown, what came out and which versions computed it. It names no patient and no file.
"""

from __future__ import annotations

import hashlib
import json
import platform
import re
from dataclasses import asdict, dataclass
from typing import Any

import cv2
import numpy as np
import torch

from lmeran import __version__
from lmeran.errors import UserError
from lmeran.explain.decomposition import DecompositionEntry, LogitDecomposition, decompose_logits
from lmeran.findings import FINDINGS, PinError, Pins, State, parse_pins
from lmeran.imaging.radiograph import Radiograph
from lmeran.predictor import EncodedRadiograph, Predictor
from lmeran.serialize import DIGITS, raw_findings

SCHEMA = "lmeran-reading"
SCHEMA_VERSION = 1
MAX_BYTES = 2**20
MAX_VIEW_BYTES = 16 * 2**10
MAX_VIEW_TEXT = 64
"""Characters of a text in the view state: names of choices, never prose."""
LARGEST = 1e9
"""No number of a reading file is larger; not-a-numbers fail the comparison too."""

_KEYS = (
    *("schema", "version", "image", "checkpoint", "calibration"),
    *("pins", "view", "findings", "versions"),
)
_DAMAGED = "The reading file is damaged ({}); export it again."


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
    """What the model says of each finding: its entry of `raw_findings`, and its
    decomposition.

    The "ledger" is a list of lines in logits: "part", "finding" and "state" of a pin (else null)
    and "logits".
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
    return [_line(entry) for entry in decomposition.entries(finding)]


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


def parse_reading_file(data: bytes) -> ReadingFile:
    """Read and check every part. Raises `ReadingFileError`: one sentence, quoting nothing."""
    content = _content(data)
    try:
        image = _image(content["image"])
        checkpoint = _text(content["checkpoint"], r"[0-9a-f]{12}", "checkpoint")
        calibration = content["calibration"]
        if calibration is not None:
            _text(calibration, r"[0-9a-f]{8}", "calibration")
        pins = _pins(content["pins"])
        view = _checked_view(content["view"])
        findings = _findings(content["findings"], pins)
        made_with = _versions(content["versions"])
    except RecursionError:
        raise ReadingFileError(_DAMAGED.format("nested too deep")) from None
    return ReadingFile(image, checkpoint, calibration, pins, view, findings, made_with)


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
    if set(content) != set(_KEYS):
        raise ReadingFileError(_DAMAGED.format("parts are missing or unknown"))
    return content


def _image(value: Any) -> ImageIdentity:
    if not isinstance(value, dict) or set(value) != {"sha256", "height", "width"}:
        raise ReadingFileError(_DAMAGED.format("image"))
    sha256 = _text(value["sha256"], r"[0-9a-f]{64}", "image")
    sides = (value["height"], value["width"])
    if any(type(side) is not int or side < 1 for side in sides):
        raise ReadingFileError(_DAMAGED.format("image"))
    return ImageIdentity(sha256, *sides)


def _pins(value: Any) -> Pins:
    if not isinstance(value, dict) or not all(isinstance(s, str) for s in value.values()):
        raise ReadingFileError(_DAMAGED.format("pins"))
    try:
        pins = parse_pins(value)
    except PinError:
        raise ReadingFileError(_DAMAGED.format("pins")) from None
    if len(pins) != len(value):
        raise ReadingFileError(_DAMAGED.format("pins"))
    return pins


def _checked_view(view: Any) -> dict[str, Any]:
    """The view state as it is, if it is small and plain."""
    if not isinstance(view, dict) or not _is_plain(view):
        raise ReadingFileError(_DAMAGED.format("view"))
    if len(json.dumps(view)) > MAX_VIEW_BYTES:
        raise ReadingFileError(_DAMAGED.format("view"))
    return view


def _is_plain(value: Any) -> bool:
    if isinstance(value, dict):
        return all(len(key) <= MAX_VIEW_TEXT and _is_plain(v) for key, v in value.items())
    if isinstance(value, list):
        return all(_is_plain(v) for v in value)
    if isinstance(value, str):
        return len(value) <= MAX_VIEW_TEXT
    return value is None or isinstance(value, bool) or _is_number(value)


def _findings(value: Any, pins: Pins) -> list[dict[str, Any]]:
    if not isinstance(value, list) or len(value) != len(FINDINGS):
        raise ReadingFileError(_DAMAGED.format("findings"))
    for finding, entry in zip(FINDINGS, value, strict=True):
        state = pins.get(finding, State.UNKNOWN)
        if (
            not isinstance(entry, dict)
            or not {"finding", "state", "free", "conditioned", "ledger"} <= set(entry)
            or (entry["finding"], entry["state"]) != (finding, state.name.lower())
            or not _is_probability(entry["free"])
            or (entry["conditioned"] is None) != (state is not State.UNKNOWN)
            or not (entry["conditioned"] is None or _is_probability(entry["conditioned"]))
            or not _is_decomposition(entry["ledger"])
        ):
            raise ReadingFileError(_DAMAGED.format("findings"))
    return value


def _is_decomposition(value: Any) -> bool:
    return isinstance(value, list) and all(
        isinstance(line, dict)
        and set(line) == {"part", "finding", "state", "logits"}
        and isinstance(line["part"], str)
        and all(line[key] is None or isinstance(line[key], str) for key in ("finding", "state"))
        and _is_number(line["logits"])
        for line in value
    )


def _versions(value: Any) -> dict[str, str]:
    if not isinstance(value, dict) or not all(
        len(name) <= MAX_VIEW_TEXT and isinstance(v, str) and len(v) <= MAX_VIEW_TEXT
        for name, v in value.items()
    ):
        raise ReadingFileError(_DAMAGED.format("versions"))
    return value


def _line(entry: DecompositionEntry) -> dict[str, Any]:
    return {
        "part": entry.kind,
        "finding": entry.finding,
        "state": None if entry.state is None else entry.state.name.lower(),
        "logits": round(entry.value, DIGITS),
    }


def _text(value: Any, pattern: str, part: str) -> str:
    if not isinstance(value, str) or re.fullmatch(pattern, value) is None:
        raise ReadingFileError(_DAMAGED.format(part))
    return value


def _is_probability(value: Any) -> bool:
    return _is_number(value) and 0 <= value <= 1


def _is_number(value: Any) -> bool:
    return type(value) in (int, float) and abs(value) < LARGEST


def _no_constant(text: str) -> float:
    raise ValueError(f"{text} is no JSON number")

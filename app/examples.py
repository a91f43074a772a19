"""The films offered one click away: the bundled synthetic ones, or a folder of the operator's."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from hashlib import sha256
from pathlib import Path
from typing import Any

from app.boxes import Box, boxes_of_folder, parse_boxes
from app.payload.packing import thumbnail
from lmeran.findings import FINDINGS, State
from lmeran.hub import assets_folder
from lmeran.imaging.decoding_process import DecodingProcess
from lmeran.imaging.files import FILM_SUFFIXES
from lmeran.imaging.radiograph import ReadError

BUNDLED = assets_folder() / "examples"
MOST = 24
THUMBNAIL_SIDE = 144
STUDIED = ("Effusion", "Pneumothorax")
"""What the example study asks for where no box says what is on the films."""


@dataclass(frozen=True)
class Example:
    """A film on offer. `title` never comes from a file's name or header; `boxes`: where findings
    are, where it is known; `pin`: what is worth trying on it."""

    path: Path
    title: str = ""
    thumbnail: bytes = b""
    boxes: tuple[Box, ...] = ()
    pin: tuple[str, State] | None = None

    def facts(self) -> dict[str, Any]:
        """What the page is told: the title, and the pin by numbers of finding and state."""
        pin = self.pin and {"finding": FINDINGS.index(self.pin[0]), "state": int(self.pin[1])}
        return {"title": self.title, "pin": pin}


def load_examples(folder: Path | None, process: DecodingProcess) -> list[Example]:
    """Readable films with their thumbnails (JPEG); files that are no films are passed over.

    folder None: the bundled films with the titles of examples.json. Else the first `MOST` films of
    the folder, titled by number: file names may name patients. process: that decodes them.
    Raises `BoxError` for a list of boxes that cannot be used.
    """
    candidates = _bundled() if folder is None else _of_folder(folder)
    examples: list[Example] = []
    for example in candidates:
        if len(examples) == MOST:
            break
        small = _thumbnail(example.path, process)
        if small is not None:
            title = example.title or f"Film {len(examples) + 1}"
            examples.append(replace(example, title=title, thumbnail=small))
    return examples


def example_study(examples: list[Example], truth: bool = False) -> dict[str, Any]:
    """A study of these films, as a file of one is written (docs/study.md), with or without what is
    on them: a reader's page has no need of it.

    It asks for two findings that some of the films have, by their boxes, and some have not.
    """
    on_film = [{FINDINGS[box.finding] for box in example.boxes} for example in examples]
    boxed = [f for f in FINDINGS if 0 < sum(f in found for found in on_film) < len(on_film)][:2]
    films = [
        {
            "sha256": sha256(example.path.read_bytes()).hexdigest(),
            "example": position,
            **({"truth": {finding: finding in found for finding in boxed}} if truth else {}),
        }
        for position, (example, found) in enumerate(zip(examples, on_film, strict=True))
    ]
    return {
        "study": "Example study",
        "films": films,
        "arms": ["film", "model", "pins"],
        "findings": boxed or list(STUDIED),
        "plausible": True,
        "comment": True,
        "seed": 1,
        "washout_days": 28,
    }


def _bundled() -> list[Example]:
    entries = json.loads((BUNDLED / "examples.json").read_text(encoding="utf-8"))
    return [
        Example(
            BUNDLED / entry["file"],
            str(entry["title"]),
            boxes=parse_boxes(entry.get("boxes", ()), "examples.json"),
            pin=_pin(entry.get("pin")),
        )
        for entry in entries
    ]


def _pin(entry: dict[str, str] | None) -> tuple[str, State] | None:
    return entry and (entry["finding"], State[entry["state"].upper()])


def _of_folder(folder: Path) -> list[Example]:
    endings = ("", *FILM_SUFFIXES)
    files = sorted(p for p in folder.iterdir() if p.is_file() and p.suffix.lower() in endings)
    boxes = boxes_of_folder(folder)
    return [Example(path, boxes=boxes.get(path.name, ())) for path in files]


def _thumbnail(path: Path, process: DecodingProcess) -> bytes | None:
    try:
        # Made here: the process would import this module to make it there, and torch with it.
        return thumbnail(process.read_file(path), THUMBNAIL_SIDE)
    except ReadError:
        return None

"""The films offered one click away: the bundled synthetic ones, or a folder of the operator's."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from app.boxes import Box, boxes_of_folder, parse_boxes
from app.payload.packing import thumbnail
from lmeran.hub import assets_folder
from lmeran.imaging.decoding_process import DecodingProcess
from lmeran.imaging.files import FILM_SUFFIXES, read_file
from lmeran.imaging.radiograph import ReadError

BUNDLED = assets_folder() / "examples"
MOST = 24
THUMBNAIL_SIDE = 144


@dataclass(frozen=True)
class Example:
    """A film on offer. `title` never comes from a file's name or header; `boxes`: where findings
    are, where it is known."""

    path: Path
    title: str
    thumbnail: bytes
    boxes: tuple[Box, ...] = ()


def load_examples(folder: Path | None, process: DecodingProcess) -> list[Example]:
    """Readable films with their thumbnails (JPEG); files that are no films are passed over.

    folder None: the bundled films with the titles of examples.json. Else the first `MOST` films of
    the folder, titled by number: file names may name patients. process: that decodes them.
    Raises `BoxError` for a list of boxes that cannot be used.
    """
    candidates = _bundled() if folder is None else _of_folder(folder)
    examples: list[Example] = []
    for path, title, boxes in candidates:
        if len(examples) == MOST:
            break
        small = _thumbnail(path, process)
        if small is not None:
            title = title or f"Film {len(examples) + 1}"
            examples.append(Example(path, title, small, boxes))
    return examples


def _bundled() -> list[tuple[Path, str, tuple[Box, ...]]]:
    entries = json.loads((BUNDLED / "examples.json").read_text(encoding="utf-8"))
    return [
        (
            BUNDLED / entry["file"],
            str(entry["title"]),
            parse_boxes(entry.get("boxes", ()), "examples.json"),
        )
        for entry in entries
    ]


def _of_folder(folder: Path) -> list[tuple[Path, str, tuple[Box, ...]]]:
    endings = ("", *FILM_SUFFIXES)
    files = sorted(p for p in folder.iterdir() if p.is_file() and p.suffix.lower() in endings)
    boxes = boxes_of_folder(folder)
    return [(path, "", boxes.get(path.name, ())) for path in files]


def _thumbnail(path: Path, process: DecodingProcess) -> bytes | None:
    try:
        return process.call(_small, path)
    except ReadError:
        return None


def _small(path: Path) -> bytes:
    return thumbnail(read_file(path), THUMBNAIL_SIDE)

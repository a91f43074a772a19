"""Answers of the command line as lines of text, JSON or CSV: one line per film."""

from __future__ import annotations

import csv
import io
import json
from dataclasses import dataclass
from typing import Any, Protocol

from lmeran.serialize import csv_row


class Form(Protocol):
    """How answers are written: each is one line of bytes that ends in "\\n"."""

    def head(self) -> bytes:
        """What stands above the first answer."""

    def line(self, film: dict[str, Any]) -> bytes:
        """One answer."""

    def parse(self, line: bytes) -> tuple[str, bool]:
        """Its label and whether the film was read. Raises `ValueError`."""


class JsonLines:
    """One JSON object a line."""

    def head(self) -> bytes:
        return b""

    def line(self, film: dict[str, Any]) -> bytes:
        return (json.dumps(film, ensure_ascii=False) + "\n").encode()

    def parse(self, line: bytes) -> tuple[str, bool]:
        film = json.loads(line)
        if not isinstance(film, dict) or not isinstance(film.get("file"), str):
            raise ValueError("no answer")
        return film["file"], film.get("error") is None


@dataclass(frozen=True)
class Csv:
    """A row each, under a head of column names; `row` of `lmeran.serialize` makes them."""

    columns: tuple[str, ...]

    def head(self) -> bytes:
        return self._text(dict(zip(self.columns, self.columns, strict=True)))

    def line(self, film: dict[str, Any]) -> bytes:
        return self._text(csv_row(film))

    def parse(self, line: bytes) -> tuple[str, bool]:
        [row] = csv.reader([line.decode()])
        if len(row) != len(self.columns):
            raise ValueError("no answer")
        found = dict(zip(self.columns, row, strict=True))
        return found["file"].removeprefix("'"), not found["error"]

    def _text(self, row: dict[str, Any]) -> bytes:
        text = io.StringIO()
        csv.DictWriter(text, self.columns).writerow(row)
        return text.getvalue().encode()

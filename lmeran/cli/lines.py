"""Answers of the command line as lines of text, one per film."""

from __future__ import annotations

import csv
import io
import json
from dataclasses import dataclass
from typing import Any

from lmeran.serialize import csv_row


@dataclass(frozen=True)
class Lines:
    """Each answer as a JSON object, or as a CSV row where there are columns; with a newline."""

    columns: tuple[str, ...] = ()

    def head(self) -> bytes:
        """What stands above the first answer."""
        return self._row(dict(zip(self.columns, self.columns, strict=True)))

    def line(self, film: dict[str, Any]) -> bytes:
        """One answer, of `reading_object` or `error_object`."""
        if self.columns:
            return self._row(csv_row(film))
        return (json.dumps(film, ensure_ascii=False) + "\n").encode()

    def parse(self, line: bytes) -> tuple[str, bool]:
        """An answer's label and whether the film was read. Raises `ValueError`."""
        if self.columns:
            [row] = csv.reader([line.decode()])
            found = dict(zip(self.columns, row, strict=True))
            return found["file"].removeprefix("'"), not found["error"]
        film = json.loads(line)
        if not isinstance(film, dict) or not isinstance(film.get("file"), str):
            raise ValueError("no answer")
        return film["file"], film.get("error") is None

    def _row(self, row: dict[str, Any]) -> bytes:
        if not self.columns:
            return b""
        text = io.StringIO()
        csv.DictWriter(text, self.columns).writerow(row)
        return text.getvalue().encode()

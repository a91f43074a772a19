"""index.csv as a table, checked before it is used: every fault is reported at once, by row."""

from __future__ import annotations

import codecs
import hashlib
import io
import warnings
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pandas as pd

from lmeran.errors import UserError
from lmeran.findings import FINDINGS

SPLITS = ("train_val", "test")
NO_FINDING = "No Finding"
_NEEDED = ("file", "image_index", "official_split", "patient_id", "finding_labels")
_NUMBERS = ("height", "width")
_UTF_16 = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
_NAMED = 20
_TAIL_BYTES = 4096
_UNREADABLE = "?"


class DataError(UserError):
    """Data that cannot be used; the message says what is wrong and where."""


def read_table(path: Path) -> pd.DataFrame:
    """The rows of an index as text, numbered as in a spreadsheet; no leading zeros in patient ids.

    Raises `DataError`: every fault there is, with the rows that have it.
    """
    table = _parse(path)
    missing = [column for column in _NEEDED if column not in table.columns]
    if missing:
        raise DataError(f"{path} lacks the column(s) {', '.join(missing)}.")
    faults = [*_faults(table), *_shared_images(table, path.parent)]
    if faults:
        raise DataError("\n".join((f"{path} cannot be used; correct these rows:", *faults)))
    return table.assign(patient_id=_person(table["patient_id"]))


def _person(ids: pd.Series) -> pd.Series:
    """Patient ids as a spreadsheet may have rewritten them: 3 for 00000003 and 3.0."""
    return ids.str.replace(r"^0*(\d+)(\.0+)?$", r"\1", regex=True)


def _parse(path: Path) -> pd.DataFrame:
    data = path.read_bytes()
    try:
        text = data.decode("utf-16" if data.startswith(_UTF_16) else "utf-8-sig")
    except UnicodeDecodeError as error:
        row = data.count(b"\n", 0, error.start) + 1
        raise DataError(
            f"{path} is neither UTF-8 nor UTF-16 (row {row}); save it again as CSV in UTF-8."
        ) from None
    head = text.partition("\n")[0]
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", pd.errors.ParserWarning)  # of cells without a column
            table = pd.read_csv(
                io.StringIO(text),
                sep=max(",\t;", key=head.count),
                dtype=str,
                keep_default_na=False,
                skip_blank_lines=False,
                index_col=False,
            )
    except (pd.errors.ParserError, pd.errors.ParserWarning, pd.errors.EmptyDataError) as error:
        raise DataError(f"{path} is not a table ({str(error).strip()}).") from None
    table.columns = table.columns.str.strip()
    table.index += 2  # the header is row 1
    table = table.fillna("").apply(lambda column: column.str.strip())
    return table[(table != "").any(axis=1)]


def _faults(table: pd.DataFrame) -> Iterator[str]:
    """What is wrong with single rows, and between them."""
    for column in _NEEDED:
        yield from _report(f"{column} is empty", table[table[column] == ""])
    split = table["official_split"]
    odd = table[~split.isin(("", *SPLITS))]
    yield from _report(f"official_split is neither {' nor '.join(SPLITS)}", odd, "official_split")
    written = table["finding_labels"][table["finding_labels"] != ""]
    labels = written.str.split("|").explode().str.strip()
    unknown = labels[~labels.isin((NO_FINDING, *FINDINGS))].to_frame()
    yield from _report("not one of the 14 findings", unknown, "finding_labels")
    several = written.str.contains("|", regex=False)
    both = several & written.str.contains(NO_FINDING, regex=False)
    yield from _report(f"{NO_FINDING} beside a finding", table.loc[both.index[both]])
    for column in ("image_index", "file"):
        named = table[table[column] != ""]
        again = named[named.duplicated(column, keep=False)]
        yield from _report(f"{column} is listed twice", again, column)
    for column in (name for name in _NUMBERS if name in table.columns):
        number = pd.to_numeric(table[column], errors="coerce")
        wrong = table[(table[column] != "") & ~(number > 0)]
        yield from _report(f"{column} is no number of pixels", wrong, column)
    patients = table[(table["patient_id"] != "") & split.isin(SPLITS)]
    person = _person(patients["patient_id"]).str.casefold()
    splits = patients.groupby(person)["official_split"].transform("nunique")
    yield from _report("patient in both official splits", patients[splits > 1], "patient_id")


def _shared_images(table: pd.DataFrame, root: Path) -> Iterator[str]:
    """Files of both splits with the same content. Only those of the same size are opened.

    Files that cannot be read are skipped here; they are reported when they are needed.
    """
    rows = table[table["official_split"].isin(SPLITS)].assign(content="")
    for digest in (_size, partial(_digest, last=_TAIL_BYTES), _digest):
        rows["content"] += [digest(root / file) for file in rows["file"]]
        known = rows[~rows["content"].str.endswith(_UNREADABLE)]
        splits = known.groupby("content")["official_split"].transform("nunique")
        rows = known[splits > 1].copy()
    yield from _report("the same image in both official splits", rows, "file")


def _size(path: Path) -> str:
    try:
        return f"{path.stat().st_size} "
    except OSError:
        return _UNREADABLE


def _digest(path: Path, last: int = 0) -> str:
    """Of the last bytes of a file; 0: of all."""
    try:
        with path.open("rb") as file:
            if last:
                file.seek(max(file.seek(0, io.SEEK_END) - last, 0))
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError:
        return _UNREADABLE


def _report(fault: str, rows: pd.DataFrame, column: str | None = None) -> Iterator[str]:
    """One line: the fault, how many rows have it, and the first of them with their value."""
    if rows.empty:
        return
    values = [""] * len(rows) if column is None else [f" ({value})" for value in rows[column]]
    named = [f"{row}{value}" for row, value in zip(rows.index, values, strict=True)][:_NAMED]
    more = f" and {len(rows) - _NAMED} more" if len(rows) > _NAMED else ""
    yield f"- {fault}: row {', '.join(named)}{more}"

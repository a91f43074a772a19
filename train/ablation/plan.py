"""What an ablation compares: a YAML of tables of variants, each a change of one base run.

seeds: [0, 1, 2]
base:                              # fields of TrainConfig, as in the YAML of `train fit`
  epochs: 8
tables:
  - name: Table 4
    title: what the table shows
    source: where the paper's numbers are from
    variants:
      - name: LMeRAN               # no change: the base itself
        paper: 0.825
      - name: w/o LMT
        change: {label_masking: false}
        paper: 0.813
        note: a sentence for below the table
"""

from __future__ import annotations

import dataclasses
import functools
import hashlib
import json
import typing
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import yaml
from jsonargparse import ArgumentError, ArgumentParser
from pydantic import BaseModel, Field, StrictFloat, StrictInt, ValidationError

from lmeran.config import ConfigError
from train.config import TrainConfig


@dataclass(frozen=True)
class Variant:
    """One row: a run without its seed, and the paper's mean AUC, None where it gives none."""

    name: str
    config: TrainConfig
    paper: float | None = None
    note: str = ""

    @property
    def key(self) -> str:
        """Ten hex digits that change with any option but the seed: rows of one key share runs."""
        options = dataclasses.replace(self.config, seed=0).to_dict()
        return hashlib.sha256(json.dumps(options, sort_keys=True).encode()).hexdigest()[:10]


@dataclass(frozen=True)
class Table:
    """Rows to be read together, and the source of the paper's numbers beside them."""

    name: str
    title: str
    source: str
    variants: tuple[Variant, ...]


@dataclass(frozen=True)
class Plan:
    """base: what every variant changes, and what differences are relative to."""

    base: Variant
    seeds: tuple[int, ...]
    tables: tuple[Table, ...]

    def only(self, names: list[str]) -> Plan:
        """The plan with these tables alone. Raises `ConfigError` for a name it does not have."""
        known = [table.name for table in self.tables]
        if unknown := [name for name in names if name not in known]:
            raise ConfigError(f"There is no table {unknown[0]!r}, only {', '.join(known)}.")
        return dataclasses.replace(self, tables=tuple(t for t in self.tables if t.name in names))


class _VariantEntry(BaseModel, extra="forbid"):
    name: str
    change: dict[str, Any] = {}
    paper: Annotated[StrictFloat, Field(gt=0, lt=1)] | None = None
    note: str = ""


class _TableEntry(BaseModel, extra="forbid"):
    name: str
    title: str
    source: str
    variants: list[_VariantEntry] = Field(min_length=1)


class _PlanEntry(BaseModel, extra="forbid"):
    base: dict[str, Any]
    seeds: list[StrictInt] = Field(min_length=1)
    tables: list[_TableEntry] = Field(min_length=1)


def read_plan(path: Path) -> Plan:
    """Read and check the whole file. Raises `ConfigError` naming the first thing wrong."""
    content = _content(path)
    if isinstance(content.get("tables"), str):
        content["tables"] = _content(path.with_name(content["tables"])).get("tables")
    try:
        entry = _PlanEntry.model_validate(content)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        raise ConfigError(f"{path.name}, {where}: {first['msg']}.") from None
    base = Variant("base", _config(entry.base, "base"))
    tables = tuple(_table(table, entry.base) for table in entry.tables)
    _refuse_twice([table.name for table in tables], "tables")
    return Plan(base, tuple(entry.seeds), tables)


def _content(path: Path) -> dict[str, Any]:
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except OSError:
        raise ConfigError(f"There is no file {path}.") from None
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path} is no YAML: {' '.join(str(error).split())}.") from None
    if not isinstance(content, dict):
        raise ConfigError(f"{path.name} must have base, seeds, tables, not {content!r}.")
    return content


def _table(entry: _TableEntry, base: dict[str, Any]) -> Table:
    variants = []
    for row in entry.variants:
        where = f"{entry.name}, {row.name}"
        config = _config(_merged(base, row.change), where)
        variants.append(Variant(row.name, config, row.paper, row.note))
    _refuse_twice([variant.name for variant in variants], entry.name)
    return Table(entry.name, entry.title, entry.source, tuple(variants))


def _config(values: Any, where: str) -> TrainConfig:
    """A `TrainConfig` of plain values. Unknown names are refused before jsonargparse reads the
    types, as it lets some of them pass."""
    _refuse_unknown(TrainConfig, values, where, "")
    if "seed" in values:
        raise ConfigError(f"{where}: seed is given for all variants at once, under seeds.")
    parser = _parser()
    try:
        given = parser.instantiate(parser.parse_object(values))
        return TrainConfig(**{f.name: given[f.name] for f in dataclasses.fields(TrainConfig)})
    except (ArgumentError, ConfigError) as error:
        raise ConfigError(f"{where}: {' '.join(str(error).split())}") from None


@functools.cache  # to build it takes a second
def _parser() -> ArgumentParser:
    parser = ArgumentParser(exit_on_error=False)
    parser.add_class_arguments(TrainConfig)
    return parser


def _refuse_unknown(kind: type, values: Any, where: str, prefix: str) -> None:
    if not isinstance(values, dict):
        raise ConfigError(f"{where}: {prefix.rstrip('.') or 'options'} must be named, not {values}")
    fields = typing.get_type_hints(kind)
    for name, value in values.items():
        if name not in fields:
            raise ConfigError(f"{where}: there is no option {prefix}{name}.")
        if dataclasses.is_dataclass(fields[name]):
            _refuse_unknown(fields[name], value, where, f"{prefix}{name}.")


def _merged(base: dict[str, Any], change: dict[str, Any]) -> dict[str, Any]:
    """`base` with the values of `change` in their places, group by group."""
    merged = dict(base)
    for name, value in change.items():
        inside = isinstance(value, dict) and isinstance(base.get(name), dict)
        merged[name] = _merged(base[name], value) if inside else value
    return merged


def _refuse_twice(names: list[str], where: str) -> None:
    if twice := [name for name in names if names.count(name) > 1]:
        raise ConfigError(f"{where} has {twice[0]} twice.")

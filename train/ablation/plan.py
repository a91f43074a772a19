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
from typing import Any

import yaml
from jsonargparse import ArgumentError, ArgumentParser

from lmeran.config import ConfigError
from train.config import TrainConfig


@dataclass(frozen=True)
class Variant:
    """One row: a run but for its seed, and the paper's mean AUC of it, None where it gives none."""

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
    """Rows to be read together, and where the paper's numbers beside them are from."""

    name: str
    title: str
    source: str
    variants: tuple[Variant, ...]


@dataclass(frozen=True)
class Plan:
    """base: what every variant changes, and what differences are taken to."""

    base: Variant
    seeds: tuple[int, ...]
    tables: tuple[Table, ...]

    def only(self, names: list[str]) -> Plan:
        """The plan with these tables alone. Raises `ConfigError` for a name it does not have."""
        known = [table.name for table in self.tables]
        if unknown := [name for name in names if name not in known]:
            raise ConfigError(f"There is no table {unknown[0]!r}, only {', '.join(known)}.")
        return dataclasses.replace(self, tables=tuple(t for t in self.tables if t.name in names))


def read_plan(path: Path) -> Plan:
    """Read and check the whole file. Raises `ConfigError` naming the first thing wrong."""
    content = _content(path)
    listed = content["tables"]
    if isinstance(listed, str):
        listed = _content(path.with_name(listed))["tables"]
    base = content["base"]
    unchanged = Variant("base", _config(base, "base"))
    tables = tuple(_table(values, base) for values in _items(listed, "tables"))
    _refuse_twice([table.name for table in tables], "tables")
    seeds = tuple(_items(content["seeds"], "seeds"))
    if not all(isinstance(seed, int) for seed in seeds):
        raise ConfigError(f"seeds must be whole numbers: {list(seeds)}")
    return Plan(unchanged, seeds, tables)


def _content(path: Path) -> dict[str, Any]:
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except OSError:
        raise ConfigError(f"There is no file {path}.") from None
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path} is no YAML: {' '.join(str(error).split())}.") from None
    _check_keys(content, path.name, needed=("base", "seeds", "tables"))
    return content


def _table(values: Any, base: dict[str, Any]) -> Table:
    _check_keys(values, "a table", needed=("name", "title", "source", "variants"))
    name = str(values["name"])
    variants = tuple(_variant(row, base, name) for row in _items(values["variants"], name))
    _refuse_twice([variant.name for variant in variants], name)
    return Table(name, str(values["title"]), str(values["source"]), variants)


def _variant(values: Any, base: dict[str, Any], table: str) -> Variant:
    _check_keys(values, f"a variant of {table}", ("name",), ("change", "paper", "note"))
    where = f"{table}, {values['name']}"
    paper = values.get("paper")
    if paper is not None and not isinstance(paper, float):
        raise ConfigError(f"{where}: paper must be a mean AUC in 0 .. 1: {paper!r}")
    config = _config(_merged(base, values.get("change", {}), where), where)
    return Variant(str(values["name"]), config, paper, str(values.get("note", "")))


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


def _merged(base: Any, change: Any, where: str) -> dict[str, Any]:
    """`base` with the values of `change` in their places, group by group."""
    if not isinstance(change, dict) or not isinstance(base, dict):
        raise ConfigError(f"{where}: a change is written as {{option: value}}, not {change!r}")
    merged = dict(base)
    for name, value in change.items():
        inside = isinstance(value, dict) and isinstance(base.get(name), dict)
        merged[name] = _merged(base[name], value, where) if inside else value
    return merged


def _check_keys(
    values: Any, where: str, needed: tuple[str, ...], allowed: tuple[str, ...] = ()
) -> None:
    if not isinstance(values, dict):
        raise ConfigError(f"{where} must have {', '.join(needed)}, not {values!r}")
    if missing := [key for key in needed if key not in values]:
        raise ConfigError(f"{where} lacks {missing[0]}.")
    if unknown := [key for key in values if key not in (*needed, *allowed)]:
        raise ConfigError(f"{where} has the unknown key {unknown[0]}.")


def _items(values: Any, where: str) -> list[Any]:
    if not isinstance(values, list) or not values:
        raise ConfigError(f"{where} must be a list, and not empty: {values!r}")
    return values


def _refuse_twice(names: list[str], where: str) -> None:
    if twice := [name for name in names if names.count(name) > 1]:
        raise ConfigError(f"{where} has {twice[0]} twice.")

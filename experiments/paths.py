"""Places of a scenario by path, as of ``--set path=value``: what stands there, and another value in its place.

A path is the keys of the raw tables with dots between them. ``*`` stands for every entry, ``@noise`` for every entry of
the species noise, a number for the place in a list. A value is TOML, else a text. Nothing here knows what a scenario
may say: `experiments.config` checks the tables afterwards.
"""

from __future__ import annotations

import copy
import tomllib
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

import tomli_w
from pydantic import BaseModel

from experiments.faults import meant, place, show

NAMED = ("assets", "contracts", "venues", "population")  # tables of tables, their keys free names
SPECIES_MARK = "@"  # before a species' name in a path
SET = "--set "  # how every fault begins
MATCHES_NOTHING = "matches nothing in this scenario"  # how that of a path without a place ends


def put(raw: dict[str, Any], path: str, new: Any) -> list[str]:
    """Set every place of the raw tables that a path names; the faults, if it cannot be."""
    *parents, last = keys = path.split(".")
    if not all(keys):
        return [f'{SET}{path}: expected a path such as "venues.alpha.fees.maker"']
    tables: list[tuple[tuple[str, ...], Any]] = [((), raw)]
    for key in parents:
        reached: list[tuple[tuple[str, ...], Any]] = []
        for where, table in tables:
            found = list(_entries(table, key))
            if not found and isinstance(table, dict) and key != "*" and key[0] != SPECIES_MARK:
                if where and where[0] in NAMED and len(where) == 1:
                    return [f"{SET}{path}: {place(where)} has no {key}, {meant(key, table)}"]
                found = [(key, table.setdefault(key, {}))]
            reached += [((*where, name), inner) for name, inner in found]
        tables = reached
    if not tables:
        return [f"{SET}{path}: {MATCHES_NOTHING}"]
    faults = []
    for where, table in tables:
        if isinstance(table, dict):
            for key in list(table) if last == "*" else [last]:
                table[key] = copy.deepcopy(new)
        elif isinstance(table, list) and (last == "*" or last.isdigit() and int(last) < len(table)):
            for i in range(len(table)) if last == "*" else [int(last)]:
                table[i] = copy.deepcopy(new)
        else:
            faults.append(
                f"{SET}{path}: {place(where)} is {show(table)}, expected a table or list that has {last}"
            )
    return faults


def override(raw: dict[str, Any], path: str, value: str) -> list[str]:
    """`put` with the text of a value, as on the command line."""
    return put(raw, path, value_of(value))


def value_of(text: str) -> Any:
    """A value as TOML reads it, else the text itself."""
    try:
        found = tomllib.loads(f"x = {text}")
    except tomllib.TOMLDecodeError:
        return text
    return found["x"] if list(found) == ["x"] else text


def inline(value: Any) -> str:
    """A value as TOML writes it in one line, the opposite of `value_of`; what is not set in a table is left out."""
    if isinstance(value, BaseModel):
        return inline(value.model_dump(by_alias=True))
    if isinstance(value, Mapping):
        entries = (f"{_key(key)} = {inline(one)}" for key, one in value.items() if one is not None)
        return "{" + ", ".join(entries) + "}"
    if isinstance(value, (list, tuple)):
        return "[" + ", ".join(map(inline, value)) + "]"
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat().replace("+00:00", "Z")
    return tomli_w.dumps({"x": value}).partition("=")[2].strip()


def _key(name: str) -> str:
    return tomli_w.dumps({name: 0}).removesuffix(" = 0\n")


def held(raw: Mapping[str, Any], path: str) -> list[tuple[str, Any]]:
    """(path without wildcards, value) of every place in the tables that a path names."""
    found: list[tuple[tuple[str, ...], Any]] = [((), raw)]
    for key in path.split("."):
        found = [
            ((*where, name), inner) for where, table in found for name, inner in _entries(table, key or " ")
        ]
    return [(place(where), value) for where, value in found]


def _entries(table: Any, key: str) -> Iterator[tuple[str, Any]]:
    if isinstance(table, dict) and key[0] == SPECIES_MARK:
        for name, entry in table.items():
            if isinstance(entry, dict) and entry.get("species") == key[1:]:
                yield name, entry
    elif isinstance(table, dict):
        yield from table.items() if key == "*" else [(key, table[key])] if key in table else []
    elif isinstance(table, list):
        places = (
            range(len(table)) if key == "*" else [int(key)] if key.isdigit() and int(key) < len(table) else []
        )
        yield from ((str(i), table[i]) for i in places)

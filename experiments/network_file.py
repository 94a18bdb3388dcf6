"""Networks as data: what `preset` in a scenario's `[network]` begins with, and many lines written as one.

A network is a TOML file of `experiments/networks` (or any path that ends in .toml), or a graph (.json, .graphml) that
`cascade network show` has written. Its tables are those of `[network]`. A resource or an edge may stand for many::

    [resources."{venue}/review"]            # one for each venue
    venues = ["alpha", "beta"]
    kind = "servers"
    servers = { alpha = 20, else = 5 }      # chosen by venue or asset; of an edge by target or asset

    [[edges]]                               # from each source to each other target, for each asset
    sources = ["alpha", "beta"]
    targets = ["alpha", "beta"]
    assets = ["USDT"]
    path = ["{source}/review", "{source}/{asset}", "tron"]

What a scenario writes beside `preset` counts instead: resources by name, line by line; nodes, edges and events as a
whole. `more_edges` and `more_events` come beside those of the preset.
"""

from __future__ import annotations

import copy
import itertools
import re
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from experiments.faults import meant, show

FOLDER = Path(__file__).parent / "networks"
ELSE = "else"
MORE = ("edges", "events")
_HOLE = re.compile(r"\{(\w*)\}")
_RESOURCE_LISTS = {"venues": "venue", "assets": "asset"}
_EDGE_LISTS = {"sources": "source", "targets": "target", "assets": "asset"}


def names() -> list[str]:
    """The networks that come with CascadeLab."""
    return sorted(path.stem for path in FOLDER.glob("*.toml"))


def apply(network: Any) -> list[str]:
    """Put a preset under the raw table `[network]` and write out its short lines, in place; the faults."""
    if not isinstance(network, dict):
        return []
    faults: list[str] = []
    own = {key: network.pop(key) for key in list(network) if key != "preset"}
    more = {key: own.pop(f"more_{key}") for key in MORE if f"more_{key}" in own}
    name = network.pop("preset", None)
    if name is not None:
        raw, faults = read(str(name))
        if faults:  # what is beside it cannot be judged without it
            return faults
        faults += expand(raw, f"network.preset {name}")
        network.update(raw)
    faults += expand(own, "network")
    resources = own.pop("resources", None)
    if isinstance(resources, Mapping) and isinstance(network.get("resources"), dict):
        for key, table in resources.items():
            under = network["resources"].get(key)
            merged = isinstance(under, dict) and isinstance(table, Mapping) and "kind" not in table
            network["resources"][key] = under | dict(table) if merged else table
    elif resources is not None:
        network["resources"] = resources
    network.update(own)
    faults += expand(more, "network.more")
    for key, tables in more.items():
        if isinstance(tables, list) and isinstance(network.setdefault(key, []), list):
            network[key] = [*network[key], *tables]
        else:
            faults.append(f"network.more_{key}: given {show(tables)}, expected a list of tables")
    return faults


def read(name: str) -> tuple[dict[str, Any], list[str]]:
    """The raw tables of a network by name or path, and what is wrong with it."""
    path = Path(name) if Path(name).suffix in (".toml", ".json", ".graphml") else FOLDER / f"{name}.toml"
    if not path.is_file():
        return {}, [f"network.preset: given {show(name)}, no such network, {meant(name, names())}"]
    try:
        if path.suffix == ".toml":
            return tomllib.loads(path.read_text(encoding="utf-8")), []
        from experiments import network_map

        return network_map.tables(network_map.read(path)), []
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError, ValueError, KeyError, TypeError) as error:
        what = f"it has no {error}" if isinstance(error, KeyError) else error
        return {}, [f"network.preset: given {show(name)}, expected a readable network: {what}"]


def expand(network: dict[str, Any], where: str) -> list[str]:
    """Write out resources and edges that stand for many, in place; the faults."""
    faults: list[str] = []
    resources = network.get("resources")
    if isinstance(resources, Mapping):
        made: dict[str, Any] = {}
        for name, table in resources.items():
            if isinstance(table, Mapping) and (_HOLE.search(name) or set(_RESOURCE_LISTS) & set(table)):
                for filled in _filled(
                    {**table, "": name}, _RESOURCE_LISTS, f"{where}.resources.{name}", faults
                ):
                    made[filled.pop("")] = filled
            else:
                made[name] = copy.deepcopy(table)
        network["resources"] = made
    edges = network.get("edges")
    if isinstance(edges, list):
        out: list[Any] = []
        for n, edge in enumerate(edges):
            if isinstance(edge, Mapping) and set(_EDGE_LISTS) & set(edge):
                for filled in _filled(dict(edge), _EDGE_LISTS, f"{where}.edges.{n}", faults):
                    ends = {word: filled.pop(f"={word}", filled.get(word)) for word in _EDGE_LISTS.values()}
                    if ends["source"] != ends["target"] or "targets" not in edge:
                        out.append({**ends, **filled})
            else:
                out.append(edge)
        network["edges"] = out
    return faults


def _filled(
    table: dict[str, Any], lists: Mapping[str, str], where: str, faults: list[str]
) -> Iterator[dict[str, Any]]:
    """A table once for each combination of its lists, with the holes of its texts filled."""
    given = {word: table.pop(name) for name, word in lists.items() if name in table}
    for name, values in given.items():
        if not isinstance(values, list) or not all(isinstance(value, str) for value in values):
            faults.append(f"{where}.{name}s: given {show(values)}, expected a list of texts")
            return
    known = {str(v) for values in given.values() for v in values} | {ELSE}
    told: set[str] = set()
    for combination in itertools.product(*given.values()):
        words = dict(zip(given, combination, strict=True))
        if "source" in words and "target" not in given and "target" not in table:
            words["target"] = words["source"]  # moves inside each of them
        filling = {
            w: table[w] for w in ("source", "target", "asset") if isinstance(table.get(w), str)
        } | words
        filled = {key: _fill(value, filling, known, where, told) for key, value in table.items()}
        if lists is _EDGE_LISTS:
            filled |= {f"={word}": value for word, value in words.items()}
        yield filled
    faults += sorted(told)


def _fill(value: Any, words: Mapping[str, str], known: set[str], where: str, told: set[str]) -> Any:
    if isinstance(value, str):
        for hole in _HOLE.findall(value):
            if hole not in words:
                told.add(f"{where}: given {show('{' + hole + '}')}, {meant(hole, words)}")
        return _HOLE.sub(lambda hole: words.get(hole[1], hole[0]), value)
    if isinstance(value, list):
        return [_fill(item, words, known, where, told) for item in value]
    if isinstance(value, Mapping):
        if ELSE in value or value and set(value) <= known:
            by = [words[word] for word in ("target", "venue", "asset") if word in words]  # not by who sends
            chosen = [value[word] for word in by if word in value] or [value.get(ELSE)]
            if chosen[0] is None:
                told.add(
                    f"{where}: given {show(dict(value))}, expected a value for {' or '.join(by)}, or else"
                )
            return _fill(chosen[0], words, known, where, told)
        return {key: _fill(item, words, known, where, told) for key, item in value.items()}
    return value

"""A scenario: one TOML file, checked as a whole, every fault reported at once.

The tables are ``clock, assets, contracts, venues.NAME, network, population.NAME, record, targets``, the
only exogenous inputs ``[[news]]`` and ``[[network.events]]``, and ``[[interventions]]``, what a researcher changes in
the middle of a run.  Each part declares its own parameters beside
its code (``abm.venue``, ``abm.network``, the species); this module composes them.  A scenario file never
runs code.

Example::

    scenario = load("two_venues", [("venues.*.fees.taker", "0.0004"), ("news.0.size", "-0.08")])
    print(dump(scenario))               # the resolved file; loads() gives the same scenario again
"""

from __future__ import annotations

import copy
import tomllib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import tomli_w
from pydantic import BaseModel, ValidationError

from abm.network import NetworkParameters
from abm.parameters import Frozen, parameter
from abm.venue import Asset, Clock, Contract, News, VenueRules
from experiments import network_file, paths, position_table, rulebook
from experiments.checks import check
from experiments.faults import ParameterRow, ScenarioError, in_words, meant, place, rows, show, untagged
from experiments.opening import Opening
from experiments.without import leave_out

SCENARIOS = Path(__file__).parent / "scenarios"
ACCOUNTS = "accounts"  # population.accounts: a table of positions for the whole crowd

__all__ = [
    "Population",
    "Record",
    "Scenario",
    "ScenarioError",
    "Targets",
    "dump",
    "load",
    "loads",
    "markdown",
    "parameter_table",
]


class Record(Frozen):
    """What a run keeps."""

    every: int = parameter(1, "Record every this many steps", unit="steps", ge=1, le=100_000)
    books: str | tuple[str, ...] = parameter(
        "all", 'Books to record, names such as "alpha:BTC-PERP", or "all"'
    )
    fills: bool = parameter(False, "Keep every fill with its cause (a few hundred MB for a long run)")
    quotes: tuple[str, ...] = parameter(
        (), "Participants whose best quotes and inventory are kept at every recorded step"
    )
    levels: tuple[str, ...] = parameter(
        (), "Books whose best 20 price levels a side are kept at every recorded step"
    )
    accounts_at: tuple[float | str, ...] = parameter(
        ("start", "end"),
        'When to keep all accounts: "start", "end" or seconds from the start',
        unit="seconds",
    )


class Absorption(Frozen):
    """A liquidation that the venue takes over at mark instead of sending it into the book."""

    row: int = parameter(..., "Account, by its row in the run's tables of accounts and events", ge=0)
    time: float = parameter(..., "End of the step in which it would be liquidated", unit="seconds", ge=0)


class Change(Frozen):
    """An intervention: what is different from a time on. Several act in the order of their times."""

    at: float = parameter(..., "When: after the step that ends then", unit="seconds from the start", ge=0)
    set: dict[str, Any] = parameter({}, "Rules and numbers by path, as with --set")
    remove: tuple[str, ...] = parameter(
        (), "Owners who leave: their orders end, the venues take their positions at mark"
    )
    absorb: tuple[Absorption, ...] = parameter((), "Liquidations that are absorbed at mark")


class Targets(Frozen):
    """Which measured facts the run is held against."""

    file: str = parameter(..., "Group of rows of the target file in experiments/reference")


class Population(Frozen):
    """One participant: a species, its parameters, and how its accounts open."""

    species: str = parameter(
        ..., 'A species: a name of agents.SPECIES, or "file:Class" of a file named --with'
    )
    parameters: Any = parameter(..., "The species' own parameters")
    opening: Any = parameter(None, "Accounts, money and positions at the opening")


class Scenario(Frozen):
    """A whole scenario, resolved and checked."""

    title: str = parameter("", "One line for people")
    clock: Clock = parameter(..., "Time")
    assets: dict[str, Asset] = parameter({}, "What can be owned")
    contracts: dict[str, Contract] = parameter({}, "Coins and their terms")
    venues: dict[str, VenueRules] = parameter({}, "Exchanges")
    network: NetworkParameters = parameter(NetworkParameters(), "Transfers between venues")
    news: tuple[News, ...] = parameter((), "Exogenous news")
    population: dict[str, Population] = parameter({}, "Participants, in the order in which they decide")
    interventions: tuple[Change, ...] = parameter((), "What is changed while the run goes on")
    record: Record = parameter(Record(), "What the run keeps")
    targets: Targets | None = parameter(None, "What the run is held against; absent = no card")


def load(
    name_or_path: str | Path, overrides: Iterable[tuple[str, str]] = (), files: Iterable[str | Path] = ()
) -> Scenario:
    """Read a scenario by name (in ``experiments/scenarios``) or path, apply overrides, check everything.

    Args:
        name_or_path: ``"two_venues"`` or ``"my/file.toml"``.
        overrides: (path, value) pairs as of ``--set path=value``; ``*`` in a path stands for every entry,
            ``@noise`` for every entry of the species noise, a number for the place in a list; the value is
            TOML, else a text (`experiments.paths`).
        files: the user's own Python files, in which the scenario may name a species as ``"file:Class"``.

    Raises:
        ScenarioError: with every fault found.
    """
    faults: list[str] = []
    if files:
        from experiments import extensions

        faults = extensions.take(files)
    path = Path(name_or_path)
    if path.suffix != ".toml" and not path.is_file():
        path = SCENARIOS / f"{name_or_path}.toml"
    if not path.is_file():
        names = sorted(file.stem for file in SCENARIOS.glob("*.toml"))
        raise ScenarioError(
            [
                *faults,
                f"scenario: given {show(str(name_or_path))}, no such file or name, {meant(path.stem, names)}",
            ]
        )
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ScenarioError([*faults, f"{path}: expected a readable UTF-8 text file: {error}"]) from error
    return loads(text, overrides, str(path), faults, path.parent)


def loads(
    text: str,
    overrides: Iterable[tuple[str, str]] = (),
    origin: str = "scenario",
    faults: Iterable[str] = (),
    beside: Path | None = None,
) -> Scenario:
    """The same from the text of a TOML file; `faults` already found are told with its own. Tables of positions that are
    not where it says are looked for `beside` it."""
    faults = list(faults)
    raw = raw_tables(text, origin, faults)
    for path, value in overrides:
        faults += paths.override(raw, path, value)
        _open_crowds(raw)
    scenario, more = resolve(raw, beside)
    faults += more
    if faults or scenario is None:
        raise ScenarioError(dict.fromkeys(faults))
    return scenario


def raw_tables(text: str, origin: str = "scenario", faults: Iterable[str] = ()) -> dict[str, Any]:
    """The raw tables of a scenario's text, on top of its base: what `paths.put` changes and `resolve` checks."""
    try:
        raw = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ScenarioError([*faults, f"{origin}: expected valid TOML: {error}"]) from error
    if "base" in raw or "without" in raw:
        raw = _on_its_base(raw, origin, faults)
    _open_crowds(raw)
    return raw


def _on_its_base(raw: dict[str, Any], origin: str, faults: Iterable[str]) -> dict[str, Any]:
    """The tables of the scenario that `base` names, with this file's own on top: what a file says counts.

    Tables are joined, everything else (numbers, texts, lists) is replaced. What a base is held against stays its own.
    A base may have a base, but not begin with itself.
    """
    chain: list[Any] = []
    if "without" in raw:
        return _without(raw, origin, faults)
    while "base" in raw:
        base = raw.pop("base")
        path = SCENARIOS / f"{base}.toml"
        names = sorted(file.stem for file in SCENARIOS.glob("*.toml"))
        if not isinstance(base, str) or not path.is_file():
            raise ScenarioError([*faults, f"{origin}: base: given {show(base)}, {meant(str(base), names)}"])
        if base in chain:
            raise ScenarioError(
                [*faults, f"{origin}: base: {' -> '.join([*chain, base])} begins with itself"]
            )
        chain.append(base)
        below = tomllib.loads(path.read_text(encoding="utf-8"))
        below.pop("targets", None)
        raw = {"base": below.pop("base")} | _joined(below, raw) if "base" in below else _joined(below, raw)
    return raw


def _without(raw: dict[str, Any], origin: str, faults: Iterable[str]) -> dict[str, Any]:
    """The same, with the coins and venues that `without` names taken out of the base."""
    if "base" not in raw:
        raise ScenarioError(
            [*faults, f"{origin}: without: expected with a base, whose coins and venues it takes out"]
        )
    own = {name: value for name, value in raw.items() if name not in ("base", "without")}
    below = _on_its_base({"base": raw["base"]}, origin, faults)
    wrong = leave_out(below, raw["without"], origin)
    if wrong:
        raise ScenarioError([*faults, *wrong])
    return _joined(below, own)


def _joined(below: Mapping[str, Any], above: Mapping[str, Any]) -> dict[str, Any]:
    both = dict(below)
    for name, value in above.items():
        old = both.get(name)
        both[name] = _joined(old, value) if isinstance(old, dict) and isinstance(value, dict) else value
    return both


def dump(scenario: Scenario) -> str:
    """The resolved scenario as TOML: every parameter written out; ``loads`` gives an equal scenario."""
    return tomli_w.dumps(plain(scenario))


def plain(scenario: Scenario) -> dict[str, Any]:
    """The resolved scenario as the tables of its TOML file (dicts, lists, numbers, texts, UTC times)."""
    raw = _tables(scenario)
    assert isinstance(raw, dict)
    for entry in raw["population"].values():
        entry.update(entry.pop("parameters"))
    return raw


def _tables(value: Any) -> Any:
    if isinstance(value, BaseModel):
        fields = type(value).model_fields
        pairs = {(field.alias or name): getattr(value, name) for name, field in fields.items()}
        return {name: _tables(item) for name, item in pairs.items() if item is not None}
    if isinstance(value, Mapping):
        return {key: _tables(item) for key, item in value.items() if item is not None}
    if isinstance(value, (list, tuple, set, frozenset)):
        return [_tables(item) for item in value]
    return value


def resolve(raw: Mapping[str, Any], beside: Path | None = None) -> tuple[Scenario | None, list[str]]:
    """Check raw tables; the scenario (None if it cannot be built) and all faults.

    Where a table has faults, the rest is still checked against each other, without what is wrong.
    """
    tables = copy.deepcopy(dict(raw))
    tables.pop("population", None)
    entries, faults = _population(raw.get("population", {}), beside)
    faults += rulebook.apply(tables.get("venues"))
    faults += network_file.apply(tables.get("network"))
    scenario: Scenario | None = None
    dropped: set[tuple[Any, ...]] = set()
    for _ in range(100):  # each round takes out what is wrong and looks again for what only then can be seen
        try:
            scenario = Scenario.model_validate(tables)
            break
        except ValidationError as error:
            faults += in_words(error, Scenario, skip=dropped)
            places = (untagged(Scenario, tuple(fault["loc"])) for fault in error.errors())
            wrong = {_wrong(tables, where) for where in places} - {()}
            if not wrong:
                break
            for where in sorted(wrong, key=_order, reverse=True):  # the last of a list first
                _drop(tables, where)
            dropped |= wrong
    if scenario is None:
        return None, faults
    scenario = scenario.model_copy(update={"population": entries})
    known = {name: set(raw.get(name) or ()) for name in paths.NAMED}
    faults += [fault for fault in check(scenario, known) if fault not in faults]
    if scenario.interventions and not faults:
        from experiments import interventions

        faults += interventions.faults(scenario)
    return scenario, faults


def _order(where: tuple[Any, ...]) -> list[tuple[int, Any]]:
    return [(0, key) if isinstance(key, int) else (1, str(key)) for key in where]


def _wrong(tables: Any, where: tuple[Any, ...]) -> tuple[Any, ...]:
    """The place to take out for a fault at `where`: itself, or what it is missing in; () if there is none."""
    table, reached = tables, 0
    for key in where:
        if isinstance(table, dict) and key in table or isinstance(table, list) and isinstance(key, int):
            table, reached = table[key], reached + 1
        else:
            break
    return where[:reached]


def _drop(tables: Any, where: tuple[Any, ...]) -> None:
    for key in where[:-1]:
        if not (isinstance(tables, dict) and key in tables or isinstance(tables, list)):
            return
        tables = tables[key]
    if isinstance(tables, dict):
        tables.pop(where[-1], None)
    else:
        del tables[where[-1]]


def _from_data(opening: Opening, where: str, beside: Path | None) -> tuple[Opening, list[str]]:
    """An opening from a table of positions, with the table's place and digest; its faults."""
    found = position_table.find(opening.file, beside)
    if found is None:
        return opening, [f"{where}.file: given {show(opening.file)}, no such file"]
    sha256 = position_table.digest(found)
    if opening.sha256 not in ("", sha256):
        return opening, [
            f"{where}.file: given {show(opening.file)}, whose SHA-256 is no longer that of sha256"
        ]
    return opening.model_copy(update={"file": str(found), "sha256": sha256}), []


def _open_crowds(raw: dict[str, Any]) -> None:
    """`population.accounts = FILE`: the accounts of a table, as leveraged longs and leveraged shorts."""
    population = raw.get("population")
    if not (isinstance(population, dict) and isinstance(population.get(ACCOUNTS), str)):
        return
    file = population.pop(ACCOUNTS)
    for side in ("long", "short"):
        opening = {"kind": "file", "file": file, "which": side}
        population[f"{ACCOUNTS}_{side}"] = {"species": f"leveraged_{side}", "opening": opening}


def _population(raw: Any, beside: Path | None = None) -> tuple[dict[str, Population], list[str]]:
    """The participants: each entry's keys are `species`, `opening` and the species' own parameters."""
    from experiments import extensions

    entries: dict[str, Population] = {}
    faults: list[str] = []
    if not isinstance(raw, Mapping):
        return {}, [f"population: given {show(raw)}, expected tables [population.NAME]"]
    for name, table in raw.items():
        where = ("population", name)
        if not isinstance(table, Mapping):
            faults.append(f"{place(where)}: given {show(table)}, expected a table")
            continue
        own = dict(table)
        species, opening = own.pop("species", None), own.pop("opening", None)
        parameters = model = None
        try:
            model = extensions.species(str(species)).Parameters
            parameters = model.model_validate(own)
        except LookupError as error:
            given = "nothing given" if species is None else f"given {show(species)}"
            faults.append(f"{place(where)}.species: {given}, {error.args[0]}")
        except ValidationError as error:
            assert model is not None
            faults += in_words(error, model, where)
        try:
            opened = None if opening is None else Opening.model_validate(opening)
        except ValidationError as error:
            faults += in_words(error, Opening, (*where, "opening"))
            opened = None
        if opened is not None and opened.kind == "file":
            opened, more = _from_data(opened, f"{place(where)}.opening", beside)
            faults += more
        if parameters is not None:
            entries[name] = Population(species=species, parameters=parameters, opening=opened)
    return entries, faults


def parameter_table(scenario: Scenario | None = None) -> list[ParameterRow]:
    """Every parameter with unit, range and source: the values of a scenario, or all defaults.

    In the table of defaults NAME stands for a free name and N for a place in a list.
    """
    from agents import SPECIES

    found: list[ParameterRow] = []
    sections: dict[str, Any] = {"assets": Asset, "contracts": Contract, "venues": VenueRules}
    found += rows(scenario.clock if scenario else Clock, "clock")
    for section, model in sections.items():
        named = getattr(scenario, section) if scenario else {"NAME": model}
        for name, entry in named.items():
            found += rows(entry, f"{section}.{name}")
    found += rows(scenario.network if scenario else NetworkParameters, "network")
    for i, news in enumerate(scenario.news) if scenario else [("N", News)]:
        found += rows(news, f"news.{i}")  # type: ignore[arg-type]
    for i, change in enumerate(scenario.interventions) if scenario else [("N", Change)]:
        found += rows(change, f"interventions.{i}")  # type: ignore[arg-type]
    if scenario:
        for name, entry in scenario.population.items():
            found += rows(entry.parameters, f"population.{name}")
            if entry.opening is not None:
                found += rows(entry.opening, f"population.{name}.opening")
    else:
        for species, kind in SPECIES.items():
            found += rows(kind.Parameters, f"population.NAME({species})")
        found += rows(Opening, "population.NAME.opening")
    found += rows(scenario.record if scenario else Record, "record")
    if scenario is None or scenario.targets:
        found += rows(scenario.targets if scenario and scenario.targets else Targets, "targets")
    return found


def markdown(table: Iterable[ParameterRow]) -> str:
    """A parameter table as Markdown, for the documentation."""
    lines = ["| parameter | value | unit | range | source | what it is |", "|---|---|---|---|---|---|"]
    for row in table:
        cells = [f"`{row.path}`", *(str(cell).replace("|", "\\|") for cell in row[1:])]
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"

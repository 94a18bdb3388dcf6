"""Rule books of real venues, as data: what `preset = "binance"` in a scenario's venue begins with.

A rule book is a TOML file of `experiments/rulebooks` (or any path that ends in .toml). Its tables are those of a venue;
every rule is one line that says what it is, where that is known from, and since when it holds::

    title = "Binance USD-M futures"
    date = 2025-10-10                       # in force on this day

    [sources]
    mark = "binance.com/en/support/faq/360033525071"

    [mark]
    window = { is = 30.0, source = "mark", since = 2025-09-18, says = "30 samples of one second" }

What a scenario writes beside `preset` counts instead of the rule book's line, what neither has is the default. A rule
without a source says "assumption".
"""

from __future__ import annotations

import copy
import datetime as dt
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.box import SIMPLE
from rich.console import Group
from rich.table import Table

from abm.venue import VenueRules
from experiments.faults import meant, show
from experiments.faults import rows as parameter_rows

FOLDER = Path(__file__).parent / "rulebooks"
ASSUMPTION = "assumption"
WINDOWLESS = ("fair", "oracle")  # marks without a mean
_LINE = {"is", "source", "since", "says"}


class RuleBookError(ValueError):
    """A rule book that cannot be read; one line a fault."""

    def __init__(self, faults: list[str]) -> None:
        self.faults = faults
        super().__init__("\n".join(faults))


@dataclass(frozen=True)
class Rule:
    """One line: `path` as in a venue's table, the value, its source, the day since which it holds, and what it says."""

    path: str
    value: Any
    source: str
    since: str
    says: str


@dataclass(frozen=True)
class RuleBook:
    """A venue's rules, in the order of its file."""

    name: str
    title: str
    date: dt.date
    rules: tuple[Rule, ...]

    def tables(self) -> dict[str, Any]:
        """The rules as the tables of a scenario's venue."""
        tables: dict[str, Any] = {}
        for rule in self.rules:
            *parents, last = rule.path.split(".")
            table = tables
            for parent in parents:
                table = table.setdefault(parent, {})
            table[last] = copy.deepcopy(rule.value)
        return tables


def names() -> list[str]:
    """The rule books that come with CascadeLab."""
    return sorted(path.stem for path in FOLDER.glob("*.toml"))


def read(name: str) -> RuleBook:
    """A rule book by name, or by the path of its file.

    Raises:
        RuleBookError: there is none, it is no TOML, or lines of it are no rules (all of them told at once).
    """
    path = Path(name) if name.endswith(".toml") else FOLDER / f"{name}.toml"
    if not path.is_file():
        raise RuleBookError([f"given {show(name)}, no such rule book, {meant(name, names())}"])
    try:
        raw = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise RuleBookError([f"given {show(name)}, expected readable TOML: {error}"]) from error
    title, date, sources = raw.pop("title", ""), raw.pop("date", None), raw.pop("sources", {})
    faults = [] if isinstance(date, dt.date) else [f"{path.name}: date: expected a day such as 2025-10-10"]
    if not isinstance(sources, Mapping) or not all(isinstance(text, str) for text in sources.values()):
        faults.append(f"{path.name}: sources: given {show(sources)}, expected a table of texts")
        sources = {}
    rules = []
    for where, line in _lines(raw, ()):
        if not isinstance(line, Mapping) or "is" not in line or set(line) - _LINE:
            faults.append(
                f"{path.name}: {where}: expected {{ is = ..., source = ..., since = ..., says = ... }}"
            )
            continue
        source = str(line.get("source", ASSUMPTION))
        if source != ASSUMPTION and source not in sources:
            faults.append(
                f"{path.name}: {where}.source: given {show(source)}, {meant(source, [*sources, ASSUMPTION])}"
            )
        since = line.get("since", "")
        if since != "" and not (isinstance(since, dt.date) and isinstance(date, dt.date) and since <= date):
            faults.append(f"{path.name}: {where}.since: given {show(since)}, expected a day up to {date}")
        rules.append(
            Rule(where, line["is"], sources.get(source, source), str(since), str(line.get("says", "")))
        )
    if faults:
        raise RuleBookError(faults)
    assert isinstance(date, dt.date)
    return RuleBook(path.stem, str(title), date, tuple(rules))


def _lines(table: Mapping[str, Any], where: tuple[str, ...]) -> Iterator[tuple[str, Any]]:
    for key, entry in table.items():
        if isinstance(entry, Mapping) and "is" not in entry and not set(entry) & {"source", "since", "says"}:
            yield from _lines(entry, (*where, key))
        else:
            yield ".".join((*where, key)), entry


def apply(venues: Any) -> list[str]:
    """Put the rules of each venue's `preset` under what its table says itself; the faults.

    Args:
        venues: the raw tables of a scenario's venues, changed in place; `preset` is gone afterwards.
    """
    faults: list[str] = []
    for name, table in venues.items() if isinstance(venues, Mapping) else ():
        if not isinstance(table, dict) or "preset" not in table:
            continue
        preset = table.pop("preset")
        if not isinstance(preset, str):
            faults.append(f"venues.{name}.preset: given {show(preset)}, expected the name of a rule book")
            continue
        try:
            book = read(preset)
        except RuleBookError as error:
            faults += [f"venues.{name}.preset: {fault}" for fault in error.faults]
            continue
        _under(table, book.tables(), {rule.path for rule in book.rules})
    return faults


def overview() -> Table:
    """All rule books in one table: how each marks, liquidates, insures and deleverages."""
    table = Table(
        "venue", "what", "in force", "mark", "liquidation", "fund", "adl: score, share, price", box=SIMPLE
    )
    for name in names():
        book = read(name)
        rules = VenueRules.model_validate({"quote": "USD", **book.tables()})
        given = {rule.path.split(".")[0] for rule in book.rules}
        cells = [
            rules.mark.rule
            if rules.mark.rule in WINDOWLESS
            else f"{rules.mark.rule}, {rules.mark.window:g} s",
            ", ".join(rules.liquidation.stages),
            f"{rules.fund.rule}",
            f"{rules.adl.score}, {rules.adl.allocate}, {rules.adl.price}",
        ]
        parts = ("mark", "liquidation", "fund", "adl")
        shown = [cell if part in given else "-" for part, cell in zip(parts, cells, strict=True)]
        table.add_row(name, book.title, str(book.date), *shown)
    return table


def described(book: RuleBook) -> Group:
    """A rule book to read: part by part, each rule in words with its source; then what is left to the defaults."""
    known = {rule.path: rule for rule in book.rules}
    told = {rule.path.split(".")[0] for rule in book.rules} | {"gateway"}
    rules = VenueRules.model_validate({"quote": "USD", **book.tables()})
    parts: dict[str, Table] = {}
    for row in parameter_rows(rules, ""):
        path = row.path.removeprefix(".")
        part, _, name = path.partition(".")
        if not name or part not in told:  # of what a venue does not have the defaults say nothing
            continue
        rule = known.get(path) or next((r for p, r in known.items() if path.startswith(p + ".")), None)
        value = f"{row.value} {row.unit}" if row.unit not in ("", "1") else row.value
        source, says = (rule.source, rule.says) if rule else (row.source, "")
        since = (f"since {rule.since}" if rule.since else f"on {book.date}") if rule else ""
        table = parts.setdefault(
            part,
            Table(
                "rule", "is", "in words", "source", "in force", title=part, title_justify="left", box=SIMPLE
            ),
        )
        words = f"{row.description}. {says[:1].upper()}{says[1:]}" if says else row.description
        table.add_row(
            name, value, words, source if rule else f"default: {source}", since, style="" if rule else "dim"
        )
    return Group(f"{book.title}, rules in force on {book.date}", *parts.values())


def _under(table: dict[str, Any], base: Mapping[str, Any], leaves: set[str], where: str = "") -> None:
    """Fill in what `table` does not have; a rule that is itself a table counts whole."""
    for key, value in base.items():
        path = where + key
        if key not in table:
            table[key] = value
        elif path not in leaves and isinstance(table[key], dict):
            _under(table[key], value, leaves, path + ".")

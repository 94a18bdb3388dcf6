"""Accounts from data: a table of positions, real or anonymised, as the opening of a population entry.

One line a position, CSV or Parquet, columns in any order:

    venue         name of a venue of the scenario
    coin          name of a contract that it lists as a perpetual
    side          long or short
    size          coins; or notional, dollars at the opening price: one of the two columns
    entry_price   quote asset
    margin        dollars behind this position; or leverage, notional at entry over margin: one of the two columns
    mode          cross (the default) or isolated
    owner         any text; the cross positions of one owner at one venue share their margin. Without it (or where it is
                  empty) every position is its owner's only one

What the table leaves of a book's open interest is held by the entries that take the rest (`rest = true`), so that long
equals short to the lot. Sizes are rounded to whole lots, nothing else is changed.
"""

from __future__ import annotations

import csv
import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from experiments.faults import meant, show
from experiments.terms import Floats, Ints, Terms

COLUMNS = ("venue", "coin", "side", "size", "notional", "entry_price", "margin", "leverage", "mode", "owner")
EITHER = (("size", "notional"), ("margin", "leverage"))
NEEDED = ("venue", "coin", "side", "entry_price")
NUMBERS = ("size", "notional", "entry_price", "margin", "leverage")
MOST_LOTS = 1e12  # of one position: no contract has as many
MOST_FAULTS = 50  # lines told of one file; a table in a wrong unit would have a million


@dataclass(frozen=True, eq=False)
class Positions:
    """A table whose every line is in order: arrays with one entry a position, in the order of the file.

    Attributes:
        venue, coin: numbers in the scenario's terms. lots: signed. price: entry. margin: dollars.
        account: number of the margin account, in the order in which they first appear.
        owner, at, alone: of the accounts: name, venue, whether isolated.
    """

    venue: Ints
    coin: Ints
    lots: Ints
    price: Floats
    margin: Floats
    account: Ints
    owner: list[str]
    at: Ints
    alone: NDArray[np.bool_]


def find(file: str, beside: Path | None) -> Path | None:
    """A file as named from here, or beside the scenario; None if it is in neither place."""
    folders = [Path(), *([beside] if beside is not None else [])]
    return next((folder / file for folder in folders if (folder / file).is_file()), None)


def digest(file: Path) -> str:
    """SHA-256 of a file."""
    return hashlib.sha256(file.read_bytes()).hexdigest()


@lru_cache(maxsize=8)
def _lines(file: str, sha256: str) -> tuple[list[str], list[list[Any]], int]:
    """(names, columns, number of the first line). Raises ValueError if the file is no table, or another one by now."""
    path = Path(file)
    if not path.is_file():
        raise ValueError("no such file")
    if digest(path) != sha256:
        raise ValueError("has changed since the scenario was made: another SHA-256")
    if path.suffix == ".parquet":
        import pyarrow as pa  # a scenario without such a table does not wait for this library
        import pyarrow.parquet as pq

        try:
            table = pq.read_table(path)
        except (OSError, pa.ArrowException) as error:
            raise ValueError(f"cannot be read as Parquet: {' '.join(str(error).split())[:100]}") from error
        return table.column_names, [column.to_pylist() for column in table.columns], 1
    try:
        with path.open(newline="", encoding="utf-8-sig") as text:
            rows = list(csv.reader(text))
    except (UnicodeDecodeError, csv.Error) as error:
        raise ValueError(f"cannot be read as CSV in UTF-8: {error}") from error
    names = [name.strip() for name in rows[0]] if rows else []
    wrong = [i for i, row in enumerate(rows[1:], 2) if row and len(row) != len(names)]
    if wrong:
        raise ValueError(f"line {wrong[0]}: expected {len(names)} values, as its first line has names")
    body = [row if row else [""] * len(names) for row in rows[1:]]
    while body and not any(body[-1]):
        body.pop()
    return names, [[row[i].strip() for row in body] for i in range(len(names))], 2


def read(file: str, sha256: str, t: Terms) -> tuple[Positions | None, list[str]]:
    """The positions of a file, None where it has faults, and these: "line 7, side: given ..., expected ...".

    Args:
        file: path. sha256: of the file as it was when the scenario was made.
        t: the scenario's contracts and venues.
    """
    try:
        names, columns, first = _lines(file, sha256)
    except ValueError as error:
        return None, [str(error)]
    faults = list(_wrong_columns(names))
    if faults:
        return None, faults
    line = np.arange(first, first + len(columns[0]))
    found: list[tuple[int, str]] = []
    positions = _positions(dict(zip(names, columns, strict=True)), line, t, found)
    return (None, _told(found, line)) if found else (positions, [])


def _positions(
    given: dict[str, list[Any]], line: Ints, t: Terms, found: list[tuple[int, str]]
) -> Positions | None:
    """The columns as positions; what is wrong is noted, and None if a name or number is."""
    nothing = [""] * len(line)
    value = {name: _numbers(given[name], name, found) for name in NUMBERS if name in given}
    venue = _places(given["venue"], t.venues, "venue", found)
    coin = _places(given["coin"], t.coins, "coin", found)
    side = _places(given["side"], ["short", "long"], "side", found) * 2 - 1
    mode = [text or "cross" for text in given.get("mode", nothing)]
    isolated = _places(mode, ["cross", "isolated"], "mode", found) == 1
    for i in np.flatnonzero((venue >= 0) & (coin >= 0)):
        if not t.lists_perp[venue[i], coin[i]]:
            found.append((i, f"coin: given {show(t.coins[coin[i]])}, no perpetual of {t.venues[venue[i]]}"))
    if found:
        return None
    price = value["entry_price"]
    whole = np.rint((value["size"] if "size" in value else value["notional"] / t.price[coin]) / t.lot[coin])
    for i in np.flatnonzero((whole < 1) | (whole > MOST_LOTS)):
        name = "size" if "size" in value else "notional"
        least = f"expected from one lot of {t.lot[coin[i]]:g} coins to {MOST_LOTS:.0e} lots"
        found.append((i, f"{name}: given {value[name][i]:g}, {least}"))
    lots = side * np.minimum(whole, MOST_LOTS).astype(np.int64)
    margin = value["margin"] if "margin" in value else np.abs(lots) * t.lot[coin] * price / value["leverage"]
    owners = [str(text or f"line-{line[i]}") for i, text in enumerate(given.get("owner", nothing))]
    account, heads = _accounts(owners, venue, coin, isolated, line, found)
    head = [owners[i] for i in heads]
    positions = Positions(venue, coin, lots, price, margin, account, head, venue[heads], isolated[heads])
    found += _under_water(positions, t)
    return positions


def _wrong_columns(names: list[str]) -> Iterator[str]:
    for name in names:
        if name not in COLUMNS:
            yield f"column {show(name)}: no such column, {meant(name, COLUMNS)}"
        elif names.count(name) > 1:
            yield f"column {show(name)}: given twice"
    for name in NEEDED:
        if name not in names:
            yield f"column {show(name)}: missing"
    for pair in EITHER:
        if sum(name in names for name in pair) != 1:
            yield f"columns {pair[0]}, {pair[1]}: given {sum(name in names for name in pair)}, expected one of the two"


def _numbers(texts: list[Any], name: str, found: list[tuple[int, str]]) -> Floats:
    """A column of numbers above 0; what is none is noted."""
    out = np.empty(len(texts))
    for i, text in enumerate(texts):
        try:
            out[i] = float(text)
        except (TypeError, ValueError):
            out[i] = np.nan
        if not (0 < out[i] < np.inf):
            found.append((i, f"{name}: given {show(text)}, expected a number above 0"))
    return out


def _places(texts: list[Any], known: list[str], name: str, found: list[tuple[int, str]]) -> Ints:
    """Numbers of names in a list, -1 where a name is not in it, which is noted."""
    number = {text: i for i, text in enumerate(known)}
    out = np.array([number.get(text, -1) for text in texts], np.int64).reshape(-1)
    for i in np.flatnonzero(out < 0):
        found.append((int(i), f"{name}: given {show(texts[i])}, {meant(str(texts[i]), known)}"))
    return out


def _accounts(
    owners: list[Any],
    venue: Ints,
    coin: Ints,
    isolated: NDArray[np.bool_],
    line: Ints,
    found: list[tuple[int, str]],
) -> tuple[Ints, list[int]]:
    """(margin account of every position, first position of every account); a second position in a contract is noted."""
    number: dict[tuple[Any, ...], int] = {}
    first: dict[tuple[Any, ...], int] = {}
    heads: list[int] = []
    account = np.empty(len(owners), np.int64)
    for i, owner in enumerate(owners):
        alone = int(coin[i]) if isolated[i] else -1
        key = (owner, int(venue[i]), alone)
        if key not in number:
            number[key] = len(heads)
            heads.append(i)
        account[i] = number[key]
        once = first.setdefault((*key, int(coin[i])), i)
        if once != i:
            found.append(
                (i, f"owner: {show(owner)} holds this contract on line {line[once]} too, expected one line")
            )
    return account, heads


def _under_water(p: Positions, t: Terms) -> Iterator[tuple[int, str]]:
    """Accounts at or under maintenance at the opening price: they would be liquidated before anything happens."""
    amount, n = p.lots * t.lot[p.coin], len(p.owner)
    equity = np.bincount(p.account, p.margin + amount * (t.price[p.coin] - p.price), n)
    needed = np.bincount(p.account, t.maintenance(np.abs(amount) * t.price[p.coin], p.coin, p.venue), n)
    first = np.unique(p.account, return_index=True)[1]
    for a in np.flatnonzero(equity <= needed):
        yield (
            int(first[a]),
            (
                f"margin: equity {equity[a]:.6g} of {show(p.owner[a])} at the opening price, expected above the"
                f" maintenance margin of its account, {needed[a]:.6g}"
            ),
        )


def _told(found: list[tuple[int, str]], line: Ints) -> list[str]:
    told = [f"line {line[i]}, {text}" for i, text in sorted(found, key=lambda one: one[0])]
    more = len(told) - MOST_FAULTS
    return told[:MOST_FAULTS] + ([f"and {more} lines more"] if more > 0 else [])


def beyond(p: Positions, t: Terms) -> Iterator[str]:
    """Books in which the table holds more than there is."""
    for side, sign in (("long", 1), ("short", -1)):
        held = np.zeros_like(t.lots)
        np.add.at(held, (p.venue, p.coin), np.maximum(sign * p.lots, 0))
        for v, c in np.argwhere(held > t.lots):
            yield (
                f"{t.venues[v]}:{t.coins[c]}-PERP has {held[v, c] * t.lot[c]:.10g} coins {side}, expected at most its"
                f" open interest, {t.lots[v, c] * t.lot[c]:.10g}"
            )

"""Maintenance margin by position size: the bracket tables of a contract.

Bracket ``k`` covers notionals from ``floor[k]`` (in) to ``cap[k]`` (out) and asks

    maintenance = notional * mmr[k] - cum[k]
    cum[0] = 0,  cum[k] = cum[k-1] + floor[k] * (mmr[k] - mmr[k-1])

which makes it continuous in the notional.  The recursion and the table are Binance's (USD-M leverage and
margin, binance.com/en/support/faq/b3c689c1f50a44cabb3a84e663b81d93; brackets as its API returned them on
2025-09-29, carried by the wheel ``freqtrade==2025.9``); Bybit's ``mmDeduction`` and Hyperliquid's
``maintenance_deduction`` are the same recursion.

Notionals are integers in the units of the quote asset (micro-dollars), rates integers in 1e-8.
"""

from __future__ import annotations

import csv
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

RATE = 100_000_000  # one, in rate units
OPEN_END = (
    1 << 63
) - 1  # cap of the last bracket inside the engine: a mark can lift a position past the table

DATA = Path(__file__).parent / "data"
TABLES = ("contract", "binance", "bybit", "hyperliquid", "generic")  # what a venue may choose

# Assumption: contracts of one size class share one table (max leverage, cap in dollars, mmr).
# "major" is near BTC's and ETH's, "large" is SOL's, "mid" ENA's, "small" is IOTX's (on 2025-09-29 also XPL's).
GENERIC: dict[str, tuple[tuple[int, float, float], ...]] = {
    "major": (
        (150, 300e3, 0.004),
        (100, 800e3, 0.005),
        (75, 3e6, 0.0065),
        (50, 12e6, 0.01),
        (25, 50e6, 0.02),
        (20, 80e6, 0.025),
        (10, 200e6, 0.05),
        (5, 400e6, 0.1),
        (4, 500e6, 0.125),
        (3, 700e6, 0.15),
        (2, 1e9, 0.25),
        (1, 1.5e9, 0.5),
    ),
    "large": (
        (100, 50e3, 0.005),
        (75, 400e3, 0.0065),
        (50, 1e6, 0.01),
        (25, 4e6, 0.02),
        (20, 8e6, 0.025),
        (10, 40e6, 0.05),
        (5, 80e6, 0.1),
        (4, 100e6, 0.125),
        (2, 200e6, 0.25),
        (1, 400e6, 0.5),
    ),
    "mid": (
        (75, 20e3, 0.01),
        (50, 160e3, 0.015),
        (25, 800e3, 0.02),
        (20, 1.6e6, 0.025),
        (10, 8e6, 0.05),
        (5, 16e6, 0.1),
        (4, 20e6, 0.125),
        (2, 40e6, 0.25),
        (1, 80e6, 0.5),
    ),
    "small": (
        (50, 5e3, 0.015),
        (25, 10e3, 0.02),
        (20, 25e3, 0.025),
        (10, 62.5e3, 0.05),
        (5, 125e3, 0.1),
        (4, 250e3, 0.125),
        (3, 4.5e6, 0.1667),
        (2, 7.5e6, 0.25),
        (1, 12.5e6, 0.5),
    ),
}


@dataclass(frozen=True, eq=False)
class Brackets:
    """One table, checked: all arrays int64 of shape (brackets,).

    Attributes:
        floor, cap: notional range in quote units; ``cap[k] == floor[k+1]``, the last cap is ``OPEN_END``.
        mmr: maintenance margin rate in 1e-8.
        cum: maintenance amount subtracted, quote units.
        leverage: largest leverage a user may choose (float64: Bybit has 9.5).
        limit: largest notional for which a new position is accepted (the published cap of the last one).
    """

    floor: NDArray[np.int64]
    cap: NDArray[np.int64]
    mmr: NDArray[np.int64]
    cum: NDArray[np.int64]
    leverage: NDArray[np.float64]
    limit: int

    def __len__(self) -> int:
        return len(self.floor)

    def bracket(self, notional: int) -> int:
        """Index of the bracket of a notional (quote units, >= 0)."""
        return int(np.searchsorted(self.floor, notional, side="right")) - 1

    def maintenance(self, notional: int) -> int:
        """Maintenance margin of one position in quote units: exact, slow, rounded up.

        This is the obvious form; the engine's kernel must give the same number.
        """
        if notional < 0:
            raise ValueError(f"notional {notional}: a position's size without its sign is expected")
        k = self.bracket(notional)
        amount = -(-(int(notional) * int(self.mmr[k])) // RATE) - int(self.cum[k])
        return max(amount, 0)

    def max_leverage(self, notional: int) -> float:
        """Largest leverage a user may choose at this notional."""
        return float(self.leverage[self.bracket(notional)])

    def widened(self, factor: float) -> Brackets:
        """The same rates with all bounds and maintenance amounts ``factor`` (>= 1) times as large."""

        def wide(x: NDArray[np.int64]) -> NDArray[np.int64]:
            return np.array([min(int(v * factor), OPEN_END) for v in x.tolist()], dtype=np.int64)

        floor = wide(self.floor)
        cum = [0]
        for k in range(1, len(self)):
            cum.append(cum[k - 1] + -(-int(floor[k]) * int(self.mmr[k] - self.mmr[k - 1]) // RATE))
        cap = np.append(floor[1:], OPEN_END)
        limit = int(self.limit * factor)
        return Brackets(floor, cap, self.mmr, np.array(cum, np.int64), self.leverage, limit)

    def with_fee(self, fee: float) -> Brackets:
        """The same table with the fee of closing in the maintenance margin: every rate so much higher."""
        mmr = np.minimum(self.mmr + round(fee * RATE), RATE - 1)
        return replace(self, mmr=mmr)


def from_rows(rows: Iterable[Mapping[str, Any]], unit: int, name: str = "brackets") -> Brackets:
    """Build and check one table.

    Args:
        rows: mappings with ``max_leverage, notional_floor, notional_cap, mmr`` and, if it is known, ``cum``
            (dollars; checked against the recursion), in any order.
        unit: quote units in one dollar (10**decimals).
        name: what to call the table in an error.

    Raises:
        ValueError: naming the table and bracket, where brackets do not join, a rate falls, or ``cum`` breaks
            the recursion by more than a cent (or one part in 10**6, the rounding of published tables).
    """
    rows = sorted(rows, key=lambda row: float(row["notional_floor"]))
    if not rows:
        raise ValueError(f"{name}: no brackets")
    floor = [round(float(row["notional_floor"]) * unit) for row in rows]
    cap = [round(float(row["notional_cap"]) * unit) for row in rows]
    mmr = [round(float(row["mmr"]) * RATE) for row in rows]
    leverage = [float(row["max_leverage"]) for row in rows]
    cum = [0]
    for k in range(len(rows)):
        if floor[k] != (cap[k - 1] if k else 0):
            start = rows[k]["notional_floor"]
            raise ValueError(f"{name}: bracket {k + 1} starts at {start}, the one below ends elsewhere")
        if cap[k] <= floor[k] or not 0 < mmr[k] < RATE or (k and mmr[k] <= mmr[k - 1]):
            raise ValueError(f"{name}: bracket {k + 1}: caps and rates must rise, rates lie between 0 and 1")
        if k:
            cum.append(cum[k - 1] + -(-floor[k] * (mmr[k] - mmr[k - 1]) // RATE))
        given = rows[k].get("cum")
        if given not in (None, "") and abs(float(given) * unit - cum[k]) > max(0.01 * unit, 1e-6 * cum[k]):
            raise ValueError(f"{name}: bracket {k + 1}: cum {given}, the recursion gives {cum[k] / unit}")
    return Brackets(
        floor=np.array(floor, dtype=np.int64),
        cap=np.array([*cap[:-1], OPEN_END], dtype=np.int64),
        mmr=np.array(mmr, dtype=np.int64),
        cum=np.array(cum, dtype=np.int64),
        leverage=np.array(leverage, dtype=np.float64),
        limit=cap[-1],
    )


def read(path: str | Path) -> dict[str, list[dict[str, str]]]:
    """Rows of a bracket file by symbol.

    Columns: symbol, bracket, max_leverage, notional_floor, notional_cap (dollars), mmr (share),
    cum (dollars).
    """
    tables: dict[str, list[dict[str, str]]] = {}
    with open(path, newline="", encoding="utf-8") as file:
        for row in csv.DictReader(file):
            tables.setdefault(row["symbol"], []).append(row)
    return tables


@cache
def of_venue(venue: str) -> dict[str, list[dict[str, str]]]:
    """Rows by symbol of a venue whose file is in ``abm/data`` (origin of each: ``SOURCES.md`` there)."""
    return read(DATA / f"{venue}_tiers.csv")


def choose(
    chosen: str,
    named: str,
    coin: str,
    tables: Mapping[str, Iterable[Mapping[str, Any]]] | None = None,
) -> tuple[str, Iterable[Mapping[str, Any]] | None]:
    """The table of a coin at a venue: its name, and its rows (None: the generic one of the size class).

    Args:
        chosen: what the venue says, one of ``TABLES``; "contract" = the table that the contract names.
        named: the contract's own ``brackets``, a symbol of ``tables`` or "generic".
        coin: the contract's name, by which it is looked up where the contract names no symbol. A coin that the venue's
            file lacks has what the contract names: an assumption.
        tables: Binance's rows by symbol, see ``read``.

    Raises:
        KeyError: "contract" names a symbol that is not in ``tables``.
    """
    known = dict(tables or {})
    if chosen == "contract":
        return named, None if named == "generic" else known[named]
    if chosen == "generic":
        return "generic", None
    base = coin if named == "generic" else named.removesuffix("USDT")
    rows = known if chosen == "binance" else of_venue(chosen)
    for symbol in (f"{base}USDT", base):
        if symbol in rows:
            return (symbol if chosen == "binance" else f"{chosen}/{symbol}"), rows[symbol]
    return choose("contract", named, coin, known)


def generic(size_class: str, unit: int) -> Brackets:
    """The table of a size class, for coins whose own is not known: an assumption."""
    rows: list[dict[str, float]] = []
    floor = 0.0
    for leverage, cap, mmr in GENERIC[size_class]:
        rows.append({"max_leverage": leverage, "notional_floor": floor, "notional_cap": cap, "mmr": mmr})
        floor = cap
    return from_rows(rows, unit, f"generic {size_class}")


def size_of(rows: Iterable[Mapping[str, Any]]) -> str:
    """The generic size class nearest to a real table, by the notional up to which five times leverage is allowed."""

    def reach(steps: Iterable[tuple[float, float]]) -> float:
        return math.log(max([cap for leverage, cap in steps if leverage >= 5.0], default=1.0))

    own = reach((float(row["max_leverage"]), float(row["notional_cap"])) for row in rows)
    return min(GENERIC, key=lambda name: abs(reach((x, cap) for x, cap, _ in GENERIC[name]) - own))


def table(
    name: str,
    size_class: str,
    unit: int,
    tables: Mapping[str, Iterable[Mapping[str, Any]]] | None = None,
    stands_for: float = 1.0,
    venue: str = "contract",
    coin: str = "",
    fee: float = 0.0,
) -> Brackets:
    """The table that a contract or its venue asks for (see ``choose``).

    A contract that stands for several real ones (``stands_for``) has bounds that many times wider: a maker or
    a fund with one position in each of them would otherwise be margined as if all of it were in one. The generic table
    is that of the coin's size: of its real table, where the contract names one, or else of its size class. `fee` is
    what the venue adds to every rate for closing.

    Raises:
        KeyError: the contract names a symbol that is not in ``tables``.
    """
    symbol, rows = choose(venue, name, coin, tables)
    if rows is None and name in (tables or {}):
        size_class = size_of((tables or {})[name])
    one = generic(size_class, unit) if rows is None else from_rows(rows, unit, symbol)
    one = one if stands_for == 1.0 else one.widened(stands_for)
    return one.with_fee(fee) if fee > 0 else one

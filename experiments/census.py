"""What the initial state looks like: open interest by kind of holder, and the liquidation map.

The map is what an event meets: the notional whose account would be under maintenance margin if all prices
fell by so much at once.  It is arithmetic on accounts, not a forecast: nothing trades in it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rich.box import SIMPLE_HEAD
from rich.console import Group
from rich.table import Table
from rich.text import Text

from experiments.population import Plan
from experiments.terms import Floats, Ints, Terms

FALLS = (0.02, 0.05, 0.10, 0.15, 0.20, 0.30, 0.40, 0.50, 0.60, 0.70)


@dataclass(frozen=True, eq=False)
class Census:
    """Accounts as plain arrays, dollars and coins.

    Rows (n): ``entry``, ``kind``, ``isolated``, ``venue`` (index), ``cash`` (settlement balance less the
    positions' entry value: equity = cash + value + pledges).  Positions (p): ``row``, ``coin``, ``quantity`` (signed).
    Pledges (k): ``pledge_row``, ``pledge_coin`` (-1: not a coin, or one of beta 0, which no fall reaches), ``pledge``
    (what counts of it, dollars at the opening price).
    """

    terms: Terms
    entry: NDArray[np.str_]
    kind: NDArray[np.str_]
    isolated: NDArray[np.bool_]
    venue: Ints
    cash: Floats
    row: Ints
    coin: Ints
    quantity: Floats
    pledge_row: Ints
    pledge_coin: Ints
    pledge: Floats

    def margin(self, fall: float | Floats = 0.0) -> tuple[Floats, Floats]:
        """Equity and maintenance margin of each row, prices lower by ``fall`` (one number, or by coin)."""
        t = self.terms
        price = (t.price * (1.0 - np.asarray(fall)))[self.coin]
        value = self.quantity * price
        equity = self.cash + np.bincount(self.row, value, len(self.cash))
        if len(self.pledge):
            left = np.append(np.broadcast_to(1.0 - np.asarray(fall), len(t.coins)), 1.0)[self.pledge_coin]
            equity = equity + np.bincount(self.pledge_row, self.pledge * left, len(self.cash))
        needed = np.bincount(
            self.row, t.maintenance(np.abs(value), self.coin, self.venue[self.row]), len(self.cash)
        )
        return equity, needed.astype(np.float64)

    def under(self, fall: float | Floats) -> NDArray[np.bool_]:
        """bool[p]: positions whose account is at or under maintenance margin after the fall."""
        equity, maintenance = self.margin(fall)
        bad: NDArray[np.bool_] = (equity <= maintenance)[self.row]
        return bad

    def by_book(self, weight: Floats) -> Floats:
        """float64[V, C]: sums of a weight per position."""
        v, c = len(self.terms.venues), len(self.terms.coins)
        sums = np.bincount(self.venue[self.row] * c + self.coin, weight, v * c)
        return sums.astype(np.float64).reshape(v, c)


def census(state: Plan | Any) -> Census:
    """The accounts of a plan, or of a model that keeps the plan it was opened with as ``model.opening``."""
    plan: Plan = state if isinstance(state, Plan) else state.opening
    t, n = plan.terms, len(plan.venue)
    quantity = plan.lots * t.lot[plan.coin]
    money = plan.asset == np.array(plan.quotes)[plan.venue[plan.deposit_row]]
    dollars = plan.units[money] / np.array([plan.unit[name] for name in plan.asset[money]])
    cash = np.bincount(plan.deposit_row[money], dollars, n).astype(np.float64)
    cash -= np.bincount(plan.position_row, quantity * plan.price, n)
    people = (plan.entry, plan.kind, plan.isolated, plan.venue)
    return Census(t, *people, cash, plan.position_row, plan.coin, quantity, *_pledges(plan))


def _pledges(plan: Plan) -> tuple[Ints, Ints, Floats]:
    """Deposits that count as collateral: rows, coins, dollars that count."""
    t, at = plan.terms, plan.venue[plan.deposit_row]
    counts = np.zeros(len(at))
    coin = np.full(len(at), -1, np.int64)
    for asset in {name for accepted in t.counts for name in accepted}:
        mine = (plan.asset == asset) & ~plan.isolated[plan.deposit_row]
        counts[mine] = np.array([accepted.get(asset, 0.0) for accepted in t.counts])[at[mine]]
        counts[mine] *= plan.worth[asset] / plan.unit[asset]
        if asset in t.coins and t.beta[t.coins.index(asset)] > 0:
            coin[mine] = t.coins.index(asset)
    some = np.flatnonzero(counts)
    return plan.deposit_row[some], coin[some], plan.units[some] * counts[some]


def liquidation_map(state: Plan | Any, falls: tuple[float, ...] = FALLS) -> dict[float, Floats]:
    """Long notional under maintenance margin after each fall of all prices: {fall: float64[V, C] in dollars}.

    Notional at the opening price, cumulative in the fall.
    """
    people = census(state)
    value = people.quantity * people.terms.price[people.coin]
    longs = np.maximum(value, 0.0)
    return {fall: people.by_book(np.where(people.under(fall), longs, 0.0)) for fall in falls}


def report(state: Plan | Any) -> Group:
    """Tables for the terminal: open interest by venue, by coin and type, and the liquidation map."""
    people = census(state)
    t = people.terms
    value = people.quantity * t.price[people.coin]
    longs = people.by_book(np.maximum(value, 0.0))
    perps = np.flatnonzero(t.lists_perp.any(0))
    under = liquidation_map(state)
    parts = {
        "Open interest, one side, M USD": _by_venue(t, longs, perps),
        "Who holds it, % of the side; leverage = notional over equity at the opening price": _by_entry(
            people, value, perps
        ),
        "Liquidation map: long notional under maintenance margin, % of the long side": _map(
            t, longs, under, perps
        ),
    }
    return Group(*(part for title, table in parts.items() for part in (Text(f"\n{title}", "bold"), table)))


def _by_venue(t: Terms, longs: Floats, perps: Ints) -> Table:
    table = Table(box=SIMPLE_HEAD)
    for name in ("venue", *(t.coins[c] for c in perps), "all"):
        table.add_column(name, justify="left" if name == "venue" else "right")
    for v in np.flatnonzero(t.lists_perp.any(1)):
        table.add_row(t.venues[v], *(f"{x / 1e6:,.0f}" for x in (*longs[v, perps], longs[v].sum())))
    table.add_row("all", *(f"{x / 1e6:,.0f}" for x in (*longs[:, perps].sum(0), longs.sum())))
    return table


def _by_entry(people: Census, value: Floats, perps: Ints) -> Table:
    t = people.terms
    equity, _ = people.margin()
    table = Table(box=SIMPLE_HEAD)
    coins = [t.coins[c] for c in perps]
    for name in ("side", "entry", "kind", *coins, "all", "accounts", "isolated %", "leverage 5 50 95 %"):
        table.add_column(name, justify="left" if name in ("side", "entry", "kind") else "right")
    for side, sign in (("long", 1), ("short", -1)):
        mine = np.maximum(sign * value, 0.0)
        whole = people.by_book(mine).sum(0)
        for entry in dict.fromkeys(people.entry.tolist()):
            of = (people.entry[people.row] == entry) & (mine > 0)
            if not of.any():
                continue
            part = people.by_book(np.where(of, mine, 0.0)).sum(0)
            shares = (f"{100 * part[c] / whole[c]:.1f}" if whole[c] else "-" for c in perps)
            rows = np.unique(people.row[of])
            isolated = 100 * (mine * people.isolated[people.row])[of].sum() / mine[of].sum()
            notional = np.bincount(people.row, np.abs(value), len(equity))[rows]
            levels = notional / np.maximum(equity[rows], 1e-9)
            low, middle, high = np.percentile(levels, (5, 50, 95))
            table.add_row(
                side, entry, people.kind[rows[0]], *shares, f"{100 * part.sum() / whole.sum():.1f}",
                f"{len(rows):,}", f"{isolated:.0f}", f"{low:.2g} {middle:.2g} {high:.2g}",
            )  # fmt: skip
    return table


def _map(t: Terms, longs: Floats, under: dict[float, Floats], perps: Ints) -> Table:
    table = Table(box=SIMPLE_HEAD)
    table.add_column("all prices")
    places = np.flatnonzero(t.lists_perp.any(1))
    for name in (*(t.coins[c] for c in perps), *(t.venues[v] for v in places), "all"):
        table.add_column(name, justify="right")
    table.add_column("M USD", justify="right")

    def percent(part: float, whole: float) -> str:
        return f"{100 * part / whole:.1f}" if whole else "-"

    for fall, at in under.items():
        coins = (percent(at[:, c].sum(), longs[:, c].sum()) for c in perps)
        venues = (percent(at[v].sum(), longs[v].sum()) for v in places)
        total = percent(at.sum(), longs.sum())
        table.add_row(f"-{fall:.0%}", *coins, *venues, total, f"{at.sum() / 1e6:,.0f}")
    return table

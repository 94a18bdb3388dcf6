"""Statements of account: what every row has, owes and holds at a moment, as columns (`abm.columns`)."""

from __future__ import annotations

from itertools import product
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from abm.collateral import values
from abm.margin import value_at_liquidation

if TYPE_CHECKING:
    from abm.model import CascadeModel


def statements(model: CascadeModel) -> tuple[dict[str, Any], dict[str, Any]]:
    """All accounts and all open positions as columns (see `abm.columns`)."""
    s, info = model.state, model.books
    rows = s.rows[: s.count("rows")]
    n = len(rows)
    p = s.positions[: s.count("positions")]
    p = p[p["qty"] != 0]
    scale = model.asset_scales[s.venues["settle"][rows["venue"]]]
    held = s.holdings[: s.count("holdings")]
    settles = s.venues["settle"][rows["venue"][held["row"]]] == held["asset"]
    cash, entry, value, gross, maintenance = (np.zeros(n) for _ in range(5))
    np.add.at(cash, held["row"][settles], held["amount"][settles].astype(float))
    book = p["book"]
    worth = p["qty"] * (s.books["unit"][book] * (s.books["mark"][book] / 1024.0))
    np.add.at(entry, p["row"], p["entry"].astype(float))
    np.add.at(value, p["row"], worth)
    np.add.at(gross, p["row"], np.abs(worth))
    mmr = np.zeros(len(p))
    held_in = _by_book(book, len(model.books))
    for i, mine in enumerate(held_in):
        table = _brackets(model, i)
        k = np.searchsorted(table["floor"], np.abs(worth[mine]), side="right") - 1
        mmr[mine] = np.abs(worth[mine]) * (table["mmr"][k] / 1e8) - table["cum"][k]
    np.add.at(maintenance, p["row"], mmr)
    equity = cash + value
    if s.meta["collaterals"][0]:
        equity = equity + values(s)
    coins = np.zeros(n)
    other, unit = held[~settles], worths(model) / model.asset_scales
    np.add.at(coins, other["row"], other["amount"] * unit[other["asset"]])
    for loan in model.loans.open:  # collateral is the borrower's still, the coins are the lender's
        money = s.venues["settle"][rows["venue"][loan.lender]]
        claim = loan.pledged * unit[money] - loan.principal * unit[loan.asset]
        coins[loan.borrower] += claim
        coins[loan.lender] -= claim
    accounts = {
        "row": np.arange(n, dtype=np.int32),
        "owner": np.array(rows["owner"]),
        "owner_name": np.array(rows["owner"]),
        "participant": rows["participant"].astype(np.int16),
        "venue": np.where(rows["venue"] < len(model.venue_names), rows["venue"], -1).astype(np.int16),
        "isolated": rows["only"] >= 0,
        "balance": (cash + entry) / scale,
        "equity": equity / scale,
        "maintenance": maintenance / scale,
        "leverage": gross / np.where(equity > 0, equity, np.nan),
        "notional": gross / scale,
        "coins": coins,
    }
    # equity + (value then - value now) = maintenance of the others + its own then
    budget = worth - equity[p["row"]] + maintenance[p["row"]] - mmr
    price = np.zeros(len(p))
    for (i, those), side in product(enumerate(held_in), (1, -1)):
        mine = those[np.sign(p["qty"][those]) == side]
        table = _brackets(model, i)
        value = value_at_liquidation(table["floor"], table["mmr"], table["cum"], side, side * budget[mine])
        price[mine] = value / (np.abs(p["qty"][mine]) * s.books["unit"][i]) * info.tick[i]
    quote = info.scale[book]
    positions = {
        "row": np.array(p["row"]),
        "book": book.astype(np.int16),
        "quantity": p["qty"] * info.lot[book],
        "entry_price": p["entry"] / quote / (p["qty"] * info.lot[book]),
        "mark": s.books["mark"][book] / 1024.0 * info.tick[book],
        "notional": worth / quote,
        "liquidation_price": np.where(price > 0, price, np.nan),
    }
    return accounts, positions


def _by_book(book: NDArray[Any], books: int) -> list[NDArray[np.int64]]:
    """Which lines name each book, in their order."""
    order = np.argsort(book, kind="stable")
    return np.split(order, np.searchsorted(book[order], np.arange(1, books)))


def _brackets(model: CascadeModel, book: int) -> NDArray[Any]:
    """The bracket table of a book."""
    first = int(model.state.books["bracket"][book])
    table: NDArray[Any] = model.state.brackets[first : first + int(model.state.books["brackets"][book])]
    return table


def worths(model: CascadeModel) -> NDArray[np.float64]:
    """Dollars that one of each asset is worth now: the mean mid of its spot books, else its value at the start."""
    s, info = model.state, model.books
    worth = np.array(model.asset_values)
    price = s.books["mark"] / 1024.0 * info.tick * info.dollar
    for a in range(len(worth)):
        mine = (info.kind == 1) & (info.base == a)
        if mine.any():
            worth[a] = price[mine].mean()
    return worth

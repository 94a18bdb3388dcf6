"""How a running market stands: the levels of a book, what each participant is worth, one owner's accounts.

These read the model itself, so they belong on the thread that steps it (`Session.ask`).
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from abm.model import CascadeModel
from abm.state import LEVEL_BITS, LEVEL_MASK
from abm.statements import statements, worths

Floats = NDArray[np.float64]


class Side(NamedTuple):
    """Price levels of one side of a book, the best first: price (quote), size (coins), number of orders."""

    price: Floats
    size: Floats
    orders: NDArray[np.int64]


class Ladder(NamedTuple):
    """A book at one moment: `most` levels of each side, all dollars resting on each, mark and latest trade."""

    book: str
    time: float
    bids: Side
    asks: Side
    levels: tuple[int, int]
    mark: float
    last: float
    halted: bool


def ladder(model: CascadeModel, book: str, most: int) -> Ladder:
    """The levels of a book nearest to its best prices."""
    s, info, b = model.state, model.books, model.book_id(book)
    record = s.books[b]
    first, cap = int(record["first_key"]), int(record["cap"])
    sides = []
    for sign, count, begin in ((1, int(record["n0"]), first), (-1, int(record["n1"]), first + cap)):
        keys = s.keys[begin + max(0, count - most) : begin + count][::-1]
        level = s.levels[keys & LEVEL_MASK]
        price = sign * (keys >> LEVEL_BITS) * info.tick[b]
        sides.append(Side(price, level["qty"] * info.lot[b], level["count"].astype(np.int64)))
    return Ladder(
        book, model.now / 1000.0, sides[0], sides[1], (int(record["n0"]), int(record["n1"])),
        float(record["mark"]) / 1024.0 * float(info.tick[b]), float(record["last"]) * float(info.tick[b]),
        bool(record["halted"]),
    )  # fmt: skip


def wealth(model: CascadeModel) -> Floats:
    """Dollars that the accounts of each participant hold: money, coins at spot prices, positions at their marks.

    What is on its way between venues, and what is lent, is not in it.
    """
    s, info = model.state, model.books
    who = s.rows["participant"][: s.count("rows")]
    count = len(list(model.accounts.participants))
    held = s.holdings[: s.count("holdings")]
    unit = worths(model) / model.asset_scales
    cash = np.bincount(who[held["row"]], held["amount"] * unit[held["asset"]], count)
    p = s.positions[: s.count("positions")]
    p = p[p["qty"] != 0]
    book = p["book"]
    mark = s.books["unit"][book] * (s.books["mark"][book] / 1024.0)
    value = p["qty"] * mark / info.scale[book] * info.dollar[book]
    return cash + np.bincount(who[p["row"]], value, count)


class Account(NamedTuple):
    """One row of an owner as it stands; `positions` are (book, coins, entry, mark, liquidation price)."""

    row: int
    venue: str
    isolated: bool
    balance: float
    equity: float
    maintenance: float
    leverage: float
    positions: list[tuple[str, float, float, float, float]]


def accounts_of(model: CascadeModel, owner: int) -> list[Account]:
    """The accounts of an owner now, those of venues first as they are listed."""
    accounts, positions = statements(model)
    found = []
    for at in np.flatnonzero(accounts["owner"] == owner).tolist():
        held = np.flatnonzero(positions["row"] == at)
        venue = int(accounts["venue"][at])
        found.append(
            Account(
                at,
                model.venue_names[venue] if venue >= 0 else "outside",
                bool(accounts["isolated"][at]),
                *(float(accounts[name][at]) for name in ("balance", "equity", "maintenance", "leverage")),
                [
                    (
                        model.books.name[int(positions["book"][k])],
                        *(float(positions[name][k]) for name in ("quantity", "entry_price", "mark")),
                        float(positions["liquidation_price"][k]),
                    )
                    for k in held.tolist()
                ],
            )
        )
    return found

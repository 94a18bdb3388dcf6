"""A small market on the real engine, driven message by message, and read back as plain Python.

Two venues: `alpha` lists perpetuals of BTC and ETH and BTC spot, `beta` a BTC perpetual. Prices in tests are ticks,
sizes lots, money micro-dollars. BTC trades near 1,000 ticks, so that a price of one tick and one of eight-fold are
both easy to write.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import numpy as np

from abm import margin, matching, resting, waterfall
from abm.channels import EdgeParameters, NetworkParameters
from abm.messages import CODES
from abm.model import CascadeModel
from abm.state import MESSAGE, NAMES, NONE, State
from abm.venue import Asset, Clock, Contract, VenueRules

START = datetime(2025, 1, 1, tzinfo=UTC)
TICK, LOT = 0.1, 0.001  # BTC: 100 micro-dollars a tick and lot
PERP, ETH, SPOT, OTHER = 0, 1, 2, 3  # books, in the order in which the venues list them
USDT, BTC = 0, 1
BTC_PRICE, ETH_PRICE = 1000, 500  # ticks


def small_model(
    alpha: Mapping[str, Any] | None = None,
    beta: Mapping[str, Any] | None = None,
    seed: int = 1,
    check: bool = False,
    duration: float = 3600.0,
    tables: Mapping[str, Any] | None = None,
    edges: Sequence[EdgeParameters] = (),
    decimals: int = 6,
    price_scale: float = 1.0,
    step: float = 1.0,
    network: Mapping[str, Any] | None = None,
    **contract: Any,
) -> CascadeModel:
    """Two empty venues: fields of their `VenueRules`, bracket tables by symbol, and fields of both `Contract`s.

    `network` in place of `edges`; `decimals` are those of USDT, `price_scale` what all prices and their steps are
    multiplied with.
    """
    return CascadeModel(
        Clock(start=START, duration=duration, step=step, burn_in=0.0),
        {"USDT": Asset(decimals=decimals), "BTC": Asset(decimals=8, value=100.0)},
        {
            "BTC": Contract(
                **{"price": BTC_PRICE * TICK * price_scale, "tick": TICK * price_scale, "lot": LOT} | contract
            ),
            "ETH": Contract(
                **{"price": ETH_PRICE * 0.1 * price_scale, "tick": 0.1 * price_scale, "lot": 0.01} | contract
            ),
        },
        {
            "alpha": VenueRules.model_validate(
                {"quote": "USDT", "perps": ("BTC", "ETH"), "spots": ("BTC",), "share": 0.6, "spot_share": 1.0}
                | dict(alpha or {})
            ),
            "beta": VenueRules.model_validate(
                {"quote": "USDT", "perps": ("BTC",), "share": 0.4} | dict(beta or {})
            ),
        },
        NetworkParameters(edges=tuple(edges))
        if network is None
        else NetworkParameters.model_validate(network),
        [],
        seed,
        check=check,
        brackets=tables,
    )


@dataclass
class Desk:
    """A model and the pen of a test: every message is named by its number, its order found under that name."""

    model: CascadeModel

    def __post_init__(self) -> None:
        self.state: State = self.model.state
        self.address = self.state.address
        self.sent = 0
        self.state.meta["keep_fills"] = 1

    def open(self, owner: str, venue: int = 0, cash: int = 0, coins: int = 0, **settings: Any) -> int:
        """One account with micro-dollars and coin units; returns its row."""
        row = int(self.model.accounts.open(owner, venue, "tests", **settings)[0])
        self.model.accounts.deposit([row], USDT, np.array([cash], np.int64))
        if coins:
            self.model.accounts.deposit([row], BTC, np.array([coins], np.int64))
        return row

    def name(self) -> int:
        """A new name for an order."""
        self.state.grow("refs", self.sent + 1)
        self.state.refs[self.sent] = NONE
        self.sent += 1
        self.state.meta["named"] = self.sent
        return self.sent - 1

    def place(
        self,
        row: int,
        book: int,
        side: int,
        price: int,
        qty: int,
        flags: int = 0,
        expiry: int = 0,
        kind: int = 0,
    ) -> str:
        """Send one order (price 0: market order) straight to the book; the answer in words."""
        self.model.make_room()
        ref = self.name()
        code = matching.place(self.address, row, book, side, price, qty, flags, expiry, 0, ref, kind, 0)
        return CODES[code]

    def handle(self, name: int) -> int:
        """The handle under which the order of message `name` rested, -1 if it never did."""
        return int(self.state.refs[name])

    def cancel(self, name: int) -> str:
        return CODES[resting.cancel(self.address, self.handle(name))]

    def amend(self, name: int, price: int, qty: int) -> str:
        self.model.make_room()
        return CODES[matching.amend(self.address, self.handle(name), price, qty)]

    def pass_time(self, steps: int = 1) -> None:
        """What the calendar does at the beginning of steps."""
        for _ in range(steps):
            resting.expire(self.address)
            self.state.meta["now"] += self.model.clock.step_ms

    def set_mark(self, book: int, mark_fp: int) -> None:
        """Move a mark by hand (fixed point)."""
        self.state.books["previous_mark"][book] = self.state.books["mark"][book]
        self.state.books["mark"][book] = mark_fp

    def set_brackets(self, book: int, *table: tuple[int, float, float, float]) -> None:
        """Replace a book's table of (floor in units, MMR, amount in units, initial margin rate)."""
        first = len(self.state.brackets)
        self.state.grow("brackets", first + len(table))
        for k, (floor, mmr, cum, imr) in enumerate(table):
            self.state.brackets[first + k] = floor, round(mmr * 1e8), round(cum), round(imr * 1e8)
        self.state.books["bracket"][book], self.state.books["brackets"][book] = first, len(table)

    def hold(self, book: int, entry_price: float, lots: Mapping[int, int]) -> None:
        """Positions entered in the past, by row; what does not match is held by somebody far away."""
        rest = -sum(lots.values())
        rows = list(lots)
        if rest:
            rows.append(self.open(f"other side of {book}", int(self.state.books["venue"][book]), cash=10**15))
        self.model.accounts.place(rows, book, np.array([*lots.values(), rest][: len(rows)]), entry_price)

    def margin(self, row: int) -> tuple[int, int, int]:
        """(equity, maintenance, free margin) in units."""
        equity, maintenance = margin.equity_and_maintenance_at(self.address, row)
        return int(equity), int(maintenance), int(margin.free_margin_at(self.address, row))

    def under_water(self) -> set[int]:
        """Rows that the margin index finds under maintenance; they are looked at again next time."""
        self.model.make_room()
        waterfall.find(self.address)
        return self._emptied()

    def under_water_by_full_pass(self) -> set[int]:
        waterfall.find_by_full_pass(self.address)
        return self._emptied()

    def _emptied(self) -> set[int]:
        s = self.state
        rows = [int(r) for r in s.queue[: s.count("queued")]]
        s.rows["queued"][rows] = 0
        s.meta["queued"] = 0
        if rows:
            self.model.accounts.deposit(rows, USDT, np.zeros(len(rows), np.int64))
        return set(rows)

    def batch(self, messages: np.ndarray) -> None:
        """Send messages (dtype `MESSAGE`) through the gateway in the order given and execute them."""
        s, n = self.state, len(messages)
        for table in ("inbox", "sorted"):
            s.grow(table, n)
        messages["arrive"] = self.model.now * 1000 + np.arange(n)
        messages["tie"] = 0
        s.inbox[:n] = messages
        s.meta["inbox"] = n
        np.add.at(s.rows["waiting"], messages["row"], 1)
        self.model.queue_messages()
        self.model.match()

    # ---- reading

    def tape(self) -> list[tuple[int, int, int, int, int, int]]:
        """(book, maker, taker, taker's side, price, lots) of all fills."""
        fills = self.state.fills[: self.state.count("fills")]
        return [tuple(int(f[k]) for k in ("book", "maker", "taker", "side", "price", "qty")) for f in fills]

    def queue(self, book: int, side: int) -> list[tuple[int, list[tuple[int, int]]]]:
        """Live levels of a side, best first: (price, [(row, lots) in order of priority])."""
        s = self.state
        n = int(s.books["n0" if side > 0 else "n1"][book])
        base = int(s.books["first_key"][book]) + (0 if side > 0 else int(s.books["cap"][book]))
        out = []
        for key in s.keys[base : base + n][::-1].tolist():
            level = s.levels[key & 0xFFFFFF]
            orders, slot = [], int(level["head"])
            while slot != NONE:
                orders.append((int(s.orders["row"][slot]), int(s.orders["qty"][slot])))
                slot = int(s.orders["next"][slot])
            assert sum(q for _, q in orders) == level["qty"] and len(orders) == level["count"]
            out.append((side * (key >> 24), orders))
        return out

    def cash(self, row: int, asset: int = USDT) -> int:
        return self._holding(row, asset, "amount")

    def locked(self, row: int, asset: int = USDT) -> int:
        return self._holding(row, asset, "locked")

    def _holding(self, row: int, asset: int, field: str) -> int:
        h = int(self.state.rows["holdings"][row])
        while h != NONE:
            if self.state.holdings["asset"][h] == asset:
                return int(self.state.holdings[field][h])
            h = int(self.state.holdings["next"][h])
        return 0

    def place_of(self, row: int, book: int) -> int:
        """Number of the position record, -1 if there is none."""
        p = int(self.state.rows["positions"][row])
        while p != NONE and self.state.positions["book"][p] != book:
            p = int(self.state.positions["next"][p])
        return p

    def lots(self, row: int, book: int = PERP) -> int:
        p = self.place_of(row, book)
        return int(self.state.positions["qty"][p]) if p != NONE else 0

    def entry(self, row: int, book: int = PERP) -> int:
        p = self.place_of(row, book)
        return int(self.state.positions["entry"][p]) if p != NONE else 0

    def faults(self) -> list[str]:
        """What does not balance."""
        return self.model.accounts.faults(self.model.network.in_transit)

    def events(self, kind: str) -> list[dict[str, int]]:
        """Events of the step of one kind."""
        from abm.causes import EVENT_KINDS

        table = self.state.events[: self.state.count("events")]
        mine = table[table["kind"] == EVENT_KINDS.index(kind)]
        return [{k: int(e[k]) for k in e.dtype.names} for e in mine]

    def draw(self, book: int = PERP) -> str:
        """The book as a trader reads it: offers above, bids below, each queue from the left."""
        names = self.model.accounts.owner_names
        owner = self.state.rows["owner"]
        lines = []
        for side, mark in ((-1, "offer"), (1, "bid")):
            levels = self.queue(book, side)
            for price, orders in levels[::-1] if side < 0 else levels:
                lines.append(f"{mark:>5} {price} | " + " ".join(f"{names[owner[r]]}:{q}" for r, q in orders))
        return "\n".join(lines)


def messages(count: int) -> np.ndarray:
    """Empty messages without a name."""
    out = np.zeros(count, MESSAGE)
    out["ref"] = NONE
    return out


SCRATCH = {"near", "scores", "ranking", "sorted", "inbox", "fills", "levels", "requests", "queue", "touched"}
USED = {"orders", "rows", "positions", "holdings", "events"}


def state_hash(state: State) -> str:
    """Hash of all values that matter: scratch, unused room and memory addresses do not."""
    digest = hashlib.sha256()
    for name in NAMES:
        if name in SCRATCH:
            continue
        table = getattr(state, name)
        if name in USED:
            table = table[: state.count(name)]
        elif name == "refs":
            table = table[: int(state.meta["named"][0])]
        elif name == "keys":
            table = np.concatenate(
                [np.zeros(0, np.int64)] + [_live_keys(state, b) for b in range(state.count("books"))]
            )
        for field in table.dtype.names or [None]:
            if field == "address":
                continue
            column = table[field] if field else table
            digest.update(np.ascontiguousarray(column).tobytes())
    return digest.hexdigest()


def _live_keys(state: State, book: int) -> np.ndarray:
    first, cap = int(state.books["first_key"][book]), int(state.books["cap"][book])
    bids = state.keys[first:][: int(state.books["n0"][book])]
    asks = state.keys[first + cap :][: int(state.books["n1"][book])]
    return np.concatenate([bids, asks])

"""A public record and a pen made by hand: what a species sends when it sees exactly this.

`Record` stands for `abm.market.Market`, `Pen` for `Me`: quotes that are sent rest under their slots until the test
fills or moves them. Nothing matches by itself.
"""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np

from abm import random


class Record:
    """Books given as (venue, coin, kind, quote asset); one price for each, depth that is linear in the distance."""

    def __init__(
        self, books: list[tuple[str, str, str, str]], prices: list[float], depth: float = 1e8
    ) -> None:
        venues = list(dict.fromkeys(b[0] for b in books))
        coins = list(dict.fromkeys(b[1] for b in books))
        assets = list(dict.fromkeys([b[3] for b in books] + coins))
        n = len(books)
        price = np.array(prices, float)
        self.books = SimpleNamespace(
            name=[f"{v}:{c}-{k.upper()}" for v, c, k, _ in books],
            venue=np.array([venues.index(b[0]) for b in books]),
            coin=np.array([coins.index(b[1]) for b in books]),
            kind=np.array([0 if b[2] == "perp" else 1 for b in books]),
            base=np.array([assets.index(b[1]) for b in books]),
            quote=np.array([assets.index(b[3]) for b in books]),
            tick=price * 1e-6, lot=np.full(n, 0.001), taker_fee=np.full(n, 0.0005), maker_fee=np.full(n, 0.0002),
            band=np.full(n, np.inf),
            key=np.array([random.key_of(f"book {b}") for b in range(n)]),
            coin_key=np.array([random.key_of(f"coin {b}") for b in range(n)]),
            beta=np.ones(n), opening_price=price.copy(), venue_names=venues, asset_names=assets, coin_names=coins,
            coin_class=["major"] * len(coins),
        )  # fmt: skip
        self.n, self.dt, self.step, self.time = n, 1.0, 0, 0.0
        self.calm_volatility = np.full(n, 0.5 / np.sqrt(365 * 86400))
        self.volatility = self.calm_volatility.copy()
        self.open_interest = np.where(self.books.kind == 0, 1e10 / price, 0.0)
        self.volume, self.taker_buy = np.zeros(n), np.zeros(n)
        self.halted = np.zeros(n, bool)
        self.gateway_delay = np.zeros(len(venues))
        self.withdrawals_open = np.ones(len(venues), bool)
        self.funding = np.zeros(n)
        self.depth = np.full(n, depth)
        self.set(price)

    @property
    def perps(self) -> Any:
        return np.flatnonzero(self.books.kind == 0)

    @property
    def spots(self) -> Any:
        return np.flatnonzero(self.books.kind == 1)

    def set(self, price: Any) -> None:
        """Quotes 1 bp wide around these prices, depth (dollars within 1 %) on both sides."""
        price = np.broadcast_to(np.asarray(price, float), self.n)
        self.mid, self.last, self.mark, self.index = (price.copy() for _ in range(4))
        self.bid, self.ask = price * 0.99995, price * 1.00005
        self.low, self.high = np.full(self.n, np.nan), np.full(self.n, np.nan)
        coins = self.depth / price
        self.depth_bid = coins * np.array([0.5, 1.0, 2.0, 5.0])[:, None]
        self.depth_ask = self.depth_bid.copy()
        self.bid_size, self.ask_size = coins * 0.01, coins * 0.01

    def empty(self) -> None:
        """No order in any book."""
        nothing = np.full(self.n, np.nan)
        self.mid, self.bid, self.ask, self.last = (nothing.copy() for _ in range(4))
        self.depth_bid, self.depth_ask = np.zeros((4, self.n)), np.zeros((4, self.n))
        self.bid_size, self.ask_size = np.zeros(self.n), np.zeros(self.n)


class Pen:
    """Rows (owner, venue) with balances and positions that a test sets; keeps what is sent."""

    def __init__(self, record: Record, owners: list[int], venues: list[int], money: float = 1e9) -> None:
        n = len(owners)
        self.rows, self.owner, self.venue = np.arange(n), np.array(owners), np.array(venues)
        self.isolated, self.key = np.zeros(n, bool), 1000 + np.arange(n) * 7919
        self.record, self.held = record, np.zeros((n, record.n))
        self.money = np.zeros((n, len(record.books.asset_names)))
        for i, v in enumerate(venues):
            for b in np.flatnonzero(record.books.venue == v):
                self.money[i, record.books.quote[b]] = money
                if record.books.kind[b] == 1:
                    self.money[i, record.books.base[b]] = money / record.books.opening_price[b]
        self.loss, self.learned = np.zeros(n), np.zeros(n)
        self.learned_at = 0.0  # s, of all that was learned
        self.orders: list[dict[str, Any]] = []
        self.slot_price, self.slot_lots = np.zeros(0), np.zeros(0, np.int64)
        self.slot_book, self.slot_side = np.zeros(0, np.int64), np.zeros(0, np.int64)
        self.slot_row = np.zeros(0, np.int64)
        self.sent: list[tuple[int, int, int, float]] = []
        self.events: list[str] = []
        self.remarks: list[tuple[str, int, int, float]] = []
        self.late, self.shut, self.credit = np.zeros(n), False, False
        self.on_the_way: list[tuple[int, int, float]] = []  # own row, asset, amount; a test sets it
        self.step, self.time, self.dt = 0, 0.0, 1.0
        self.network = self

    # what a species may ask
    def position(self, index: Any, book: Any) -> Any:
        return self.held[index, book]

    def lots(self, index: Any, book: Any) -> Any:
        return np.rint(self.held[index, book] / 0.001).astype(np.int64)

    def balance(self, index: Any, asset: Any) -> Any:
        books, spot = self.record.books, self.record.books.kind[self.slot_book] == 1
        value = self.slot_lots * 0.001 * np.where(self.slot_side > 0, self.slot_price, 1.0) * spot
        what = np.where(self.slot_side > 0, books.quote[self.slot_book], books.base[self.slot_book])
        locked = np.zeros_like(self.money)
        np.add.at(locked, (self.slot_row, what), value)
        return np.where(np.asarray(asset) < 0, 0.0, (self.money - locked)[index, asset])

    def stock(self, index: Any, book: Any) -> Any:
        base = np.where(self.record.books.kind[book] == 1, self.record.books.base[book], -1)
        return np.where(base < 0, self.position(index, book), self.balance(index, base))

    def equity(self, index: Any = slice(None)) -> Any:
        return 1e9 - self.loss[index]

    def available(self, index: Any = slice(None)) -> Any:
        return self.equity(index)

    def waiting(self, index: Any = slice(None)) -> Any:
        return np.zeros(len(self.rows[index]), np.int64)

    def standing(self, index: Any, book: Any) -> Any:
        return self.position(index, book), self.waiting(index)

    def heard(self, index: Any = slice(None)) -> Any:
        return self.learned[index]

    def heard_at(self, index: Any = slice(None)) -> Any:
        return np.where(self.learned[index] != 0, self.learned_at, np.nan)

    def transfers(self) -> Any:
        return np.array(self.on_the_way, [("to", "i8"), ("asset", "i8"), ("amount", "f8")])

    def coming(self, index: Any, asset: Any) -> Any:
        return np.zeros(len(index))

    def debt(self, index: Any, asset: Any, recalled: bool = False) -> Any:
        return np.zeros(len(index))

    def lendable(self, index: int, asset: int) -> tuple[float, float, float]:
        return 0.0, float("nan"), float("nan")  # nobody lends here

    def overdue(self, index: Any) -> Any:
        return self.late[index]

    def delay(self, source: str, target: str, asset: int) -> float:
        return float("inf") if self.shut else 60.0

    def paid_ahead(self, index: Any = slice(None)) -> Any:
        return np.full(len(self.rows[index]), self.credit)

    def bank_shut(self, source: str, target: str, asset: int) -> bool:
        return False  # no bank on the way

    def uniform(self, purpose: str, index: Any = None, forever: bool = False) -> Any:
        keys = self.key if index is None else self.key[index]
        return random.uniform(random.stream_of(1, purpose), keys, random.FOREVER if forever else self.step)

    def shared(self, purpose: str) -> Any:
        return random.uniform(random.stream_of(1, purpose), np.zeros(1, np.int64), self.step)

    def normal(self, purpose: str, index: Any = None, forever: bool = False) -> Any:
        keys = self.key if index is None else self.key[index]
        return random.normal(random.stream_of(1, purpose), keys, random.FOREVER if forever else self.step)

    # what it may send
    def slots(self, count: int) -> int:
        first = len(self.slot_price)
        for name in ("slot_price", "slot_lots", "slot_book", "slot_side", "slot_row"):
            old = getattr(self, name)
            setattr(self, name, np.concatenate([old, np.zeros(count, old.dtype)]))
        return first

    def named(self, slots: Any) -> tuple[Any, Any]:
        lots = self.slot_lots[slots]
        return np.where(lots > 0, self.slot_price[slots], np.nan), lots

    def ladders(self, first: int, which: Any, width: int) -> tuple[Any, Any]:
        return self.named(first + which[:, None] * width + np.arange(width))

    def quote(
        self,
        index: Any,
        book: Any,
        slot: Any,
        side: Any,
        price: Any,
        quantity: Any,
        cause: str = "",
        slides: bool = False,
    ) -> None:
        for i, b, s, sd, p, q in zip(
            *np.broadcast_arrays(index, book, slot, side, price, quantity), strict=True
        ):
            self.slot_price[s], self.slot_lots[s] = p, round(q / 0.001)
            self.slot_book[s], self.slot_side[s], self.slot_row[s] = b, sd, i

    def _order(
        self, kind: str, index: Any, book: Any, side: Any, quantity: Any, price: Any, cause: str
    ) -> None:
        for i, b, s, q, p in zip(*np.broadcast_arrays(index, book, side, quantity, price), strict=True):
            self.orders.append(
                {"kind": kind, "row": int(i), "book": int(b), "side": int(s), "size": float(q), "price": float(p),
                 "cause": cause, "time": self.time}
            )  # fmt: skip

    def market_order(self, index: Any, book: Any, side: Any, quantity: Any, cause: str = "decision") -> None:
        self._order("market", index, book, side, quantity, 0.0, cause)

    def limit(
        self, index: Any, book: Any, side: Any, price: Any, quantity: Any, tif: str = "gtc", cause: str = "decision",
        **_: Any,
    ) -> None:  # fmt: skip
        self._order(tif, index, book, side, quantity, price, cause)

    def cancel_all(self, index: Any, book: Any = None) -> None:
        for b in np.flatnonzero(np.isin(self.record.books.venue, self.venue[index])):
            self.slot_lots[self.slot_book == b] = 0

    def emit(self, kind: str, index: int, amount: float = 0.0) -> None:
        self.events.append(kind)

    def observe(self, what: str, book: Any, other: Any, value: Any, rate: Any) -> None:
        for one in zip(book, other, value, strict=True):
            self.remarks.append((what, int(one[0]), int(one[1]), float(one[2])))

    def transfer(self, source: int, target: int, asset: int, amount: float, by: str = "listed") -> None:
        self.sent.append((source, target, asset, amount))

    # what a test may do
    def resting(self, book: int, side: int) -> tuple[Any, Any]:
        """(prices, coins) of the own quotes on a side, best first."""
        live = (self.slot_lots > 0) & (self.slot_book == book) & (self.slot_side == side)
        order = np.argsort(-side * self.slot_price[live])
        return self.slot_price[live][order], self.slot_lots[live][order] * 0.001

    def within(self, book: int, side: int, distance: float) -> float:
        """Dollars quoted within a distance of the mid."""
        price, coins = self.resting(book, side)
        mid = self.record.mid[book]
        return float((coins * price)[np.abs(price / mid - 1) <= distance].sum())

    def fill(self, trade: dict[str, Any]) -> None:
        """Fill an order as it was sent."""
        self.held[trade["row"], trade["book"]] += trade["side"] * trade["size"]


def run(species: Any, pen: Pen, record: Record, steps: int, fill: bool = False) -> list[dict[str, Any]]:
    """Let a species decide `steps` times in an unchanging market; returns the orders that it sent."""
    before = len(pen.orders)
    for _ in range(steps):
        sent = len(pen.orders)
        species.decide(pen, record)
        if fill:
            for trade in pen.orders[sent:]:
                if trade["kind"] != "gtc":
                    pen.fill(trade)
        pen.step += 1
        pen.time += pen.dt
        record.step, record.time = pen.step, pen.time
    return pen.orders[before:]

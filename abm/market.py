"""The public record of all venues, as old as its reader's feed.

`Market` is what a participant may see of others: prices, sizes and flows by book as float64 arrays, and what venues
publish about withdrawals and gateways. It is read-only.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Generic, TypeVar

import numpy as np
from numpy.typing import NDArray

from abm import publication
from abm.me import Me as Me
from abm.state import State

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

PERP, SPOT = 0, 1


@dataclass(frozen=True, eq=False)
class BookInfo:
    """What never changes about books: arrays with one entry a book.

    Attributes:
        name: "venue:COIN-PERP" or "venue:COIN-SPOT". key, coin_key: identities for draws, of the names of the book and
            of its coin; a book's number is its place in the scenario and means nothing.
        venue, coin, kind, base, quote: ids; kind 0 perpetual, 1 spot; a spot book of a stablecoin has a coin too.
        tick, lot: price step (quote) and size step (coins); unit: quote units a tick and lot.
        lot_base: base units a lot; scale: quote units in one of the quote asset.
        maker_fee, taker_fee: shares of value; band: how far through the mark a limit order may be, inf = no band.
        beta, calm_volatility: pre-event beta, per square root of a second.
        opening_price: price at the start. stands_for: real contracts that the coin's stands for.
    """

    name: list[str]
    key: Ints
    coin_key: Ints
    venue: Ints
    coin: Ints
    kind: Ints
    base: Ints
    quote: Ints
    tick: Floats
    lot: Floats
    unit: Ints
    lot_base: Ints
    scale: Floats
    maker_fee: Floats
    taker_fee: Floats
    band: Floats
    beta: Floats
    calm_volatility: Floats
    opening_price: Floats
    stands_for: Floats
    dollar: Floats
    coin_names: list[str]
    venue_names: list[str]
    asset_names: list[str]
    coin_class: list[str]

    def __len__(self) -> int:
        return len(self.name)

    @cached_property
    def perps(self) -> Ints:
        """Ids of the perpetual books."""
        return self._of(PERP)

    @cached_property
    def spots(self) -> Ints:
        """Ids of the spot books."""
        return self._of(SPOT)

    def _of(self, kind: int) -> Ints:
        which = np.flatnonzero(self.kind == kind)
        which.flags.writeable = False
        return which


Value = TypeVar("Value")


class Seen(Generic[Value]):
    """A part of the record that is worked out when it is first asked for, and kept.

    As `functools.cached_property`, which takes a lock each time: a step has some hundred such looks.
    """

    def __init__(self, read: Callable[[Market], Value]) -> None:
        self._read, self._name, self.__doc__ = read, read.__name__, read.__doc__

    def __get__(self, market: Market, owner: type[Market]) -> Value:
        value = market.__dict__[self._name] = self._read(market)
        return value


class Market:
    """One participant's view of the public record at one step.

    Arrays have one entry a book; prices are in the quote asset, sizes in coins, NaN = none. Depths are [4, books]:
    within 0.5, 1, 2 and 5 % of the mid.
    """

    def __init__(
        self,
        state: State,
        books: BookInfo,
        step: int,
        now: int,
        gateways: Floats,
        withdrawals_open: NDArray[np.bool_],
    ) -> None:
        self.books = books
        self.step = step
        self.time = now / 1000.0
        self.dt = float(state.meta["step_ms"][0]) / 1000.0
        self.gateway_delay, self.withdrawals_open = gateways.view(), withdrawals_open.view()
        self.gateway_delay.flags.writeable = self.withdrawals_open.flags.writeable = False
        n = len(books)
        ring = int(state.meta["ring"][0])
        first = (step % ring) * n
        self._address, self._first = state.address, first
        self._record = state.public[first : first + n]

    @Seen
    def _table(self) -> Floats:
        """The record as people read it, read-only: float64[publication.READ, books]."""
        table = np.empty((len(publication.READ), len(self.books)))
        publication.read(self._address, self._first, self.books.tick, self.books.lot, self.books.scale, table)
        table.flags.writeable = False
        return table

    def _column(self, name: str) -> Floats:
        column: Floats = self._table[publication.PLACE[name]]
        return column

    @Seen
    def bid(self) -> Floats:
        """Best bid."""
        return self._column("bid")

    @Seen
    def ask(self) -> Floats:
        """Best offer."""
        return self._column("ask")

    @Seen
    def mid(self) -> Floats:
        """Middle of bid and ask; NaN where a side is empty."""
        mid: Floats = (self.bid + self.ask) / 2.0
        mid.flags.writeable = False
        return mid

    @Seen
    def last(self) -> Floats:
        """Last trade."""
        return self._column("last")

    @Seen
    def mark(self) -> Floats:
        """Mark price (of a spot book its mid)."""
        return self._column("mark")

    @Seen
    def index(self) -> Floats:
        """Index price."""
        return self._column("index")

    @Seen
    def low(self) -> Floats:
        """Lowest trade of the step."""
        return self._column("low")

    @Seen
    def high(self) -> Floats:
        """Highest trade of the step."""
        return self._column("high")

    @Seen
    def bid_size(self) -> Floats:
        """Coins at the best bid."""
        return self._column("bid_size")

    @Seen
    def ask_size(self) -> Floats:
        """Coins at the best offer."""
        return self._column("ask_size")

    @Seen
    def depth_bid(self) -> Floats:
        """Coins bid within 0.5, 1, 2, 5 % of the mid, [4, books]."""
        first = publication.PLACE["bid0"]
        return self._table[first : first + 4]

    @Seen
    def depth_ask(self) -> Floats:
        """Coins offered within 0.5, 1, 2, 5 % of the mid, [4, books]."""
        first = publication.PLACE["ask0"]
        return self._table[first : first + 4]

    @Seen
    def volume(self) -> Floats:
        """Value traded in the step, in the quote asset."""
        return self._column("volume")

    @Seen
    def taker_buy(self) -> Floats:
        """Value that takers bought in the step."""
        return self._column("taker_buy")

    @Seen
    def open_interest(self) -> Floats:
        """Open interest in coins (0 for spot)."""
        return self._column("open_interest")

    @Seen
    def funding(self) -> Floats:
        """Last funding rate of one interval."""
        return self._column("funding")

    @Seen
    def volatility(self) -> Floats:
        """Volatility of the mid, per square root of a second, averaged with a half-life of a minute."""
        return self._column("volatility")

    @property
    def calm_volatility(self) -> Floats:
        """Volatility in calm times, per square root of a second, known before."""
        return self.books.calm_volatility

    @Seen
    def halted(self) -> NDArray[np.bool_]:
        """Books that take no orders."""
        result: NDArray[np.bool_] = self._record["halted"] != 0
        return result

    @property
    def perps(self) -> Ints:
        """Ids of the perpetual books."""
        return self.books.perps

    @property
    def spots(self) -> Ints:
        """Ids of the spot books."""
        return self.books.spots

    def book(self, venue: str, coin: str, kind: str) -> int:
        """Id of a book, e.g. book("alpha", "BTC", "perp"). Raises ValueError if there is none."""
        return self.books.name.index(f"{venue}:{coin}-{kind.upper()}")


def describe(**columns: Any) -> BookInfo:
    """Book information with all arrays made read-only."""
    for value in columns.values():
        if isinstance(value, np.ndarray):
            value.flags.writeable = False
    return BookInfo(**columns)

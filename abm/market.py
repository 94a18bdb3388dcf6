"""The public record of all venues, as old as its reader's feed.

`Market` is what a participant may see of others: prices, sizes and flows by book as float64 arrays, and what venues
publish about withdrawals and gateways. It is read-only.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from abm.me import Me as Me
from abm.state import State
from abm.units import ONE, RATE

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

PERP, SPOT = 0, 1


@dataclass(frozen=True, eq=False)
class BookInfo:
    """What never changes about books: arrays with one entry a book.

    Attributes:
        name: "venue:COIN-PERP" or "venue:COIN-SPOT".
        venue, coin, kind, base, quote: ids; kind 0 perpetual, 1 spot; a spot book of a stablecoin has a coin too.
        tick, lot: price step (quote) and size step (coins); unit: quote units a tick and lot.
        lot_base: base units a lot; scale: quote units in one of the quote asset.
        maker_fee, taker_fee: shares of value; beta, calm_volatility: pre-event beta, per square root of a second.
        opening_price: price at the start.
    """

    name: list[str]
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
    beta: Floats
    calm_volatility: Floats
    opening_price: Floats
    dollar: Floats
    coin_names: list[str]
    venue_names: list[str]
    asset_names: list[str]
    coin_class: list[str]

    def __len__(self) -> int:
        return len(self.name)


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
        self.gateway_delay = gateways
        self.withdrawals_open = withdrawals_open
        n = len(books)
        ring = int(state.meta["ring"][0])
        first = (step % ring) * n
        self._record = state.public[first : first + n]

    def _price(self, field: str, scale: float = 1.0) -> Floats:
        ticks = self._record[field]
        prices = np.where(ticks > 0, ticks * (self.books.tick * scale), np.nan)
        prices.flags.writeable = False
        return prices

    def _size(self, field: str) -> Floats:
        sizes: Floats = self._record[field] * self.books.lot
        sizes.flags.writeable = False
        return sizes

    @cached_property
    def bid(self) -> Floats:
        """Best bid."""
        return self._price("bid")

    @cached_property
    def ask(self) -> Floats:
        """Best offer."""
        return self._price("ask")

    @cached_property
    def mid(self) -> Floats:
        """Middle of bid and ask; NaN where a side is empty."""
        return (self.bid + self.ask) / 2.0

    @cached_property
    def last(self) -> Floats:
        """Last trade."""
        return self._price("last")

    @cached_property
    def mark(self) -> Floats:
        """Mark price (of a spot book its mid)."""
        return self._price("mark", 1.0 / ONE)

    @cached_property
    def index(self) -> Floats:
        """Index price."""
        return self._price("index", 1.0 / ONE)

    @cached_property
    def low(self) -> Floats:
        """Lowest trade of the step."""
        return self._price("low")

    @cached_property
    def high(self) -> Floats:
        """Highest trade of the step."""
        return self._price("high")

    @cached_property
    def bid_size(self) -> Floats:
        """Coins at the best bid."""
        return self._size("bid_size")

    @cached_property
    def ask_size(self) -> Floats:
        """Coins at the best offer."""
        return self._size("ask_size")

    @cached_property
    def depth_bid(self) -> Floats:
        """Coins bid within 0.5, 1, 2, 5 % of the mid, [4, books]."""
        return np.stack([self._size(f"bid{i}") for i in range(4)])

    @cached_property
    def depth_ask(self) -> Floats:
        """Coins offered within 0.5, 1, 2, 5 % of the mid, [4, books]."""
        return np.stack([self._size(f"ask{i}") for i in range(4)])

    @cached_property
    def volume(self) -> Floats:
        """Value traded in the step, in the quote asset."""
        result: Floats = self._record["value"] / self.books.scale
        return result

    @cached_property
    def taker_buy(self) -> Floats:
        """Value that takers bought in the step."""
        result: Floats = self._record["taker_buy"] / self.books.scale
        return result

    @cached_property
    def open_interest(self) -> Floats:
        """Open interest in coins (0 for spot)."""
        return self._size("open_interest")

    @cached_property
    def funding(self) -> Floats:
        """Last funding rate of one interval."""
        result: Floats = self._record["funding"] / RATE
        return result

    @cached_property
    def volatility(self) -> Floats:
        """Volatility of the mid, per square root of a second, averaged with a half-life of a minute."""
        return np.array(self._record["volatility"])

    @property
    def calm_volatility(self) -> Floats:
        """Volatility in calm times, per square root of a second, known before."""
        return self.books.calm_volatility

    @cached_property
    def halted(self) -> NDArray[np.bool_]:
        """Books that take no orders."""
        result: NDArray[np.bool_] = self._record["halted"] != 0
        return result

    @cached_property
    def perps(self) -> Ints:
        """Ids of the perpetual books."""
        return np.flatnonzero(self.books.kind == PERP)

    @cached_property
    def spots(self) -> Ints:
        """Ids of the spot books."""
        return np.flatnonzero(self.books.kind == SPOT)

    def book(self, venue: str, coin: str, kind: str) -> int:
        """Id of a book, e.g. book("alpha", "BTC", "perp"). Raises ValueError if there is none."""
        return self.books.name.index(f"{venue}:{coin}-{kind.upper()}")


def describe(**columns: Any) -> BookInfo:
    """Book information with all arrays made read-only."""
    for value in columns.values():
        if isinstance(value, np.ndarray):
            value.flags.writeable = False
    return BookInfo(**columns)

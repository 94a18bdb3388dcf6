"""A participant's own side of the market: its accounts, its orders, its draws, and what it sends.

Arguments are numpy arrays or single numbers and are broadcast; `index` counts the participant's own rows (0 .. n-1),
so that other accounts cannot even be named.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numba
import numpy as np
from numpy.typing import NDArray

from abm import random
from abm.accounts import holding, position
from abm.book import slot_of
from abm.causes import CAUSES, EVENT_KINDS
from abm.jit import CONSTANT, inlined, kernel, zeros
from abm.margin import equity_and_maintenance, free_margin
from abm.messages import (
    AMEND,
    CANCEL,
    CANCEL_ALL,
    FOK,
    IOC,
    LIMIT,
    MARKET,
    POST_ONLY,
    QUOTE,
    REDUCE_ONLY,
)
from abm.state import MESSAGE, NONE, SLOT_MASK, views

if TYPE_CHECKING:
    from abm.market import BookInfo
    from abm.state import State

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

_CAUSE = {name: i for i, name in enumerate(CAUSES)}
_FLAGS = {"gtc": 0, "ioc": IOC, "fok": FOK}


@kernel("void(i8,i4[::1],i4[::1],i8[::1])")
def _lots(address, rows, books, out):  # type: ignore[no-untyped-def]
    """Signed position lots of (row, book) pairs."""
    s = views(address)
    for i in range(len(rows)):
        p = position(s, rows[i], books[i])
        out[i] = s.positions[p].qty if p != NONE else 0


@kernel("void(i8,i4[::1],i4[::1],i8[::1],i8[::1])")
def _entries(address, rows, books, lots, out):  # type: ignore[no-untyped-def]
    """Lots and signed entry values of (row, book) pairs."""
    s = views(address)
    for i in range(len(rows)):
        p = position(s, rows[i], books[i])
        lots[i] = s.positions[p].qty if p != NONE else 0
        out[i] = s.positions[p].entry if p != NONE else 0


@kernel("void(i8,i4[::1],i4[::1],i8[::1],i8[::1])")
def _balances(address, rows, assets, amount, locked):  # type: ignore[no-untyped-def]
    """Wallet balance (with entry values, in the settlement asset) and locked amount of (row, asset) pairs."""
    s = views(address)
    for i in range(len(rows)):
        h = holding(s, rows[i], assets[i])
        amount[i] = s.holdings[h].amount if h != NONE else 0
        locked[i] = s.holdings[h].locked if h != NONE else 0
        if s.venues[s.rows[rows[i]].venue].settle == assets[i]:
            p = s.rows[rows[i]].positions
            while p != NONE:
                amount[i] += s.positions[p].entry
                p = s.positions[p].next


@kernel("void(i8,i4[::1],i8[::1],i8[::1],i8[::1])")
def _margins(address, rows, equity, maintenance, free):  # type: ignore[no-untyped-def]
    """Equity, maintenance and free margin of rows, in settlement units."""
    s = views(address)
    for i in range(len(rows)):
        equity[i], maintenance[i] = equity_and_maintenance(s, rows[i])
        free[i] = free_margin(s, rows[i])


@kernel(f"void(i8,i8[::1],{CONSTANT},f8[::1],i8[::1])")
def _named(address, slots, tick, price, lots):  # type: ignore[no-untyped-def]
    """Price and remaining lots of the live orders behind slots, NaN and 0 where there is none."""
    s = views(address)
    for i in range(len(slots)):
        slot = slot_of(s, s.refs[slots[i]])
        price[i] = np.nan
        lots[i] = 0
        if slot != NONE and s.orders[slot].ref == slots[i]:
            price[i] = s.orders[slot].price * tick[s.orders[slot].book]
            lots[i] = s.orders[slot].qty


@inlined
def at(column, i):  # type: ignore[no-untyped-def]
    """Entry `i` of a column, or its only one."""
    return column[i if len(column) > 1 else 0]


_MESSAGES = numba.from_dtype(MESSAGE)[::1]
_INTS, _FLOATS = numba.int64[::1], numba.float64[::1]
_GIVEN = numba.types.Array(numba.float64, 1, "C", readonly=True)


@kernel(
    numba.int64(
        _MESSAGES, numba.int64, numba.int64, numba.int32[::1], numba.int64, numba.int64, numba.boolean,
        _INTS, _INTS, _FLOATS, _FLOATS, _INTS, _INTS, _INTS, _INTS, _INTS, _GIVEN, _GIVEN,
    )
)  # fmt: skip
def _write(  # type: ignore[no-untyped-def]
    sheet, written, count, rows, op, flags, outwards, book, side, price, quantity, expiry, tag, ref, handle, kind,
    tick, lot,
):  # fmt: skip
    """Write `count` messages behind the `written` ones. Returns how many there are then.

    Columns have `count` entries or one. Prices become whole ticks, not worse than asked or rounded outwards, sizes
    whole lots. Left out: orders without a lot or a price, changes without a price; a quote without a price is taken
    away.
    """
    for i in range(count):
        b = at(book, i)
        s = at(side, i)
        ticks, lots = np.int64(0), np.int64(0)
        if op in (LIMIT, QUOTE, AMEND):
            exact = at(price, i) / tick[b]
            ticks = np.int64(NONE)
            if np.isfinite(exact):
                down = (s > 0) != outwards
                near = np.floor(exact + 1e-9) if down else np.ceil(exact - 1e-9)
                ticks = np.int64(min(max(near, 0.0), 2.0**31))
        if op in (LIMIT, QUOTE, AMEND, MARKET):
            coins = at(quantity, i) / lot[b]
            lots = np.int64(np.floor(min(coins, 1e15) + 1e-6)) if 0.0 < coins < np.inf else np.int64(0)
        if op == QUOTE:
            if ticks < 0:
                lots = np.int64(0)
            ticks = np.int64(1) if ticks < 1 else ticks
        elif (
            (op == LIMIT and (lots <= 0 or ticks <= 0))
            or (op == MARKET and lots <= 0)
            or (op == AMEND and ticks < 0)
        ):
            continue
        m = sheet[written]
        m.arrive = 0
        m.tie = 0
        m.price = ticks
        m.qty = lots
        m.expiry = at(expiry, i)
        m.cause = 0
        m.handle = at(handle, i)
        m.tag = at(tag, i)
        m.row = at(rows, i)
        m.book = b
        m.ref = at(ref, i)
        m.op = op
        m.side = s
        m.flags = flags
        m.kind = at(kind, i)
        written += 1
    return written


@kernel("i8(i8,i4,i8[::1])")
def _orders_of(address, row, out):  # type: ignore[no-untyped-def]
    """Order slots of a row, newest first. Returns how many."""
    s = views(address)
    n = 0
    slot = s.rows[row].orders
    while slot != NONE and n < len(out):
        out[n] = slot
        n += 1
        slot = s.orders[slot].row_next
    return n


@kernel("void(i8,i8,i8,i8,i8,i8)")
def _post(address, first, stream, step, now_us, latency_us):  # type: ignore[no-untyped-def]
    """Stamp the inbox's messages from `first` on: arrival at the venue's door, tie-break; count them at their rows."""
    s = views(address)
    for i in range(first, s.meta[0].inbox):
        m = s.inbox[i]
        row = s.rows[m.row]
        # by what the message is, not by how many came before it: another row's absence changes nothing
        own = row.key + 8191 * m.book + np.int32(131071 * m.ref) + m.side
        m.tie = np.int64(random.draw(stream, own, step) >> np.uint64(44))
        m.arrive = now_us + latency_us + s.venues[row.venue].latency
        row.waiting += 1


def _column(values: Any, dtype: type) -> NDArray[Any]:
    """A contiguous array of one dimension."""
    column: NDArray[Any] = np.ascontiguousarray(values, dtype)
    return column if column.ndim == 1 else column.ravel()


class Me:
    """One participant's rows and pen. The model makes it; `decide` uses it.

    Attributes:
        rows: int32[n], own rows. owner, venue: int32[n]. isolated: bool[n]. key: int64[n], stable identities.
        time: seconds since the start; step: steps since the start of the burn-in; dt: seconds.
    """

    def __init__(
        self, state: State, books: BookInfo, name: str, seed: int, rows: Any, latency_ms: float
    ) -> None:
        self._state = state
        self._books = books
        self.name = name
        self._seed = seed
        self.rows = np.ascontiguousarray(rows, np.int32)
        table = state.rows[self.rows]
        self.owner = np.array(table["owner"])
        self.venue = np.array(table["venue"])
        self.isolated = np.array(table["only"]) != NONE
        self.key = np.array(table["key"])
        self._mine = np.zeros(state.count("rows"), np.bool_)
        self._mine[self.rows] = True
        self._settle = np.array(state.venues["settle"])
        self._scale = books.scale
        self._latency_us = int(latency_ms * 1000)
        self._streams: dict[str, int] = {}
        self._sheet = zeros(256, MESSAGE)
        self._written = 0
        self.requests: list[tuple[Any, ...]] = []
        self.reports: list[tuple[str, int, float]] = []
        self.suspensions: list[tuple[int, bool]] = []
        self._heard = np.zeros(len(self.rows))
        self._heard_at = np.full(len(self.rows), np.nan)
        self._network: Any = None
        self._sent = 0
        self.time = 0.0
        self.step = 0
        self.dt = float(state.meta["step_ms"][0]) / 1000.0

    # ---- looking at oneself

    def _rows(self, index: Any) -> NDArray[np.int32]:
        if index is None:
            return self.rows
        rows = self.rows[index]
        return np.ascontiguousarray(rows) if rows.ndim else np.atleast_1d(rows)

    def _pairs(self, index: Any, other: Any) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
        rows, others = self._rows(index), np.asarray(other, np.int32)
        if others.ndim == 0:
            return rows, np.full(rows.shape, others)
        if rows.shape != others.shape:
            rows, others = np.broadcast_arrays(rows, others)
        return np.ascontiguousarray(rows), np.ascontiguousarray(others)

    def lots(self, index: Any, book: Any) -> Ints:
        """Signed position in lots of rows in books."""
        rows, books = self._pairs(index, book)
        out = np.zeros(rows.shape, np.int64).ravel()
        _lots(self._state.address, rows.ravel(), books.ravel(), out)
        return out.reshape(rows.shape)

    def position(self, index: Any, book: Any) -> Floats:
        """Signed position in coins of rows in books."""
        result: Floats = self.lots(index, book) * self._books.lot[np.asarray(book)]
        return result

    def entry_price(self, index: Any, book: Any) -> Floats:
        """Average entry price of positions; NaN where flat."""
        rows, books = self._pairs(index, book)
        lots, entry = np.zeros(rows.size, np.int64), np.zeros(rows.size, np.int64)
        _entries(self._state.address, rows.ravel(), books.ravel(), lots, entry)
        coins = lots * self._books.lot[books.ravel()]
        with np.errstate(divide="ignore", invalid="ignore"):
            price = entry / self._books.scale[books.ravel()] / coins
        return price.reshape(rows.shape)

    def balance(self, index: Any, asset: Any) -> Floats:
        """Wallet balance net of what orders lock, in the asset (name or id): what could be spent on spot."""
        rows, assets = self._pairs(index, self._asset(asset))
        amount, locked = np.zeros(rows.size, np.int64), np.zeros(rows.size, np.int64)
        _balances(self._state.address, rows.ravel(), assets.ravel(), amount, locked)
        scale = self._asset_scale[assets.ravel()]
        result: Floats = ((amount - locked) / scale).reshape(rows.shape)
        return result

    def margin(self, index: Any = None) -> tuple[Floats, Floats]:
        """(equity, maintenance margin) at the venue's marks of now, in the settlement asset."""
        rows, equity, maintenance, _ = self._margins(index)
        scale = self._asset_scale[self._settle[self._state.rows["venue"][rows]]]
        return equity / scale, maintenance / scale

    def equity(self, index: Any = None) -> Floats:
        """Balance plus positions at mark, in the settlement asset."""
        return self.margin(index)[0]

    def available(self, index: Any = None) -> Floats:
        """Free margin for new orders, in the settlement asset."""
        rows, _, _, free = self._margins(index)
        result: Floats = free / self._asset_scale[self._settle[self._state.rows["venue"][rows]]]
        return result

    def _margins(self, index: Any) -> tuple[Any, Ints, Ints, Ints]:
        rows = np.array(self._rows(index), np.int32)
        out = [np.zeros(len(rows), np.int64) for _ in range(3)]
        _margins(self._state.address, rows, *out)
        return rows, out[0], out[1], out[2]

    @property
    def _asset_scale(self) -> Floats:
        return self._scales

    def set_assets(self, names: list[str], scales: Floats) -> None:
        """Tell asset names and units (the model does)."""
        self._asset_names = {name: i for i, name in enumerate(names)}
        self._scales = scales

    def _asset(self, asset: Any) -> Any:
        return self._asset_names[asset] if isinstance(asset, str) else asset

    def waiting(self, index: Any = None) -> Ints:
        """Own messages that the gateways have not accepted yet, by row."""
        result: Ints = self._state.rows["waiting"][self._rows(index)].astype(np.int64)
        return result

    def changed(self, since: float) -> NDArray[np.bool_]:
        """bool[n]: whether the balance or a position of each own row has changed after a time (s since the start)."""
        result: NDArray[np.bool_] = self._state.changed[self.rows] > since * 1000.0
        return result

    def open_orders(self, index: Any = None) -> NDArray[Any]:
        """Own resting orders: handle, index, book, side, price, lots, tag."""
        kind = np.dtype(
            [
                ("handle", "i8"), ("index", "i4"), ("book", "i4"), ("side", "i1"), ("price", "f8"), ("lots", "i8"),
                ("tag", "i8"),
            ]
        )  # fmt: skip
        which = (
            np.arange(len(self.rows)) if index is None else np.atleast_1d(np.arange(len(self.rows))[index])
        )
        busy = which[self._state.rows["open"][self.rows[which]] > 0]
        found: list[NDArray[Any]] = []
        for i in busy.tolist():
            buffer = np.zeros(int(self._state.rows["open"][self.rows[i]]), np.int64)
            n = _orders_of(self._state.address, self.rows[i], buffer)
            orders = self._state.orders[buffer[:n]]
            part = np.zeros(n, kind)
            part["handle"] = (orders["gen"] << 24) | buffer[:n]
            part["index"] = i
            for field in ("book", "side", "tag"):
                part[field] = orders[field]
            part["lots"] = orders["qty"]
            part["price"] = orders["price"] * self._books.tick[orders["book"]]
            found.append(part)
        return np.concatenate(found) if found else np.zeros(0, kind)

    # ---- news and draws

    def heard(self, index: Any = None) -> Floats:
        """Sum of the log changes of the fundamental (for beta one) that each row's owner has learned of."""
        return np.array(self._heard if index is None else np.atleast_1d(self._heard[index]))

    def heard_at(self, index: Any = None) -> Floats:
        """When each row's owner learned of the latest news, seconds since the start; NaN before."""
        return np.array(self._heard_at if index is None else np.atleast_1d(self._heard_at[index]))

    def learn(self, index: Ints, size: float, time: float) -> None:
        """Deliver a piece of news to rows (the model does)."""
        self._heard[index] += size
        self._heard_at[index] = time

    def _stream(self, purpose: str) -> int:
        if purpose not in self._streams:
            self._streams[purpose] = random.stream_of(self._seed, self.name, purpose)
        return self._streams[purpose]

    def _keys(self, index: Any) -> Ints:
        return self.key if index is None else np.atleast_1d(self.key[index])

    def uniform(self, purpose: str, index: Any = None, forever: bool = False) -> Floats:
        """Draws in (0, 1), one a row, of this step or (`forever`) the same at all steps."""
        return random.uniform(
            self._stream(purpose), self._keys(index), random.FOREVER if forever else self.step
        )

    def normal(self, purpose: str, index: Any = None, forever: bool = False) -> Floats:
        """Standard normal draws, one a row."""
        return random.normal(
            self._stream(purpose), self._keys(index), random.FOREVER if forever else self.step
        )

    def exponential(self, purpose: str, index: Any = None, forever: bool = False) -> Floats:
        """Exponential draws with mean one, one a row."""
        return random.exponential(
            self._stream(purpose), self._keys(index), random.FOREVER if forever else self.step
        )

    def poisson(self, purpose: str, mean: Any, index: Any = None) -> Ints:
        """Poisson counts, one a row."""
        return random.poisson(self._stream(purpose), self._keys(index), mean, self.step)

    # ---- sending

    @property
    def outbox(self) -> NDArray[Any]:
        """What has been sent in this step: records of `abm.state.MESSAGE`."""
        return self._sheet[: self._written]

    def _send(
        self,
        op: int,
        index: Any,
        book: Any = NONE,
        side: Any = 0,
        price: Any = 0.0,
        quantity: Any = 0.0,
        flags: int = 0,
        outwards: bool = False,
        expiry: Any = 0,
        tag: Any = 0,
        ref: Any = NONE,
        handle: Any = 0,
        kind: Any = 0,
    ) -> None:
        rows = self._rows(index)
        columns = [
            _column(book, np.int64), _column(side, np.int64), _column(price, np.float64),
            _column(quantity, np.float64), _column(expiry, np.int64), _column(tag, np.int64),
            _column(ref, np.int64), _column(handle, np.int64), _column(kind, np.int64),
        ]  # fmt: skip
        count = max(len(rows), *map(len, columns))
        if min(len(rows), *map(len, columns)) == 0:
            return
        if any(len(c) not in (1, count) for c in (rows, *columns)):
            raise ValueError(
                f"columns of {[len(rows), *map(len, columns)]} entries, expected one length or one entry"
            )
        if self._written + count > len(self._sheet):
            larger = zeros(2 * (self._written + count), MESSAGE)
            larger[: self._written] = self._sheet[: self._written]
            self._sheet = larger
        book, side, price, quantity, expiry, tag, ref, handle, kind = columns
        self._written = _write(
            self._sheet, self._written, count, rows, op, flags, outwards, book, side, price, quantity, expiry, tag,
            ref, handle, kind, self._books.tick, self._books.lot,
        )  # fmt: skip

    def post(self, stream: int, now_us: int) -> None:
        """Put what was sent into the inbox of the venues, stamped with its arrival (the model does)."""
        s = self._state
        first = s.count("inbox")
        last = first + self._written
        s.grow("inbox", last)
        s.grow("sorted", last)
        # as plain bytes: records are copied field by field
        s.inbox[first:last].view(np.uint8)[:] = self._sheet[: self._written].view(np.uint8)
        s.meta["inbox"] = last
        self._written = 0
        _post(s.address, first, stream, self.step, now_us, self._latency_us)

    def limit(
        self,
        index: Any,
        book: Any,
        side: Any,
        price: Any,
        quantity: Any,
        tif: str = "gtc",
        post_only: bool = False,
        reduce_only: bool = False,
        expire: Any = None,
        tag: Any = 0,
        cause: str = "decision",
        round: str = "in",
    ) -> None:
        """Limit orders: price in the quote asset, quantity in coins; what is below a lot or has no price is left out.

        Args:
            side: +1 buy, -1 sell. tif: "gtc", "ioc" or "fok". expire: seconds from now, None = never.
            round: to the tick "in" (buy down, sell up: never worse than asked) or "out".
        """
        flags = _FLAGS[tif] | (POST_ONLY if post_only else 0) | (REDUCE_ONLY if reduce_only else 0)
        end = 0 if expire is None else np.asarray((self.time + np.asarray(expire)) * 1000.0)
        self._send(
            LIMIT, index, book, side, price, quantity, flags, round == "out", end, tag, kind=_CAUSE[cause],
        )  # fmt: skip

    def market_order(
        self,
        index: Any,
        book: Any,
        side: Any,
        quantity: Any,
        reduce_only: bool = False,
        cause: str = "decision",
    ) -> None:
        """Market orders (quantity in coins): take what is there within the venue's bound, cancel the rest."""
        flags = IOC | (REDUCE_ONLY if reduce_only else 0)
        self._send(MARKET, index, book, side, 0.0, quantity, flags, kind=_CAUSE[cause])

    def quote(
        self, index: Any, book: Any, slot: Any, side: Any, price: Any, quantity: Any, cause: str = "quote"
    ) -> None:
        """Place or change the order named by a slot (post-only); quantity 0 takes it away."""
        self._send(QUOTE, index, book, side, price, quantity, POST_ONLY, ref=slot, kind=_CAUSE[cause])

    def cancel(self, handles: Any) -> None:
        """Cancel own orders by handle; a stale handle is refused without harm."""
        handles = np.atleast_1d(np.asarray(handles, np.int64))
        index, mine = self._behind(handles)
        self._send(CANCEL, index[mine], handle=handles[mine])

    def cancel_all(self, index: Any = None, book: Any = None) -> None:
        """Cancel all orders of rows, in one book or in all."""
        self._send(CANCEL_ALL, index, NONE if book is None else book)

    def cancel_owner(self, owner: Any) -> None:
        """Cancel all orders of owners (numbers as in `me.owner`), at every venue where they have an account."""
        self.cancel_all(np.flatnonzero(np.isin(self.owner, owner)))

    def replace(self, handles: Any, price: Any, quantity: Any) -> None:
        """Amend own orders: smaller at the same price keeps its place, anything else queues anew."""
        handles = np.atleast_1d(np.asarray(handles, np.int64))
        price, quantity = (
            np.broadcast_to(np.asarray(x, np.float64), handles.shape) for x in (price, quantity)
        )
        index, mine = self._behind(handles)
        orders = self._state.orders[handles[mine] & SLOT_MASK]
        book, side = orders["book"], orders["side"]
        self._send(AMEND, index[mine], book, side, price[mine], quantity[mine], handle=handles[mine])

    def _behind(self, handles: Ints) -> tuple[Ints, NDArray[np.bool_]]:
        """Own index of the rows that handles belong to, and whether they are own ones at all."""
        rows = self._state.orders["row"][np.minimum(handles & SLOT_MASK, len(self._state.orders) - 1)]
        index = np.minimum(np.searchsorted(self.rows, rows), len(self.rows) - 1)
        return index, self.rows[index] == rows

    def slots(self, count: int) -> int:
        """Reserve names for `count` orders; returns the first. Call in `setup`."""
        first = int(self._state.meta["named"][0])
        self._state.grow("refs", first + count)
        self._state.refs[first : first + count] = NONE
        self._state.meta["named"] = first + count
        return first

    def named(self, slots: Any) -> tuple[Floats, Ints]:
        """(price, lots) of the own live orders behind slots; NaN and 0 where there is none."""
        which = np.ascontiguousarray(slots, np.int64)
        price, lots = np.empty(which.size), np.empty(which.size, np.int64)
        _named(self._state.address, which.ravel(), self._books.tick, price, lots)
        return price.reshape(which.shape), lots.reshape(which.shape)

    # ---- money on the move, reports

    def transfer(self, index_from: Any, index_to: Any, asset: Any, amount: Any) -> None:
        """Send amounts of an asset between own rows through the network; bounded by what may be withdrawn."""
        source, target, amounts = np.broadcast_arrays(
            self._rows(index_from), self._rows(index_to), np.asarray(amount, float)
        )
        self.requests.append((source.ravel(), target.ravel(), self._asset(asset), amounts.ravel()))

    def attach(self, network: Any) -> None:
        """Give access to what the network publishes and to own transfers (the model does)."""
        self._network = network

    def transfers(self) -> NDArray[Any]:
        """Own transfers under way: id, from, to (own indices), asset, amount, sent, due (expected), in seconds."""
        kind = np.dtype(
            [
                ("id", "i8"), ("from", "i4"), ("to", "i4"), ("asset", "i4"), ("amount", "f8"), ("sent", "f8"),
                ("due", "f8"),
            ]
        )  # fmt: skip
        if self._network is None or not self._network.in_transit.any():
            return np.zeros(0, kind)
        way = self._network.under_way()
        way = way[self._mine[way["row_from"]]]
        out = np.zeros(len(way), kind)
        out["id"] = way["id"]
        out["from"] = np.searchsorted(self.rows, way["row_from"])
        out["to"] = np.searchsorted(self.rows, way["row_to"])
        out["asset"] = way["asset"]
        out["amount"] = way["amount"] / self._scales[way["asset"]]
        out["sent"] = way["sent_ms"] / 1000.0
        out["due"] = way["expected_ms"] / 1000.0
        return out

    def overdue(self, index: Any = None) -> Floats:
        """Value-blind sum of own transfers past their expected time, by sending row, in asset units."""
        total = np.zeros(len(self.rows))
        for t in self.transfers():
            if t["due"] < self.time:
                total[t["from"]] += t["amount"]
        return total if index is None else np.atleast_1d(total[index])

    def delay(self, source: str, target: str, asset: Any) -> float:
        """Published expected seconds of a direct transfer; inf if shut or not offered."""
        if self._network is None:
            return float("inf")
        return float(self._network.published_delay(source, target, self._asset(asset)))

    @property
    def network(self) -> Me:
        """`me.network.delay(...)`: the published state of the network."""
        return self

    def emit(self, kind: str, index: int, amount: float = 0.0) -> None:
        """Report an own event (a kind of the event table, e.g. "limit_hit")."""
        if kind not in EVENT_KINDS:
            raise ValueError(f"event kind {kind!r}: one of {', '.join(EVENT_KINDS)} expected")
        self.reports.append((kind, int(index), float(amount)))

    def suspend(self, venue: int, stop: bool) -> None:
        """Stop or reopen the own venue's withdrawals (the exchange only)."""
        self.suspensions.append((int(venue), bool(stop)))

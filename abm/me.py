"""A participant's own side of the market: its accounts, its orders, its draws, and what it sends.

Arguments are numpy arrays or single numbers and are broadcast; `index` counts the participant's own rows (0 .. n-1),
so that other accounts cannot even be named.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtri

from abm import pen, random
from abm.book import slot_of
from abm.causes import CAUSES, EVENT_KINDS
from abm.jit import CONSTANT, kernel, zeros
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

_CAUSE = {name: np.array([i], np.int64) for i, name in enumerate(CAUSES)}
_FLAGS = {"gtc": 0, "ioc": IOC, "fok": FOK}


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


_ALL: Ints = np.array([NONE], np.int64)
_ZERO: Ints = np.zeros(1, np.int64)
_NOTHING: Floats = np.zeros(1)
_ROOM = 64  # messages that a new pen holds
_WAY = np.dtype(
    [
        ("id", "i8"),
        ("from", "i4"),
        ("to", "i4"),
        ("asset", "i4"),
        ("amount", "f8"),
        ("sent", "f8"),
        ("due", "f8"),
    ]
)  # an own transfer under way


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
        self._own = np.zeros(state.count("rows"), np.bool_)
        self._own[self.rows] = True
        self._settle = np.array(state.venues["settle"])
        self._scale = books.scale
        self.set_latency(latency_ms)
        self._streams: dict[str, int] = {}
        self._every = np.arange(len(self.rows))
        self._written, self._sent = zeros(_ROOM, MESSAGE), 0
        self.requests: list[tuple[Any, ...]] = []
        self.reports: list[tuple[str, int, float]] = []
        self.suspensions: list[tuple[int, bool]] = []
        self.observations: list[tuple[str, Any, Any, Any, Any]] = []
        self.remember(np.zeros(len(self.rows)), np.full(len(self.rows), np.nan))
        self._network: Any = None
        self.time = 0.0
        self.step = 0
        self.dt = float(state.meta["step_ms"][0]) / 1000.0

    # ---- looking at oneself

    def _rows(self, index: Any) -> NDArray[np.int32]:
        if index is None:
            return self.rows
        rows = self.rows[index]
        return rows if rows.ndim else np.atleast_1d(rows)

    def _index(self, index: Any) -> Ints:
        """Own rows by number, as a column."""
        if type(index) is not np.ndarray or index.dtype != np.int64:
            if index is None:
                return self._every
            index = index if isinstance(index, slice) else np.asarray(index)
            if isinstance(index, slice) or index.dtype == np.bool_:
                index = self._every[index]
        return np.ascontiguousarray(index, np.int64)

    def _pairs(self, index: Any, other: Any) -> tuple[Ints, Ints, tuple[int, ...]]:
        """Columns of own rows and of what belongs to each, and the shape to which they broadcast."""
        rows, others = self._index(index), np.ascontiguousarray(other, np.int64)
        if rows.shape == others.shape:
            shape = rows.shape
        elif rows.ndim == 1 == others.ndim and 1 in (rows.size, others.size):
            shape = others.shape if rows.size == 1 else rows.shape
        else:
            shape = np.broadcast_shapes(rows.shape, others.shape)
            rows, others = (np.ascontiguousarray(np.broadcast_to(x, shape)) for x in (rows, others))
        return (rows, others, shape) if len(shape) == 1 else (rows.ravel(), others.ravel(), shape)

    def lots(self, index: Any, book: Any) -> Ints:
        """Signed position in lots of rows in books."""
        return self._entries(index, book)[0]

    def _entries(self, index: Any, book: Any) -> tuple[Ints, Ints]:
        """Signed lots and signed entry values of rows in books."""
        rows, books, shape = self._pairs(index, book)
        lots, value = np.empty(shape, np.int64), np.empty(shape, np.int64)
        flat = (x if x.ndim == 1 else x.reshape(-1) for x in (lots, value))
        code = pen.entries(self._state.address, self.rows, rows, books, *flat)
        if code < 0:
            pen.complain(code)
        return lots, value

    def position(self, index: Any, book: Any) -> Floats:
        """Signed position in coins of rows in books."""
        return self.standing(index, book)[0]

    def standing(self, index: Any, book: Any) -> tuple[Floats, Ints]:
        """Signed position in coins of rows in books, and own messages that the gateways have not accepted yet."""
        rows, books, shape = self._pairs(index, book)
        coins, waiting = np.empty(shape), np.empty(shape, np.int64)
        flat = (coins, waiting) if coins.ndim == 1 else (coins.reshape(-1), waiting.reshape(-1))
        code = pen.standing(self._state.address, self.rows, rows, books, self._books.lot, *flat)
        if code < 0:
            pen.complain(code)
        return coins, waiting

    def stock(self, index: Any, book: Any) -> Floats:
        """Coins of rows at books: the signed position in a perpetual, what could be sold at a spot book."""
        rows, books, shape = self._pairs(index, book)
        out = np.empty(shape)
        flat = out if out.ndim == 1 else out.reshape(-1)
        code = pen.stock(self._state.address, self.rows, rows, books, self._books.lot, self._scales, flat)
        if code < 0:
            pen.complain(code)
        return out

    def entry_price(self, index: Any, book: Any) -> Floats:
        """Average entry price of positions; NaN where flat."""
        lots, entry = self._entries(index, book)
        books = np.broadcast_to(np.asarray(book, np.int64), lots.shape)
        coins = lots * self._books.lot[books]
        with np.errstate(divide="ignore", invalid="ignore"):
            price: Floats = entry / self._books.scale[books] / coins
        return price

    def balance(self, index: Any, asset: Any) -> Floats:
        """Wallet balance less what orders lock, in the asset (name or id, -1 = none): what could be spent on spot."""
        rows, assets, shape = self._pairs(index, self._asset(asset))
        out = np.empty(shape)
        flat = out if out.ndim == 1 else out.reshape(-1)
        code = pen.spendable(self._state.address, self.rows, rows, assets, self._scales, flat)
        if code < 0:
            pen.complain(code)
        return out

    def margin(self, index: Any = None) -> tuple[Floats, Floats]:
        """(equity, maintenance margin) at the venue's marks of now, in the settlement asset."""
        rows = self._index(index)
        equity, maintenance = np.empty(len(rows)), np.empty(len(rows))
        code = pen.margins(self._state.address, self.rows, rows, self._row_scale, equity, maintenance)
        if code < 0:
            pen.complain(code)
        return equity, maintenance

    def equity(self, index: Any = None) -> Floats:
        """Balance plus positions at mark, in the settlement asset."""
        return self.margin(index)[0]

    def available(self, index: Any = None) -> Floats:
        """Free margin for new orders, in the settlement asset."""
        rows = self._index(index)
        out = np.empty(len(rows))
        code = pen.free(self._state.address, self.rows, rows, self._row_scale, out)
        if code < 0:
            pen.complain(code)
        return out

    def set_assets(self, names: list[str], scales: Floats) -> None:
        """Tell asset names and units (the model does)."""
        self._asset_names = {name: i for i, name in enumerate(names)}
        self._scales = scales
        self._row_scale = scales[self._settle[self.venue]].astype(np.float64)

    def _asset(self, asset: Any) -> Any:
        return self._asset_names[asset] if isinstance(asset, str) else asset

    def insures(self, book: Ints) -> NDArray[np.bool_]:
        """bool[n, books]: which own rows are the pools that insure these contracts; for who runs venues."""
        pools: NDArray[np.bool_] = self._state.books["fund"][book][None, :] == self.rows[:, None]
        return pools

    def waiting(self, index: Any = None) -> Ints:
        """Own messages that the gateways have not accepted yet, by row."""
        rows = self._index(index)
        out = np.empty(len(rows), np.int64)
        code = pen.waiting(self._state.address, self.rows, rows, out)
        if code < 0:
            pen.complain(code)
        return out

    def changed(self, since: float, news: bool = False) -> NDArray[np.bool_]:
        """bool[n]: whether the balance or a position of each own row has changed after a time (s since the start).

        Args:
            news: count what the row's owner has heard since then as a change.
        """
        out = np.empty(len(self.rows), np.bool_)
        pen.changed(self._state.address, self.rows, self._heard_at, since, since if news else np.inf, out)
        return out

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
        """Sum of the log changes of the fundamental (for beta one) that each row's owner has learned of; of all rows a
        table that goes on changing as they learn."""
        return self._heard_now[0] if index is None else np.array(np.atleast_1d(self._heard[index]))

    def heard_at(self, index: Any = None) -> Floats:
        """When each row's owner learned of the latest news, seconds since the start; NaN before."""
        return self._heard_now[1] if index is None else np.array(np.atleast_1d(self._heard_at[index]))

    def learn(self, index: Ints, size: float, time: float) -> None:
        """Deliver a piece of news to rows (the model does)."""
        self._heard[index] += size
        self._heard_at[index] = time

    def remember(self, heard: Floats, heard_at: Floats) -> None:
        """What rows have heard, as it was saved (the model does)."""
        self._heard, self._heard_at = np.array(heard), np.array(heard_at)
        self._heard_now = self._heard.view(), self._heard_at.view()
        for table in self._heard_now:
            table.flags.writeable = False

    def _stream(self, purpose: str) -> int:
        if purpose not in self._streams:
            self._streams[purpose] = random.stream_of(self._seed, self.name, purpose)
        return self._streams[purpose]

    def uniform(self, purpose: str, index: Any = None, forever: bool = False) -> Floats:
        """Draws in (0, 1), one a row, of this step or (`forever`) the same at all steps."""
        rows = self._index(index)
        out = np.empty(len(rows))
        step = random.FOREVER if forever else self.step
        code = pen.uniforms(self._stream(purpose), self.key, rows, step, out)
        if code < 0:
            pen.complain(code)
        return out

    def shared(self, purpose: str) -> Floats:
        """float64[1]: a draw in (0, 1) of this step that is nobody's own: public information, say."""
        return random.uniform(self._stream(purpose), np.zeros(1, np.int64), self.step)

    def normal(self, purpose: str, index: Any = None, forever: bool = False) -> Floats:
        """Standard normal draws, one a row."""
        result: Floats = ndtri(self.uniform(purpose, index, forever))
        return result

    def exponential(self, purpose: str, index: Any = None, forever: bool = False) -> Floats:
        """Exponential draws with mean one, one a row."""
        return -np.log(self.uniform(purpose, index, forever))

    def poisson(self, purpose: str, mean: Any, index: Any = None) -> Ints:
        """Poisson counts, one a row."""
        return random.poisson(self._stream(purpose), self.key[self._index(index)], mean, self.step)

    # ---- sending

    @property
    def outbox(self) -> list[NDArray[Any]]:
        """What was written and not yet sent: one batch of messages, or none."""
        return [self._written[: self._sent]] if self._sent else []

    def _write(
        self,
        op: int,
        index: Any,
        book: Any,
        side: Any = _ZERO,
        price: Any = _NOTHING,
        quantity: Any = _NOTHING,
        name: Any = _ZERO,
        expiry: Any = _ZERO,
        flags: int = 0,
        kind: Any = _ZERO,
        outwards: bool = False,
    ) -> None:
        """Write messages of one kind; the meaning of the columns is that of `pen.write`."""
        columns = [
            self._index(index), np.ascontiguousarray(book, np.int64), np.ascontiguousarray(side, np.int64),
            np.ascontiguousarray(price, np.float64), np.ascontiguousarray(quantity, np.float64),
            np.ascontiguousarray(name, np.int64), np.ascontiguousarray(expiry, np.int64),
        ]  # fmt: skip
        if max([column.ndim for column in columns]) > 1:
            columns = [np.ascontiguousarray(x).ravel() for x in np.broadcast_arrays(*columns)]
        kind = np.ascontiguousarray(kind, np.int64)
        info = self._books
        while True:
            n = pen.write(
                self._written, self._sent, op, kind, flags, outwards, self.rows, *columns, info.tick, info.lot
            )
            if n >= 0:
                break
            if n != pen.FULL:
                pen.complain(n)
            more = zeros(2 * len(self._written) + max(map(len, columns)), MESSAGE)
            more[: self._sent] = self._written[: self._sent]
            self._written = more
        self._sent += n

    def set_latency(self, milliseconds: float) -> None:
        """Time from deciding to the venue's door (the model says it)."""
        self._latency_us = int(milliseconds * 1000)

    def post(self, stream: int, now_us: int) -> None:
        """Put what was sent into the inbox of the venues, stamped with its arrival (the model does)."""
        s = self._state
        needed = s.count("inbox") + self._sent
        if needed > min(len(s.inbox), len(s.sorted)):
            for table in ("inbox", "sorted"):
                s.grow(table, needed)
        pen.post(self._written, self._sent, s.address, stream, self.step, now_us, self._latency_us)
        self._sent = 0

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
        end = _ZERO if expire is None else (self.time + np.asarray(expire)) * 1000.0
        self._write(LIMIT, index, book, side, price, quantity, tag, end, flags, _CAUSE[cause], round == "out")

    def market_order(
        self,
        index: Any,
        book: Any,
        side: Any,
        quantity: Any,
        reduce_only: bool = False,
        cause: str | Ints = "decision",
    ) -> None:
        """Market orders (quantity in coins): take what is there within the venue's bound, cancel the rest.

        Args:
            cause: one of `abm.causes.CAUSES`, or their numbers, one an order.
        """
        flags = IOC | (REDUCE_ONLY if reduce_only else 0)
        kind = _CAUSE[cause] if isinstance(cause, str) else cause
        self._write(MARKET, index, book, side, quantity=quantity, flags=flags, kind=kind)

    def quote(
        self, index: Any, book: Any, slot: Any, side: Any, price: Any, quantity: Any, cause: str = "quote"
    ) -> None:
        """Place or change the order named by a slot (post-only); quantity 0 takes it away."""
        self._write(QUOTE, index, book, side, price, quantity, slot, flags=POST_ONLY, kind=_CAUSE[cause])

    def cancel(self, handles: Any) -> None:
        """Cancel own orders by handle; a stale handle is refused without harm."""
        handles, index, _ = self._mine(handles)
        self._write(CANCEL, index, _ALL, name=handles)

    def _mine(self, handles: Any) -> tuple[Ints, Ints, NDArray[np.bool_]]:
        """The handles whose place in the table holds an order of an own row, those rows, and which these are."""
        handles = np.atleast_1d(np.asarray(handles, np.int64))
        owners = self._state.orders["row"][np.minimum(handles & SLOT_MASK, len(self._state.orders) - 1)]
        index = np.minimum(np.searchsorted(self.rows, owners), len(self.rows) - 1)
        mine: NDArray[np.bool_] = self.rows[index] == owners
        return handles[mine], index[mine], mine

    def cancel_all(self, index: Any = None, book: Any = None) -> None:
        """Cancel all orders of rows, in one book or in all."""
        self._write(CANCEL_ALL, index, _ALL if book is None else book)

    def cancel_owner(self, index: Any) -> None:
        """Cancel all orders of the owners of rows, at every venue where they have a row of this participant's."""
        theirs = np.isin(self.owner, self.owner[self._index(index)])
        here = self.venue < len(self._books.venue_names)
        self._write(CANCEL_ALL, np.flatnonzero(theirs & here), _ALL)

    def replace(self, handles: Any, price: Any, quantity: Any) -> None:
        """Amend own orders: smaller at the same price keeps its place, anything else queues anew."""
        handles, index, mine = self._mine(handles)
        price, quantity = (
            np.broadcast_to(np.asarray(x, np.float64), mine.shape)[mine] for x in (price, quantity)
        )
        orders = self._state.orders[handles & SLOT_MASK]
        self._write(AMEND, index, orders["book"], orders["side"], price, quantity, handles)

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

    def transfer(
        self,
        index_from: Any,
        index_to: Any,
        asset: Any,
        amount: Any,
        asset_to: Any = None,
        by: str = "listed",
    ) -> None:
        """Send amounts of an asset between own rows through the network; bounded by what may be withdrawn.

        Args:
            asset_to: what is to arrive where an issuer on the way mints or redeems; None = the asset itself.
            by: how the route is chosen: "listed" (direct first), "time", "cost" or "certainty".
        """
        source, target, amounts = np.broadcast_arrays(
            self._rows(index_from), self._rows(index_to), np.asarray(amount, float)
        )
        arrives = None if asset_to is None else self._asset(asset_to)
        self.requests.append(
            (source.ravel(), target.ravel(), self._asset(asset), amounts.ravel(), arrives, by)
        )

    def attach(self, network: Any) -> None:
        """Give access to what the network publishes and to own transfers (the model does)."""
        self._network = network

    def transfers(self) -> NDArray[Any]:
        """Own transfers under way: id, from, to (own indices), asset, amount, sent, due (expected), in seconds."""
        if self._network is None or not self._network.in_transit.any():
            return np.zeros(0, _WAY)
        way = self._network.under_way(sent_by=self._own)
        way = way[way["advanced"] < 0]  # the rest is here already
        out = np.zeros(len(way), _WAY)
        if len(way) == 0:
            return out
        out["id"] = way["id"]
        out["from"] = np.searchsorted(self.rows, way["row_from"])
        out["to"] = np.searchsorted(self.rows, way["row_to"])
        out["asset"] = way["asset"]
        out["amount"] = way["amount"] / self._scales[way["asset"]]
        out["sent"] = way["sent_ms"] / 1000.0
        out["due"] = way["expected_ms"] / 1000.0
        return out

    def coming(self, index: Any, asset: Any) -> Floats:
        """What of an asset (name or id) is under way to own rows from others of them."""
        rows, assets, shape = self._pairs(index, self._asset(asset))
        out = np.zeros(shape)
        if self._network is None or not self._network.in_transit.any():
            return out
        table, flat = self._network.transfers, out if out.ndim == 1 else out.reshape(-1)
        slots = np.empty(len(table), np.int64)
        code = pen.coming(table, self._own, self.rows, rows, assets, self._scales, slots, flat)
        if code < 0:
            pen.complain(code)
        return out

    def overdue(self, index: Any = None) -> Floats:
        """Value-blind sum of own transfers past their expected time, by sending row, in asset units."""
        total, way = np.zeros(len(self.rows)), self.transfers()
        late = way[way["due"] < self.time]
        np.add.at(total, late["from"], late["amount"])
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

    def observe(self, what: str, book: Any, other: Any, value: Any, rate: Any) -> None:
        """Leave a remark for the record, which nobody in the market reads: something seen between two books.

        Args:
            what: one word, of the species. book, other: the two books. value: dollars. rate: log price difference.
        """
        books, others, values, rates = np.broadcast_arrays(np.atleast_1d(book), other, value, rate)
        self.observations.append((what, books, others, values, rates))

    def suspend(self, venue: int, stop: bool) -> None:
        """Stop or reopen the own venue's withdrawals (the exchange only)."""
        self.suspensions.append((int(venue), bool(stop)))

"""A participant's own side of the market: its accounts, its orders, its draws, and what it sends.

Arguments are numpy arrays or single numbers and are broadcast; `index` counts the participant's own rows (0 .. n-1),
so that other accounts cannot even be named.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from abm import pen
from abm.causes import CAUSES, EVENT_KINDS
from abm.errands import Errands
from abm.jit import zeros
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
    SLIDE,
)
from abm.own import Floats, Ints, column
from abm.state import MESSAGE, NONE, SLOT_MASK

if TYPE_CHECKING:
    from abm.market import BookInfo
    from abm.state import State

_CAUSE = {name: np.array([i], np.int64) for i, name in enumerate(CAUSES)}
_FLAGS = {"gtc": 0, "ioc": IOC, "fok": FOK}
_FLOAT64 = np.dtype(np.float64)
_ALL: Ints = np.array([NONE], np.int64)
_ZERO: Ints = np.zeros(1, np.int64)
_NOTHING: Floats = np.zeros(1)
_ROOM = 64  # messages that a new pen holds


class Me(Errands):
    """One participant's rows and pen. The model makes it; `decide` uses it.

    Attributes:
        rows: int32[n], own rows. owner, venue: int32[n]. isolated: bool[n]. key: int64[n], stable identities.
        time: seconds since the start; step: steps since the start of the burn-in; dt: seconds.
    """

    def __init__(
        self, state: State, books: BookInfo, name: str, seed: int, rows: Any, latency_ms: float
    ) -> None:
        super().__init__(state, books, name, seed, rows)
        self.set_latency(latency_ms)
        self._written, self._sent = zeros(_ROOM, MESSAGE), 0
        self.reports: list[tuple[str, int, float]] = []
        self.suspensions: list[tuple[int, bool]] = []
        self.observations: list[tuple[str, Any, Any, Any, Any]] = []

    # ---- orders

    @property
    def outbox(self) -> list[NDArray[Any]]:
        """What was written and not yet sent: one batch of messages, or none."""
        return [self._written[: self._sent]] if self._sent else []

    @property
    def is_quiet(self) -> bool:
        """Whether there is nothing that the model would have to take over: no message, request, report or remark."""
        return not (
            self._sent
            or self.requests
            or self.loan_requests
            or self.reports
            or self.suspensions
            or self.observations
        )

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
            self._index(index), column(book), column(side), column(price, _FLOAT64), column(quantity, _FLOAT64),
            column(name), column(expiry),
        ]  # fmt: skip
        if max([column.ndim for column in columns]) > 1:
            columns = [np.ascontiguousarray(x).ravel() for x in np.broadcast_arrays(*columns)]
        kind = column(kind)
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
        if not self._sent:
            return
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
        self,
        index: Any,
        book: Any,
        slot: Any,
        side: Any,
        price: Any,
        quantity: Any,
        cause: str = "quote",
        slides: bool = False,
    ) -> None:
        """Place or change the order named by a slot (post-only); quantity 0 takes it away.

        Args:
            slides: where it would trade it rests a tick behind the other side, instead of being refused.
        """
        flags = POST_ONLY | SLIDE if slides else POST_ONLY
        self._write(QUOTE, index, book, side, price, quantity, slot, flags=flags, kind=_CAUSE[cause])

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
        price, lots = self.ladders(0, which.ravel(), 1)
        return price.reshape(which.shape), lots.reshape(which.shape)

    def ladders(self, first: int, which: Ints, width: int) -> tuple[Floats, Ints]:
        """The same for runs of slots: [n, width], the slots from first + which x width on."""
        price, lots = np.empty((len(which), width)), np.empty((len(which), width), np.int64)
        pen.named(self._state.address, first, which, self._books.tick, price, lots)
        return price, lots

    # ---- reports

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

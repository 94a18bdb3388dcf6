"""Zero intelligence: orders of one size at Poisson times, without any aim; the null model of a limit order book.

Theory. Daniels, Farmer, Gillemot, Iori and Smith (2003); Smith, Farmer, Gillemot and Krishnamurthy (2003): market
orders at a fixed rate, limit orders at a fixed rate for each price beyond the opposite best quote, every resting
order dies at a fixed rate. Cont, Stoikov and Talreja (2010): the same with rates by distance from the opposite best
quote, estimated on a tape; defaults are their Table of Sky Perfect Communications.

An owner's resting orders must not meet its own market orders: of the owners with an account at a venue the first
posts, the last takes. A book may be opened with two queues of given lengths, one tick apart, and opened anew whenever
one of them is empty (`start`): then it answers which of the two is emptied first.
"""

from __future__ import annotations

from math import exp

import numpy as np
from numpy.typing import NDArray

from abm.agent import Participant
from abm.market import Market, Me
from abm.parameters import parameter
from agents import desks

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

CST = "Cont, Stoikov and Talreja 2010, Table 1"
MOST = 5  # orders of one kind in one step; a step is to be so short that a second one is rare
UP = "up"  # remark: the queue of offers (rate +1) or of bids (-1) was emptied first


class ZeroIntelligence(Participant):
    """Limit orders, market orders and cancellations at given rates in every book of its venues."""

    class Parameters(Participant.Parameters):
        """Rates of the three flows, and the size of an order."""

        limit_rates: tuple[float, ...] = parameter(
            (1.85, 1.51, 1.09, 0.88, 0.77),
            "Limit orders of one side at 1, 2, ... ticks from the opposite best quote", unit="per minute", source=CST,
        )  # fmt: skip
        reach: int = parameter(
            0, "Distance up to which the last of these rates goes on; 0 = as many as are given", unit="ticks",
            ge=0, le=5000,
        )  # fmt: skip
        cancel_rates: tuple[float, ...] = parameter(
            (0.71, 0.81, 0.68, 0.56, 0.47),
            "Death of a resting order at that distance, the last one beyond", unit="per minute", source=CST,
        )  # fmt: skip
        market_rate: float = parameter(
            0.94, "Market orders of one side", unit="per minute", source=CST, ge=0, le=1e6
        )
        size: float = parameter(1.0, "Size of an order", unit="lots", ge=1, le=1e9)
        room: int = parameter(
            64, "Resting orders of a side of a book, at most", unit="orders", ge=4, le=20_000
        )
        start: tuple[tuple[int, int], ...] = parameter(
            (),
            "Queues (bids, offers) with which books are opened, and opened anew; books take turns",
            unit="orders",
        )

    parameters: Parameters

    def setup(self, me: Me, market: Market) -> None:
        """Who posts and who takes in each book, and the names of all orders."""
        row, book = desks.stations(me, market.books)
        order = np.lexsort((me.key[row], book))
        row, book = row[order], book[order]
        books, first = np.unique(book, return_index=True)
        last = np.append(first[1:], len(book)) - 1
        p, n = self.parameters, len(books)
        self.memory.update(
            book=books, posts=row[first], takes=row[last], name=np.asarray(market.books.key)[books],
            slot=np.array(me.slots(2 * n * p.room)), opened=np.zeros(n, np.bool_),
        )  # fmt: skip

    def decide(self, me: Me, market: Market) -> None:
        """Cancel, post and take at random; open anew what has been decided."""
        p, m = self.parameters, self.memory
        n = len(m["book"])
        if n == 0:
            return
        slots = (int(m["slot"]) + np.arange(2 * n * p.room)).reshape(n, 2, p.room)
        price, lots = me.named(slots)
        bid, ask = market.bid[m["book"]], market.ask[m["book"]]
        if p.start:
            fresh = self._open_anew(me, market, slots, bid, ask)
            lots = np.where(fresh[:, None, None], 0, lots)  # nothing else happens there in this step
        else:
            fresh = np.zeros(n, np.bool_)
        tick = market.books.tick[m["book"]]
        middle = desks.fair(market)[m["book"]]
        # distances are counted from the opposite best quote; an empty side counts as one tick beyond the middle
        other = np.stack([np.where(ask > 0, ask, middle + tick), np.where(bid > 0, bid, middle - tick)], 1)[
            :, :, None
        ]
        side = np.array([1.0, -1.0])[None, :, None]
        away = np.rint(side * (other - price) / tick[:, None, None])
        self._cancel(me, market.dt, slots, lots, away)
        self._post(me, market, slots, lots, other, tick, ~fresh & ~market.halted[m["book"]])
        self._take(me, market, ~fresh & ~market.halted[m["book"]])

    def _cancel(self, me: Me, dt: float, slots: Ints, lots: Ints, away: Floats) -> None:
        """Every resting order dies with a chance that depends on its distance."""
        p, m = self.parameters, self.memory
        rates = np.asarray(p.cancel_rates)
        alive = np.flatnonzero(lots > 0)
        if len(alive) == 0:
            return
        place = np.clip(away.ravel()[alive], 1, len(rates)).astype(np.int64) - 1
        station, label = alive // (2 * p.room), alive % (2 * p.room)
        drawn = me.uniform("cancel", m["posts"])[station]
        luck = desks.spread(drawn, m["name"][station] ^ label, "order")
        dies = alive[luck < -np.expm1(-rates[place] * dt / 60.0)]
        if len(dies):
            here = dies // (2 * p.room)
            side = 1 - 2 * (dies // p.room % 2)
            me.quote(m["posts"][here], m["book"][here], slots.ravel()[dies], side, 1.0, 0.0, cause="decision")

    def _post(
        self,
        me: Me,
        market: Market,
        slots: Ints,
        lots: Ints,
        other: Floats,
        tick: Floats,
        goes: NDArray[np.bool_],
    ) -> None:
        """New limit orders, each into a free name; without a free one there is none."""
        p, m = self.parameters, self.memory
        rates = np.asarray(p.limit_rates)
        levels = max(len(rates), p.reach)
        rates = np.append(rates, np.full(levels - len(rates), rates[-1]))
        # one draw for all levels: how many in all, then where each of them is
        total = float(rates.sum()) * market.dt / 60.0
        edge = np.cumsum(rates) / rates.sum()
        at = np.flatnonzero(goes)
        for s, way in enumerate((1, -1)):
            count = _counts(
                desks.spread(me.uniform(f"limit{s}", m["posts"][at]), m["name"][at], "count"), total
            )
            free = lots[at, s] <= 0
            rank = np.cumsum(free, 1)
            for k in range(int(count.max(initial=0))):
                some = np.flatnonzero((count > k) & (rank[:, -1] > k))
                if len(some) == 0:
                    break
                here = at[some]
                drawn = me.uniform(f"level{s}", m["posts"][here])
                level = 1 + np.searchsorted(edge, desks.spread(drawn, m["name"][here] ^ k, "level"))
                slot = slots[here, s, np.argmax(rank[some] > k, axis=1)]
                price = other[here, s, 0] - way * np.minimum(level, levels) * tick[here]
                lot = market.books.lot[m["book"][here]]
                me.quote(m["posts"][here], m["book"][here], slot, way, price, p.size * lot, cause="decision")

    def _take(self, me: Me, market: Market, goes: NDArray[np.bool_]) -> None:
        """Market orders of both sides."""
        p, m = self.parameters, self.memory
        at = np.flatnonzero(goes)
        for way in (1, -1):
            drawn = me.uniform(f"take{way}", m["takes"][at])
            count = _counts(desks.spread(drawn, m["name"][at], "count"), p.market_rate * market.dt / 60.0)
            some = at[count > 0]
            if len(some):
                lot = market.books.lot[m["book"][some]]
                me.market_order(m["takes"][some], m["book"][some], way, count[count > 0] * p.size * lot)

    def _open_anew(self, me: Me, market: Market, slots: Ints, bid: Floats, ask: Floats) -> NDArray[np.bool_]:
        """Books whose queue of bids or offers is empty get their first queues again; which they are."""
        p, m = self.parameters, self.memory
        book, books = m["book"], market.books
        emptied = m["opened"] & ((np.isnan(bid)) ^ (np.isnan(ask)))
        some = np.flatnonzero(emptied)
        if len(some):
            up = np.where(np.isnan(ask[some]), 1.0, -1.0)
            me.observe(UP, book[some], book[some], 0.0, up)
        fresh: NDArray[np.bool_] = ~m["opened"] | np.isnan(bid) | np.isnan(ask)
        at = np.flatnonzero(fresh)
        m["opened"][at] = True
        if len(at) == 0:
            return fresh
        queues = np.array(p.start)[at % len(p.start)]
        first = books.opening_price[book[at]]
        for s, way in enumerate((1, -1)):
            price = first + (0.0 if way > 0 else books.tick[book[at]])
            stands = np.arange(p.room)[None, :] < queues[:, s, None]
            size = np.where(stands, p.size * books.lot[book[at]][:, None], 0.0)
            posts, books_of, prices = (
                np.broadcast_to(x[:, None], size.shape).ravel() for x in (m["posts"][at], book[at], price)
            )
            me.quote(posts, books_of, slots[at, s].ravel(), way, prices, size.ravel(), cause="decision")
        return fresh


def _counts(u: Floats, mean: float) -> Ints:
    """Poisson counts by inversion, at most `MOST`."""
    count, part, reached = np.zeros(len(u), np.int64), exp(-mean), exp(-mean)
    for k in range(1, MOST + 1):
        count += u > reached
        part *= mean / k
        reached += part
    return count

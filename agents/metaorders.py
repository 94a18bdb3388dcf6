"""Metaorders: large decisions worked off in small market orders, to measure what they do to the price.

Theory. A metaorder of size Q moves the price by about Y sigma sqrt(Q / V), along its whole course, and part of the move
goes back when it is over (Toth et al. 2011; Donier and Bonart 2015 on bitcoin; Sato and Kanazawa 2024 on all accounts
of Tokyo). It is worked off evenly over its time, or as a share of what trades (participation). It knows nothing, and
its side is a coin toss unless one is asked for.

It remarks the log price when an order begins, ends, and some time later, with the signed dollars traded so far.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from abm.agent import Participant
from abm.market import Market, Me
from abm.parameters import parameter
from agents import desks

Floats = NDArray[np.float64]

BEGUN, ENDED, LATER = "begun", "ended", "later"
IDLE, WORKING, RESTING = 0, 1, 2


class Metaorders(Participant):
    """Works off one large order after the other in each perpetual book of its venues."""

    class Parameters(Participant.Parameters):
        """When, how large, how fast."""

        sizes: tuple[float, ...] = parameter(
            (0.0005, 0.0015, 0.005, 0.015), "Sizes, one drawn for each order",
            unit="share of the book's open interest", source="assumption: two decades below a day's volume",
        )  # fmt: skip
        coins: tuple[str, ...] = parameter((), "Coins whose perpetuals are traded; none = all")
        first: float = parameter(60.0, "Begin of the first order", unit="seconds", ge=0)
        every: float = parameter(1200.0, "Time between two begins", unit="seconds", gt=0)
        most: int = parameter(1_000_000, "Orders in all", unit="orders", ge=1)
        duration: float = parameter(300.0, "Time in which one is worked off", unit="seconds", gt=0)
        rest: float = parameter(300.0, "Time after which the price is noted again", unit="seconds", ge=0)
        child: float = parameter(5.0, "Time between two child orders", unit="seconds", gt=0)
        participation: float = parameter(
            0.0, "A child order is this share of what has traded since the last one, until all is done; 0 = evenly",
            unit="share", ge=0, le=1,
        )  # fmt: skip
        side: int = parameter(0, "+1 buys, -1 sells, 0 by a coin toss each", unit="1", ge=-1, le=1)

    parameters: Parameters

    def setup(self, me: Me, market: Market) -> None:
        """One account for each perpetual book."""
        row, book = desks.chosen(me, market.books, 1, "metaorders")
        names, coins = market.books.coin_names, self.parameters.coins
        wanted = np.array([not coins or name in coins for name in names], np.bool_)
        mine = (np.asarray(market.books.kind)[book] == 0) & wanted[np.asarray(market.books.coin)[book]]
        row, book = row[mine], book[mine]
        n = len(row)
        self.memory.update(
            row=row, book=book, name=np.asarray(market.books.key)[book], state=np.zeros(n, np.int64),
            count=np.zeros(n, np.int64), begun=np.zeros(n), side=np.ones(n, np.int64), size=np.zeros(n),
            home=np.zeros(n), sent=np.full(n, -np.inf), seen=np.zeros(n),
        )  # fmt: skip

    def decide(self, me: Me, market: Market) -> None:
        """Begin, go on, end."""
        m = self.memory
        if len(m["row"]) == 0:
            return
        m["seen"] += desks.or_zero(market.volume[m["book"]])
        self._begin(me, market)
        self._work(me, market)
        self._note(me, market)

    def _traded(self, me: Me) -> Floats:
        """Coins traded of the present order, without sign."""
        m = self.memory
        traded: Floats = m["side"] * (me.position(m["row"], m["book"]) - m["home"])
        return traded

    def _remark(self, me: Me, market: Market, what: str, which: NDArray[np.int64]) -> None:
        m = self.memory
        book = m["book"][which]
        price = desks.fair(market)[book]
        value = m["side"][which] * self._traded(me)[which] * price
        me.observe(what, book, book, value, np.log(price))

    def _begin(self, me: Me, market: Market) -> None:
        p, m = self.parameters, self.memory
        due = p.first + m["count"] * p.every
        some = np.flatnonzero((m["state"] == IDLE) & (market.time >= due - 1e-9) & (m["count"] < p.most))
        if len(some) == 0:
            return
        row, book = m["row"][some], m["book"][some]
        drawn = me.uniform("order", row)
        toss = np.where(desks.spread(drawn, m["name"][some], "side") < 0.5, 1, -1)
        m["side"][some] = p.side if p.side else toss
        which = (desks.spread(drawn, m["name"][some], "size") * len(p.sizes)).astype(np.int64)
        m["size"][some] = np.asarray(p.sizes)[which] * desks.or_zero(market.open_interest[book])
        m["home"][some] = me.position(row, book)
        m["state"][some], m["begun"][some], m["sent"][some] = WORKING, market.time, -np.inf
        m["count"][some] += 1
        m["seen"][some] = 0.0
        self._remark(me, market, BEGUN, some)

    def _work(self, me: Me, market: Market) -> None:
        """Child orders: what is behind the even course, or a share of what has traded."""
        p, m = self.parameters, self.memory
        goes = (m["state"] == WORKING) & (market.time >= m["sent"] + p.child - 1e-9)
        some = np.flatnonzero(goes & (me.waiting(m["row"]) == 0) & ~market.halted[m["book"]])
        if len(some) == 0:
            return
        book, left = m["book"][some], (m["size"] - self._traded(me))[some]
        if p.participation > 0:
            coins = p.participation * m["seen"][some] / desks.fair(market)[book]
        else:
            course = np.minimum((market.time - m["begun"][some] + p.child) / p.duration, 1.0)
            coins = left - m["size"][some] * (1.0 - course)
        coins = np.minimum(coins, left)
        m["sent"][some], m["seen"][some] = market.time, 0.0
        large = np.flatnonzero(coins >= market.books.lot[book])
        if len(large):
            here = some[large]
            me.market_order(m["row"][here], m["book"][here], m["side"][here], coins[large])

    def _note(self, me: Me, market: Market) -> None:
        """What is over, and what has rested."""
        p, m = self.parameters, self.memory
        done = self._traded(me) >= m["size"] - market.books.lot[m["book"]]
        over = market.time >= m["begun"] + p.duration - 1e-9
        ended = np.flatnonzero((m["state"] == WORKING) & (done if p.participation > 0 else over))
        if len(ended):
            m["state"][ended] = RESTING
            m["begun"][ended] = market.time
            self._remark(me, market, ENDED, ended)
        rested = np.flatnonzero((m["state"] == RESTING) & (market.time >= m["begun"] + p.rest - 1e-9))
        if len(rested):
            self._remark(me, market, LATER, rested)
            m["state"][rested] = IDLE

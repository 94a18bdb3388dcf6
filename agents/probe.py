"""Probe: an execution algorithm that trades a given amount and tells what it cost. It has no opinion.

Two ways of cutting an order up (Almgren and Chriss 2001 and the brokers' menus since): TWAP sends equal parts at equal
times, POV a share of what the market has traded since the decision. What comes of it is measured as practitioners do,
by implementation shortfall (Perold 1988): the average price paid over the mid at the decision. On real markets
metaorders of every size move the price as the square root of their size (Sato and Kanazawa 2024; for Bitcoin, Donier
and Bonart 2015); with a probe a model can be asked whether they do there.

At each look the probe remarks what it has bought or sold since the last one: `executed` with dollars (negative: sold)
and log(average price / mid at the decision). `experiments.execution` reads these remarks and the price afterwards.
"""

from __future__ import annotations

from typing import ClassVar, Literal

import numpy as np

from abm.agent import Participant
from abm.market import Market, Me
from abm.parameters import parameter
from agents import desks


class Probe(Participant):
    """Executes one order in one perpetual, for each of its accounts there an equal part."""

    class Parameters(Participant.Parameters):
        """The order and how it is cut up."""

        OPENING: ClassVar[tuple[str, ...]] = ("book", "start", "side", "value")

        book: str = parameter(
            "", 'Perpetual, such as "alpha:BTC-PERP"; empty = the largest where it has accounts'
        )
        side: Literal["buy", "sell"] = parameter("buy", "What it does")
        style: Literal["twap", "pov"] = parameter("twap", "Equal parts, or a share of volume")
        value: float = parameter(
            1e6, "What it trades in all, at the price of its decision", unit="quote units", gt=0
        )
        start: float = parameter(60.0, "When it decides", unit="seconds from the start", ge=0)
        duration: float = parameter(
            600.0, "Time it gives itself; what is left then is left", unit="seconds", gt=0
        )
        interval: float = parameter(5.0, "Time between two orders", unit="seconds", gt=0)
        participation: float = parameter(0.1, "Share of volume (pov)", unit="share", gt=0, le=1)
        part: float = parameter(
            0.5, "Largest order over the displayed depth within 0.5 %", unit="share", gt=0, le=1
        )
        reach: float = parameter(0.01, "How far through the touch an order goes", unit="log price", gt=0)

    parameters: Parameters

    def setup(self, me: Me, market: Market) -> None:
        """The rows at the book's venue."""
        books, p = market.books, self.parameters
        mine = np.array([b for b in market.perps if (me.venue == books.venue[b]).any()], np.int64)
        if p.book:
            mine = mine[[books.name[b] == p.book for b in mine]]
        if len(mine):
            size = desks.or_zero(market.open_interest[mine] * books.opening_price[mine])
            mine = mine[[int(np.argmax(size))]]
            mine = np.repeat(mine, int((me.venue == books.venue[mine[0]]).sum()))
        row = np.flatnonzero(me.venue == books.venue[mine[0]]) if len(mine) else np.zeros(0, np.int64)
        self.memory.update(
            row=row.astype(np.int64), book=mine, decided=np.array(np.nan), goal=np.zeros(len(row)),
            done=np.zeros(len(row)), paid=np.zeros(len(row)), home=np.zeros(len(row)), traded=np.array(0.0),
            looked=np.array(-np.inf),
        )  # fmt: skip

    def decide(self, me: Me, market: Market) -> None:
        """Decide once; then every few seconds note what was filled and send the next part."""
        p, m = self.parameters, self.memory
        if len(m["row"]) == 0 or market.time < p.start or market.time > p.start + p.duration + 2 * p.interval:
            return
        book = int(m["book"][0])
        if np.isnan(m["decided"]):
            if not market.mid[book] > 0:
                return  # nobody quotes: there is no price to decide at
            m["decided"][...] = market.mid[book]
            m["goal"][:] = p.value / market.mid[book] / len(m["row"])
            m["home"][:] = me.position(m["row"], m["book"])
            m["looked"][...] = market.time
            me.observe("decided", book, book, self._side * p.value, 0.0)
        m["traded"][...] += (
            desks.or_zero(market.volume)[book] / market.mid[book] if market.mid[book] > 0 else 0.0
        )
        if market.time < m["looked"] + p.interval - 1e-9 and market.time > p.start:
            return
        m["looked"][...] = market.time
        self._note(me, book)
        if market.time < p.start + p.duration - 1e-9:
            self._send(me, market, book)

    @property
    def _side(self) -> int:
        return 1 if self.parameters.side == "buy" else -1

    def _note(self, me: Me, book: int) -> None:
        """Remark what was filled since the last look, and at which price."""
        m = self.memory
        done = self._side * (me.position(m["row"], m["book"]) - m["home"])
        # of what was held before, only an account that began flat can tell the price of what it added
        price = desks.or_zero(me.entry_price(m["row"], m["book"]))
        paid = np.where(m["home"] == 0.0, done * price, np.nan)
        more, cost = float((done - m["done"]).sum()), float((paid - m["paid"]).sum())
        m["done"], m["paid"] = done, np.where(np.isnan(paid), 0.0, paid)
        if more > 0:
            rate = np.log(cost / more / float(m["decided"])) if cost > 0 else np.nan
            value = cost if cost > 0 else more * float(m["decided"])
            me.observe("executed", book, book, self._side * value, rate)

    def _send(self, me: Me, market: Market, book: int) -> None:
        """The next part: what time asks for by now, or a share of what has been traded since the decision."""
        p, m = self.parameters, self.memory
        if p.style == "twap":
            due = m["goal"] * min((market.time - p.start + p.interval) / p.duration, 1.0)
        else:
            due = np.minimum(p.participation * float(m["traded"]) / len(m["row"]), m["goal"])
        depth = (market.depth_ask if self._side > 0 else market.depth_bid)[0][book]
        touch = (market.ask if self._side > 0 else market.bid)[book]
        coins = np.minimum(due - m["done"], p.part * desks.or_zero(depth) / len(m["row"]))
        go = (
            (coins >= market.books.lot[book])
            & (touch > 0)
            & ~market.halted[book]
            & (me.waiting(m["row"]) == 0)
        )
        some = np.flatnonzero(go)
        if len(some):
            price = touch * np.exp(self._side * p.reach)
            me.limit(m["row"][some], m["book"][some], self._side, price, coins[some], tif="ioc")

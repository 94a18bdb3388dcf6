"""Noise: two-sided order flow without information, the flow without which no market exists.

Theory. Zero-intelligence flow (Daniels, Farmer, Gillemot, Iori and Smith 2003; Cont, Stoikov and Talreja 2010):
market orders arrive as a Poisson process in every book, some traders post a limit order near the touch instead and
give up after a while. Three things are added, each needed for a stable market in stress. Orders are sized by the
depth their senders see, so an order into an empty book is small. Activity follows volatility as
(sigma / sigma0)^b with b < 1: with order size proportional to depth ~ (sigma / sigma0)^-a the impact of noise grows
more slowly than volatility itself, so noise alone cannot explode. Signs persist for about a minute (order splitting),
and inventories mean-revert.

A book is served by a few rows of its venue, each with its own inventory; perpetuals need margin, spot rows hold
both the coin and the money.
"""

from __future__ import annotations

from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from abm.agent import Participant
from abm.market import Market, Me
from abm.parameters import parameter
from agents import desks
from agents.flow import arrivals, orders

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


class Noise(Participant):
    """Market and near-touch limit orders in all books of the rows' venues."""

    class Parameters(Participant.Parameters):
        """Rates, sizes, signs."""

        OPENING: ClassVar[tuple[str, ...]] = (
            "each",
            "rate",
            "least",
            "scale",
        )

        each: int = parameter(3, "Rows that serve a book", unit="rows", ge=1, le=1000)
        rate: float = parameter(
            120.0, "Orders in the book with most depth", unit="per minute", gt=0,
        )  # fmt: skip
        most: int = parameter(
            5, "Orders that what a row trades in one step goes as, at most; beyond that they are larger",
            unit="orders", ge=1,
        )  # fmt: skip
        least: float = parameter(4.0, "Orders in any book, at least", unit="per minute", ge=0)
        scale: float = parameter(
            0.5, "Rate grows as the book's depth in dollars to this power", unit="1", ge=0, le=1
        )
        turnover: float = parameter(
            0.05, "Calm volume over the depth within 1 % of one side", unit="per minute",
            source="Binance BTC perpetual 20:40-20:49 UTC 10 October 2025: 7 M a minute over 175 M", ge=0,
        )  # fmt: skip
        dispersion: float = parameter(1.0, "Standard deviation of log size", unit="1", ge=0, le=3)
        largest: float = parameter(
            0.2, "Largest order over the depth seen within 0.5 %", unit="share", gt=0, le=1
        )
        activity: float = parameter(
            0.7,
            "Exponent b: rate follows (sigma / sigma0)^b",
            unit="1",
            source="below 1, see the module",
            ge=0,
            lt=1,
        )
        stress: float = parameter(
            50.0, "Volatility that activity follows at most", unit="multiple of calm volatility", ge=1
        )
        persistence: float = parameter(
            60.0, "Time over which the sign of flow persists", unit="seconds", source="order splitting", gt=0
        )
        imbalance: float = parameter(
            0.3, "Typical net share of the flow while a sign persists", unit="share", ge=0, le=1
        )
        inventory: float = parameter(
            0.5, "Inventory at which a row only trades back", unit="multiple of calm depth within 1 %", gt=0
        )
        patient: float = parameter(0.25, "Orders that rest near the touch", unit="share", ge=0, le=1)
        behind: float = parameter(0.0003, "Mean distance behind the touch", unit="share of price", ge=0)
        expiry: float = parameter(60.0, "Life of such an order", unit="seconds", gt=0)

    parameters: Parameters

    def setup(self, me: Me, market: Market) -> None:
        """A few rows for each book."""
        row, book = desks.chosen(me, market.books, self.parameters.each, "noise")
        books = len(market.books.name)
        via, power = desks.conversion(market.books)
        self.memory.update(
            row=row, book=book, name=np.asarray(market.books.key)[book],
            served=np.maximum(np.bincount(book, minlength=books), 1)[book].astype(np.float64),
            mood=np.zeros(len(row)), woke=np.zeros(len(row)), calm=np.zeros(books), looks=np.array(0),
            home=np.zeros(len(row)), ready=np.array(False), awake=np.zeros(len(row), np.int64),
            mean=np.zeros(len(row)), rate=np.zeros(len(row)), via=via, power=power, weight=np.zeros(books),
            spot=np.asarray(market.books.kind) == 1, lot=np.array(market.books.lot, np.float64),
            means=desks.means(market.books),
        )  # fmt: skip

    def _watch(self, me: Me, market: Market) -> bool:
        """For the first half minute: what depth is there, and what do the rows hold?"""
        p, m = self.parameters, self.memory
        depth = (np.asarray(market.depth_bid)[1] + np.asarray(market.depth_ask)[1]) / 2
        m["looks"] += 1
        m["calm"] += (depth - m["calm"]) / float(m["looks"])
        if m["looks"] * market.dt < 30.0:
            return False
        m["home"][:] = me.stock(m["row"], m["book"])
        price = desks.fair(market)
        value = m["calm"] * price
        relative = (value / max(float(value.max()), 1e-300)) ** p.scale
        m["rate"][:] = (np.maximum(p.rate * relative, p.least) / 60.0)[m["book"]]
        m["weight"][:] = value
        m["woke"][:] = market.time
        m["ready"][...] = True
        return True

    def decide(self, me: Me, market: Market) -> None:
        """Who trades this step, on which side, how much, now or at the touch."""
        p, m = self.parameters, self.memory
        if len(m["row"]) == 0 or not (m["ready"] or self._watch(me, market)):
            return
        # activity: Poisson, faster in volatile times
        convert = desks.rates(market, m["via"], m["power"])
        stress = desks.stress(m, market, convert, m["weight"])
        drawn = me.uniform("arrival", m["row"]).view(np.int64) ^ m["name"]
        count = arrivals(
            market.time, market.dt, p.activity, p.stress, drawn, m["book"], m["rate"], stress, market.halted,
            m["served"], p.persistence, m["mood"], m["woke"], m["awake"], m["mean"],
        )  # fmt: skip
        if count == 0:
            return
        awake, n = m["awake"][:count], int(count)
        row, book = m["row"][awake], m["book"][awake]
        takes, taken = np.empty((3, n * p.most), np.int64), np.empty(n * p.most)
        rests, rested, price = np.empty((3, n), np.int64), np.empty(n), np.empty(n)
        now, later = orders(
            awake, m["mean"][:n], me.uniform("pieces", row).view(np.int64), m["row"], m["book"], m["name"], drawn,
            m["mood"], m["rate"], me.stock(row, book), me.balance(row, m["means"][1, book]), m["home"], m["calm"],
            m["spot"], m["lot"], market.bid, market.ask, market.depth_bid, market.depth_ask, p.inventory, p.imbalance,
            p.turnover, p.dispersion, p.largest, p.patient, p.behind, p.most, takes, taken, rests, rested, price,
        )  # fmt: skip
        if now:
            row, book, side = takes[:, :now]
            me.market_order(row, book, side, taken[:now])
        if later:
            row, book, side = rests[:, :later]
            me.limit(row, book, side, price[:later], rested[:later], expire=p.expiry)

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

from typing import Any

import numpy as np
from numpy.typing import NDArray

from abm.agent import Participant
from abm.market import Market, Me
from abm.parameters import parameter
from agents import desks

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


class Noise(Participant):
    """Market and near-touch limit orders in all books of the rows' venues."""

    class Parameters(Participant.Parameters):
        """Rates, sizes, signs."""

        each: int = parameter(3, "Rows that serve a book", unit="rows", ge=1, le=1000)
        rate: float = parameter(
            120.0, "Orders in the book with most depth, the small trades of a second taken together",
            unit="per minute", gt=0,
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
            row=row, book=book, served=np.maximum(np.bincount(book, minlength=books), 1)[book],
            mood=np.zeros(len(row)), calm=np.zeros(books), looks=np.array(0), home=np.zeros(len(row)),
            ready=np.array(False), held=np.zeros(len(row)),
            rate=np.zeros(len(row)), via=via, power=power, price=np.ones(books),
        )  # fmt: skip

    def _watch(self, me: Me, market: Market) -> bool:
        """For the first half minute: what depth is there, and what do the rows hold?"""
        p, m = self.parameters, self.memory
        depth = (np.asarray(market.depth_bid)[1] + np.asarray(market.depth_ask)[1]) / 2
        m["looks"] += 1
        m["calm"] += (depth - m["calm"]) / float(m["looks"])
        if m["looks"] * market.dt < 30.0:
            return False
        m["home"][:] = self._held(me, market, np.arange(len(m["row"])))
        price = desks.fair(market)
        value = m["calm"] * price
        relative = (value / max(float(value.max()), 1e-300)) ** p.scale
        m["rate"][:] = (np.maximum(p.rate * relative, p.least) / 60.0)[m["book"]]
        m["price"][:] = price
        m["ready"][...] = True
        return True

    def _held(self, me: Me, market: Market, which: Ints) -> Floats:
        """Inventory of stations: position, at spot books free coins."""
        m, books = self.memory, market.books
        row, book = m["row"][which], m["book"][which]
        spot = np.asarray(books.kind)[book] == 1
        held = np.zeros(len(which))
        held[~spot] = me.position(row[~spot], book[~spot])
        held[spot] = me.balance(row[spot], np.asarray(books.base)[book[spot]])
        return held

    def decide(self, me: Me, market: Market) -> None:
        """Who trades this step, on which side, how much, now or at the touch."""
        p, m = self.parameters, self.memory
        if len(m["row"]) == 0 or not (m["ready"] or self._watch(me, market)):
            return
        row, book = m["row"], m["book"]
        # activity: Poisson, faster in volatile times; the trades of one step go as one order
        convert = desks.rates(market, m["via"], m["power"])
        stress = desks.stress(m, market, convert, m["calm"] * m["price"]).clip(1.0, p.stress)
        drawn = me.uniform("arrival", row)
        expected = m["rate"] * market.dt * (stress**p.activity)[book] / m["served"]
        arrival = desks.spread(drawn, book, "arrival")
        keep = np.exp(-market.dt / p.persistence)
        m["mood"] *= keep
        m["mood"] += np.sqrt(1.0 - keep**2) * desks.normal(drawn, book, "mood")
        awake = np.flatnonzero((arrival < 1.0 - np.exp(-expected)) & ~np.asarray(market.halted)[book])
        if len(awake) == 0:
            return
        row, book, drawn, mean = row[awake], book[awake], drawn[awake], expected[awake]
        trades = 1.0 + np.maximum(mean - 0.5, 0.0)  # mean number of trades given that there is one, nearly
        held = self._held(me, market, awake)
        bound = p.inventory * np.maximum(m["calm"][book], 1e-300)
        lean = 2.0 * p.imbalance * np.tanh(m["mood"][awake]) - (held - m["home"][awake]) / bound
        side = np.where(desks.spread(drawn, book, "side") < 0.5 + 0.5 * lean, 1, -1)
        # size: a share of the depth that is seen on the side to be hit
        seen = np.where(
            side > 0, np.asarray(market.depth_ask)[:2, book], np.asarray(market.depth_bid)[:2, book]
        )
        average = p.turnover * seen[1] / (60.0 * m["rate"][awake])
        size = (
            average * trades * np.exp(p.dispersion * desks.normal(drawn, book, "size") - p.dispersion**2 / 2)
        )
        size = np.minimum(size, p.largest * seen[0])
        self._within_means(me, market, row, book, side, size, held)
        bid, ask = np.asarray(market.bid)[book], np.asarray(market.ask)[book]
        good = (size >= np.asarray(market.books.lot)[book]) & (bid > 0) & (ask > 0)
        rests = desks.spread(drawn, book, "patience") < p.patient
        now, later = good & ~rests, good & rests
        if now.any():
            me.market_order(row[now], book[now], side[now], size[now])
        if later.any():
            behind = -p.behind * np.log(desks.spread(drawn, book, "behind"))
            price = np.where(side > 0, bid * (1.0 - behind), ask * (1.0 + behind))
            me.limit(row[later], book[later], side[later], price[later], size[later], expire=p.expiry)

    @staticmethod
    def _within_means(
        me: Any, market: Any, row: Ints, book: Ints, side: Ints, size: Floats, held: Floats
    ) -> None:
        """Cut spot orders to the coins or the money that the row has (in place)."""
        books = market.books
        spot = np.asarray(books.kind)[book] == 1
        if not spot.any():
            return
        sells, buys = np.flatnonzero(spot & (side < 0)), np.flatnonzero(spot & (side > 0))
        size[sells] = np.minimum(size[sells], 0.5 * held[sells])
        cash = me.balance(row[buys], np.asarray(books.quote)[book[buys]])
        size[buys] = np.minimum(size[buys], 0.2 * cash / np.nan_to_num(market.ask[book[buys]], nan=np.inf))

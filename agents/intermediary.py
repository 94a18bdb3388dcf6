"""Intermediary: fast, always at the touch, never long of anything; what it cannot carry it passes on at the market.

Theory. In the flash crash of 6 May 2010 high-frequency traders did not change their ways as prices fell: they kept
inventories near zero whatever the market did, and when these rose they sold to each other, a hot potato that made
volume without taking anything off the market (Kirilenko, Kyle, Samadi and Tuzun 2017). Crash models with such traders
have deeper falls the tighter their limits are (Vuorenmaa and Wang 2014). So the rule has three parts: join the best
bid and offer with a size that shrinks as the side fills; beyond a share of the limit, or after some time, sell what is
held into the book; do both in every market, calm or not.

The difference to `agents.market_maker`: a maker has an idea of the price, carries inventory for hours and leaves when
losses bind. An intermediary has no idea, carries seconds of flow, and stays.
"""

from __future__ import annotations

from typing import ClassVar

import numpy as np

from abm.agent import Participant
from abm.market import Market, Me
from abm.parameters import parameter
from agents import desks

WATCH = 30.0  # s in which it learns what depth is usual


class Intermediary(Participant):
    """Quotes at the touch under a tight limit, in perpetual books."""

    class Parameters(Participant.Parameters):
        """Limit, quotes, and when inventory is passed on."""

        OPENING: ClassVar[tuple[str, ...]] = ("each",)

        each: int = parameter(2, "Rows that serve a book", unit="rows", ge=1, le=1000)
        limit: float = parameter(
            0.02, "Inventory of all rows together that is never exceeded by own quotes",
            unit="share of usual depth within 0.5 %",
            source="assumption; Kirilenko et al. (2017): inventories are small against the book", gt=0,
        )  # fmt: skip
        size: float = parameter(0.25, "Largest quote over the limit", unit="share", gt=0, le=1)
        full: float = parameter(0.6, "Inventory that is passed on, over the limit", unit="share", gt=0, le=1)
        patience: float = parameter(
            60.0, "Time after which any inventory is passed on", unit="seconds",
            source="assumption; Kirilenko et al. (2017): inventories halve in about two minutes", gt=0,
        )  # fmt: skip
        part: float = parameter(
            0.5, "Part of the inventory that is passed on at once", unit="share", gt=0, le=1
        )
        reach: float = parameter(0.0005, "How far through the touch that may go", unit="log price", ge=0)

    parameters: Parameters

    def setup(self, me: Me, market: Market) -> None:
        """A few rows for each perpetual book, two quotes each."""
        row, book = desks.chosen(me, market.books, self.parameters.each, "intermediary")
        perp = np.asarray(market.books.kind)[book] == 0
        row, book = row[perp], book[perp]
        self.memory.update(
            row=row, book=book, first=me.slots(2 * len(row)), home=np.zeros(len(row)), since=np.zeros(len(row)),
            usual=np.zeros(len(market.books.name)), looks=np.array(0),
            served=np.bincount(book, minlength=len(market.books.name))[book].astype(np.float64),
        )  # fmt: skip
        if len(row):
            self.memory["home"] = np.array(me.position(row, book), np.float64)

    def decide(self, me: Me, market: Market) -> None:
        """Pass on what is too much or too old; quote the rest of the room."""
        p, m = self.parameters, self.memory
        row, book = m["row"], m["book"]
        if len(row) == 0 or not self._knows(market):
            return
        held = me.position(row, book) - m["home"]
        limit = p.limit * m["usual"][book] / m["served"]
        lot = market.books.lot[book]
        m["since"] = np.where(np.abs(held) < lot, market.time, m["since"])
        open_ = ~market.halted[book] & (market.bid[book] > 0) & (market.ask[book] > 0)
        old = market.time - m["since"] > p.patience
        over = open_ & (np.abs(held) >= lot) & (old | (np.abs(held) > p.full * limit))
        self._pass_on(me, market, np.flatnonzero(over & (me.waiting(row) == 0)), held)
        used = np.clip(held / np.maximum(limit, lot), -1.0, 1.0)
        slot = int(m["first"]) + 2 * np.arange(len(row))
        for side, touch in ((1, market.bid[book]), (-1, market.ask[book])):
            # who is passing on does not buy the same back
            room = np.where(open_ & ~(over & (side * held > 0)), np.minimum(1.0 - side * used, 1.0), 0.0)
            size = np.minimum(p.size, room) * limit
            size = np.where(size >= lot, size, 0.0)
            me.quote(
                row, book, slot + (side < 0), side, np.where(touch > 0, touch, desks.fair(market)[book]), size
            )

    def _knows(self, market: Market) -> bool:
        """For the first half minute: what depth is there?"""
        m = self.memory
        if m["looks"] * market.dt < WATCH:
            m["looks"] += 1
            depth = (np.asarray(market.depth_bid)[0] + np.asarray(market.depth_ask)[0]) / 2
            m["usual"] += (depth - m["usual"]) / float(m["looks"])
        return bool(m["looks"] * market.dt >= WATCH)

    def _pass_on(self, me: Me, market: Market, which: desks.Ints, held: desks.Floats) -> None:
        p, m = self.parameters, self.memory
        if len(which) == 0:
            return
        row, book = m["row"][which], m["book"][which]
        side = np.where(held[which] > 0, -1, 1)
        touch = np.where(side > 0, market.ask[book], market.bid[book])
        coins = np.maximum(p.part * np.abs(held[which]), market.books.lot[book])
        me.limit(row, book, side, touch * np.exp(side * p.reach), coins, tif="ioc")

"""Looper: holds a token that pays interest, pledges it as margin, and is long more of the same token on that margin.

Theory. A carry trade whose collateral is what it carries: as long as the token pays more than the borrowed money
costs, more of it is held than is owned. When it trades below par, the position loses and its margin counts for less
at the same time, and whoever is closed sells the token itself: margin and price feed each other (Brunnermeier and
Pedersen 2009). Loops in USDe were common when, on 10 October 2025, Binance valued it by its own spot book.

The rule keeps a loop: position over equity at a target, built up while the carry pays, cut back when losses have made
it too large. Who sees the token below par by more than he bears leaves, closes the position and sells the token.
Nobody here knows of other loops.

What stands for the loan. The engine lends nothing: spot is bought with money that is there, and nobody withdraws more
than he has. So the borrowed part is a long perpetual of the token (its funding is the interest) on margin of the
token, with the venue's haircut as the loan's. That has the two-sided loss, the liquidation and the sale of collateral
of a real loop. It lacks the loan's own interest rate and its lender, and the spot purchases by which real loops lift
the token while they grow. The venue must list the token's perpetual and accept the token (`collateral.assets`).
"""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from abm.agent import Participant
from abm.market import Market, Me
from abm.parameters import parameter
from agents import desks
from agents.rebalancing import in_turn, phases

YEAR = 365.0 * 24.0  # hours


class Looper(Participant):
    """Long a token on margin of the token, at venues that have its perpetual and its spot book."""

    class Parameters(Participant.Parameters):
        """The loop, what makes it pay, what ends it."""

        OPENING: ClassVar[tuple[str, ...]] = ("token", "look", "bears_least", "bears")

        token: str = parameter("USDe", "What is held, pledged and looped")
        par: float = parameter(1.0, "What its issuer pays for one", unit="quote asset", gt=0)
        loop: float = parameter(
            3.0, "Tokens held, looped ones included, over those owned", unit="1",
            source="assumption; loops of 3 to 10 were public on lending protocols", ge=1, le=20,
        )  # fmt: skip
        slack: float = parameter(
            0.1, "Part of the looped position that it may be off", unit="share", ge=0, le=1
        )
        interest: float = parameter(0.09, "What the token pays", unit="share a year", ge=-1, le=10)
        hurdle: float = parameter(
            0.02, "What it must pay above the funding for the loop to be built", unit="share a year", ge=-1
        )
        bears_least: float = parameter(0.005, "Discount from par that everybody bears", unit="share", ge=0)
        bears: float = parameter(0.02, "Mean of what an owner bears beyond that", unit="share", ge=0)
        participation: float = parameter(
            0.1, "Largest order over the visible depth within 1 %", unit="share of depth", gt=0
        )
        look: float = parameter(10.0, "Time between two looks of an account", unit="seconds", gt=0)

    parameters: Parameters

    def setup(self, me: Me, market: Market) -> None:
        """Cross accounts at venues with both books of the token."""
        books, p = market.books, self.parameters
        place = np.full(
            (2, len(books.venue_names)), -1, np.int64
        )  # the token's perpetual and spot book at each venue
        for book, name in enumerate(books.name):
            if name.partition(":")[2].rpartition("-")[0] == p.token:
                place[books.kind[book], books.venue[book]] = book
        here = np.flatnonzero(
            ~me.isolated & (me.venue < len(books.venue_names))
        )  # the others are purses outside
        perp, spot = place[:, me.venue[here]]
        row = here[(perp >= 0) & (spot >= 0)]
        perp, spot = place[:, me.venue[row]]
        some = len(row) > 0
        self.memory.update(
            row=row, perp=perp, spot=spot, leaving=np.zeros(len(row), np.bool_),
            bears=p.bears_least + p.bears * me.exponential("bears", row, forever=True) if some else np.zeros(0),
            phase=phases(me, row, p.look) if some else np.zeros(0),
        )  # fmt: skip

    def decide(self, me: Me, market: Market) -> None:
        """Accounts whose time it is look at price, carry and position, and move towards what they want."""
        p, m = self.parameters, self.memory
        awake = in_turn(market, m["phase"], p.look)
        if len(awake) == 0:
            return
        row, perp, spot = m["row"][awake], m["perp"][awake], m["spot"][awake]
        m["leaving"][awake] |= 1.0 - desks.fair(market)[spot] / p.par > m["bears"][awake]
        leaving = m["leaving"][awake]
        held = me.position(row, perp)
        wanted = np.where(
            leaving, 0.0, (p.loop - 1.0) * np.maximum(me.equity(row), 0.0) / desks.fair(market)[perp]
        )
        free = me.waiting(row) == 0
        less = free & (held > 0) & (held > (1.0 + p.slack) * wanted)
        more = free & (held < (1.0 - p.slack) * wanted) & (self._carry(market, perp) > p.hurdle)
        self._send(me, market, row, perp, np.where(less, wanted - held, 0.0), leaving)
        self._send(me, market, row, perp, np.where(more, wanted - held, 0.0), leaving)
        alone = free & leaving & (held == 0)
        owned = me.balance(row, market.books.base[spot])
        self._send(me, market, row, spot, np.where(alone, -owned, 0.0), leaving)

    def _carry(self, market: Market, perp: NDArray[np.int64]) -> desks.Floats:
        """What a looped token earns in a year, less the funding at the last rate (0 before there is one)."""
        names = market.books.venue_names
        hours = np.array([self.model.rules[name].funding.interval for name in names])[
            market.books.venue[perp]
        ]
        carry: desks.Floats = self.parameters.interest - desks.or_zero(market.funding)[perp] * YEAR / hours
        return carry

    def _send(
        self, me: Me, market: Market, row: Any, book: Any, coins: desks.Floats, leaving: NDArray[np.bool_]
    ) -> None:
        """Market orders for signed coins, each no more than its part of the depth; sales of perpetuals only reduce."""
        side = np.where(coins > 0, 1, -1)
        depth = np.where(side > 0, market.depth_ask[1][book], market.depth_bid[1][book])
        size = np.minimum(np.abs(coins), self.parameters.participation * desks.or_zero(depth))
        go = (size >= market.books.lot[book]) & ~market.halted[book]
        for ends, cause in ((True, "stop"), (False, "decision")):
            for way in (1, -1):
                some = np.flatnonzero(go & (leaving == ends) & (side == way))
                if len(some):
                    perpetual = bool(market.books.kind[book[some[0]]] == 0)
                    me.market_order(
                        row[some], book[some], way, size[some], reduce_only=perpetual and way < 0, cause=cause
                    )

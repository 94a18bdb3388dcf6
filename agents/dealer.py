"""Dealer: one market maker and its customers around a reference price that nobody moves.

Theory. Avellaneda and Stoikov (2008): the reference price S is a random walk with deviation sigma; the dealer quotes
around the reservation price r = S - q gamma sigma^2 (T - t) with the total spread
gamma sigma^2 (T - t) + (2 / gamma) ln(1 + gamma / k); customers come to each side at a rate A exp(-k d) for a quote at
distance d from S. `strategy = "symmetric"` quotes the same spread around S itself, whatever the inventory.

Here a customer of each side comes in every interval with a limit price of its own, as far from S as he is willing to
go; he buys one unit if the dealer's offer is not above it. The chance of that is A exp(-k d) dt. Quotes stand before
customers come: an interval is two steps. Of the owners with an account at a venue the first is the dealer, the last its
customers; all money and coins are theirs, and the result is what the dealer's accounts are worth at S.
"""

from __future__ import annotations

from typing import Literal

import numpy as np
from numpy.typing import NDArray

from abm.agent import Participant
from abm.market import Market, Me
from abm.parameters import parameter
from agents import desks

Floats = NDArray[np.float64]

AS = "Avellaneda and Stoikov 2008, section 3.3"
RESULT, QUOTED = (
    "result",
    "quoted",
)  # remarks: profit (value) and inventory (rate) at the end; mean spread (value)


class Dealer(Participant):
    """The dealer of Avellaneda and Stoikov in every spot book of its venues, with customers."""

    class Parameters(Participant.Parameters):
        """The paper's constants; prices in the quote asset, times in the paper's unit."""

        gamma: float = parameter(0.1, "Risk aversion", unit="1 / quote asset", source=AS, gt=0, le=100)
        sigma: float = parameter(
            2.0, "Deviation of the reference price", unit="quote asset per root of time", source=AS, ge=0
        )
        k: float = parameter(
            1.5, "Decay of the customers' willingness", unit="1 / quote asset", source=AS, gt=0
        )
        arrivals: float = parameter(
            140.0, "Customers A at the reference price", unit="per time", source=AS, gt=0
        )
        horizon: float = parameter(1.0, "T", unit="time", source=AS, gt=0)
        interval: float = parameter(0.005, "Time between two quotes; two steps", unit="time", source=AS, gt=0)
        strategy: Literal["inventory", "symmetric"] = parameter("inventory", "Around which price it quotes")
        size: float = parameter(1.0, "Size of quotes and customers' orders", unit="lots", ge=1)

    parameters: Parameters

    def setup(self, me: Me, market: Market) -> None:
        """Who deals and who comes in each spot book."""
        row, book = desks.stations(me, market.books)
        spot = np.asarray(market.books.kind)[book] == 1
        row, book = row[spot], book[spot]
        order = np.lexsort((me.key[row], book))
        row, book = row[order], book[order]
        books, first = np.unique(book, return_index=True)
        last = np.append(first[1:], len(book)) - 1
        dealer = row[first]
        info = market.books
        self.memory.update(
            book=books, dealer=dealer, customers=row[last], name=np.asarray(info.key)[books],
            reference=np.array(info.opening_price[books], float), slot=np.array(me.slots(2 * len(books))),
            cash=np.asarray(me.balance(dealer, info.quote[books]), float),
            coins=np.asarray(me.balance(dealer, info.base[books]), float),
            begun=np.array(-1), spread=np.zeros(len(books)),
        )  # fmt: skip

    def decide(self, me: Me, market: Market) -> None:
        """In turn: the price moves and the dealer quotes; customers come. At the end it says what it has."""
        p, m = self.parameters, self.memory
        if len(m["book"]) == 0:
            return
        if m["begun"] < 0:
            m["begun"][...] = me.step
        turn = me.step - int(m["begun"])
        intervals = round(p.horizon / p.interval)
        if turn >= 2 * intervals:
            self._close(me, market, turn - 2 * intervals)
        elif turn % 2 == 0:
            self._quote(me, market, p.horizon - turn // 2 * p.interval)
        else:
            self._customers(me, market)

    def _normal(self, me: Me, purpose: str) -> Floats:
        return desks.normal(me.uniform(purpose, self.memory["dealer"]), self.memory["name"], purpose)

    def _held(self, me: Me, market: Market) -> Floats:
        """Coins beyond those of the start, what stands offered included."""
        m = self.memory
        offered = me.named(int(m["slot"]) + 2 * np.arange(len(m["book"])) + 1)[1]
        coins = me.balance(m["dealer"], market.books.base[m["book"]]) + offered * market.books.lot[m["book"]]
        held: Floats = coins - m["coins"]
        return held

    def _quote(self, me: Me, market: Market, left: float) -> None:
        p, m = self.parameters, self.memory
        book = m["book"]
        lot = p.size * market.books.lot[book]
        risk = p.gamma * p.sigma**2 * left
        wide = risk + 2.0 / p.gamma * np.log1p(p.gamma / p.k)
        units = np.rint(self._held(me, market) / lot)
        centre = m["reference"] - (units * risk if p.strategy == "inventory" else 0.0)
        m["spread"] += wide
        slot = int(m["slot"]) + 2 * np.arange(len(book))
        for place, way in ((0, 1), (1, -1)):
            me.quote(m["dealer"], book, slot + place, way, centre - way * wide / 2.0, lot)

    def _customers(self, me: Me, market: Market) -> None:
        """One a side, with the limit up to which he would go; then the reference price moves."""
        p, m = self.parameters, self.memory
        book = m["book"]
        lot = p.size * market.books.lot[book]
        for way in (1, -1):
            luck = desks.spread(me.uniform("customer", m["customers"]), m["name"], f"side{way}")
            willing = np.log(p.arrivals * p.interval / luck) / p.k
            me.limit(m["customers"], book, way, m["reference"] + way * willing, lot, tif="ioc")
        m["reference"] += p.sigma * np.sqrt(p.interval) * self._normal(me, "reference")

    def _close(self, me: Me, market: Market, since: int) -> None:
        """Take the quotes away; a step later all that the dealer has is free and can be told."""
        p, m = self.parameters, self.memory
        book, info = m["book"], market.books
        if since == 0:
            me.cancel_all(m["dealer"], book)
        elif since == 1:
            held = self._held(me, market)
            cash = me.balance(m["dealer"], info.quote[book]) - m["cash"]
            units = p.size * info.lot[book]
            me.observe(RESULT, book, book, (cash + held * m["reference"]) / units, np.rint(held / units))
            me.observe(QUOTED, book, book, m["spread"] * p.interval / p.horizon, 0.0)

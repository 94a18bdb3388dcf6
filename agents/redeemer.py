"""Redeemer: buys a dollar-like asset below par and has its issuer redeem it; has it minted and sells it above par.

Theory. A stablecoin's peg is an arbitrage: whoever may deal with the issuer closes a gap between the secondary market
and par, as fast as redemption is and as far as capital reaches (Lyons and Viswanath-Natraj 2023; Ma, Zeng and Zhang
2023: few arbitrageurs, slow redemption, large deviations). What has been bought is stuck until the issuer has paid, so
a trade is made if the distance from par is above fees and z sigma sqrt(tau), with the time tau that the way through the
issuer takes as published. Sigma is the asset's calm volatility: what has been bought is paid at par whatever the book
does meanwhile.

At a spot book whose coin an issuer turns into the book's money (or back), it trades from what it holds: at a discount
it buys with its money there and sends what it has beyond its opening to be redeemed; at a premium it sells its coins
and has those that are missing minted. While an own transfer is overdue it sends nothing more and stops buying.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from abm.agent import Participant
from abm.market import Market, Me
from abm.parameters import parameter
from agents import desks
from agents.sending import Sender

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


class Redeemer(Participant):
    """Arbitrage between a spot book and the issuer of its coin."""

    class Parameters(Sender):
        """Bar, size, pace."""

        bar: float = parameter(
            1.75,
            "z: risk bar in standard deviations of the time to redeem or mint",
            unit="1",
            source="Hautsch, Scheuch and Voigt 2024",
            ge=0,
        )
        fees: float = parameter(
            0.4, "Part of the public taker fee that it pays in its own reckoning (volume rebates)", unit="share",
            ge=0, le=1,
        )  # fmt: skip
        longest: float = parameter(
            86400.0, "A way that takes longer is none", unit="seconds", source="assumption: a day", gt=0
        )
        depth_part: float = parameter(
            0.5,
            "Largest order over the depth within 0.5 %, if the best price shows less",
            unit="share",
            gt=0,
            le=1,
        )
        look: float = parameter(5.0, "Time between looks", unit="seconds", gt=0)
        batch: float = parameter(
            30.0, "Time between two transfers to or from an issuer", unit="seconds", gt=0
        )
        least: float = parameter(
            1000.0, "No smaller transfer is made", unit="coins", source="assumption", gt=0
        )

    parameters: Parameters

    def setup(self, me: Me, market: Market) -> None:
        """Spot stations; which of them an issuer serves is asked later."""
        row, book = desks.stations(me, market.books)
        spot = np.asarray(market.books.kind)[book] == 1
        row, book = row[spot], book[spot]
        n = len(row)
        self.memory.update(
            row=row, book=book, home=np.zeros(n), ready=np.array(False), looked=np.array(-np.inf),
            sent=np.array(-np.inf), redeem=np.full((3, n), np.inf), mint=np.full((3, n), np.inf),
        )  # fmt: skip

    def decide(self, me: Me, market: Market) -> None:
        """Trade what is off par by more than the way to par costs; send on what has been traded."""
        p, m = self.parameters, self.memory
        if len(m["row"]) == 0 or market.time - m["looked"] < p.look - 1e-9:
            return
        m["looked"][...] = market.time
        if not m["ready"]:
            m["home"][:] = me.stock(m["row"], m["book"])
            m["ready"][...] = True
        convert = market.time - m["sent"] >= p.batch - 1e-9
        if convert:
            m["sent"][...] = market.time
            self._ask(me, market)
        late = np.asarray(me.overdue(np.arange(len(me.rows))))[m["row"]] > 0
        served = np.isfinite(m["redeem"][0]) | np.isfinite(m["mint"][0])
        for k in np.flatnonzero(served & ~late).tolist():
            self._trade(me, market, k)
            if convert:
                self._convert(me, market, k)

    def _ask(self, me: Me, market: Market) -> None:
        """The published ways to the issuer and back, of every station whose coin some issuer knows."""
        m, books = self.memory, market.books
        known = me.network.convertible()
        nowhere = np.array([[np.inf], [0.0], [0.0]])
        m["redeem"][:], m["mint"][:] = nowhere, nowhere
        for k, (row, book) in enumerate(zip(m["row"].tolist(), m["book"].tolist(), strict=True)):
            coin, money = int(books.base[book]), int(books.quote[book])
            for way, sent, arrives in ((m["redeem"], coin, money), (m["mint"], money, coin)):
                if (sent, arrives) in known:
                    way[:, k] = me.network.route(row, row, sent, arrives, self.parameters.route_by)

    def _distance(self, market: Market, k: int, way: Floats) -> float:
        """How far from par a price must be: fees, and z sigma sqrt(tau); inf where the way is shut or too long."""
        p, book = self.parameters, int(self.memory["book"][k])
        seconds, _, share = way.tolist()
        if not seconds <= p.longest:
            return float("inf")
        known = float(market.calm_volatility[book])
        sigma = known if known > desks.QUIET else desks.QUIET
        fee = p.fees * float(market.books.taker_fee[book])
        distance: float = fee + share + p.bar * sigma * float(np.sqrt(seconds))
        return distance

    def _trade(self, me: Me, market: Market, k: int) -> None:
        """An order up to the price at which the way through the issuer no longer pays."""
        p, m, books = self.parameters, self.memory, market.books
        row, book = int(m["row"][k]), int(m["book"][k])
        if market.halted[book] or me.waiting(np.array([row]))[0] > 0:
            return
        lowest, highest = (
            1.0 - self._distance(market, k, m["redeem"][:, k]),
            1.0 + self._distance(market, k, m["mint"][:, k]),
        )
        if market.ask[book] < lowest:
            money = float(me.balance(np.array([row]), books.quote[book])[0])
            seen = max(p.depth_part * float(market.depth_ask[0][book]), float(market.ask_size[book]))
            size = min(seen, 0.95 * money / lowest)
            me.limit(row, book, 1, lowest, size, tif="ioc", cause="arbitrage")
        elif market.bid[book] > highest:
            seen = max(p.depth_part * float(market.depth_bid[0][book]), float(market.bid_size[book]))
            size = min(seen, float(me.stock(row, book)[0]))
            me.limit(row, book, -1, highest, size, tif="ioc", cause="arbitrage")

    def _convert(self, me: Me, market: Market, k: int) -> None:
        """Have redeemed what is there beyond the opening, minted what is missing and not yet on its way."""
        p, m, books = self.parameters, self.memory, market.books
        row, book = int(m["row"][k]), int(m["book"][k])
        coin, money = int(books.base[book]), int(books.quote[book])
        beyond = float(me.stock(row, book)[0]) - float(m["home"][k])
        if beyond >= p.least and m["redeem"][0, k] <= p.longest:
            me.transfer(row, row, coin, beyond, money, p.route_by)
            return
        way = me.transfers()
        missing = -beyond - float(way["amount"][way["to"] == row].sum())
        if missing >= p.least and m["mint"][0, k] <= p.longest:
            me.transfer(row, row, money, missing, coin, p.route_by)

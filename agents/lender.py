"""Lender: has coins lent at the venues where they lie, against collateral, and wants them back when it gets rough.

Theory. Short selling is limited by what can be borrowed, at which price and for how long (D'Avolio 2002); a loan that
may be recalled at the worst moment is itself a risk of arbitrage (Shleifer and Vishny 1997). Terms are the same for all
its accounts. When a coin's volatility rises beyond a multiple of its calm value the lender recalls what it has lent of
it; it lends on all the same, as long as it has coins there.
"""

from __future__ import annotations

import numpy as np

from abm.agent import Participant
from abm.market import Market, Me
from abm.parameters import parameter
from agents import desks


class Lender(Participant):
    """Offers the coins of its accounts at spot venues."""

    class Parameters(Participant.Parameters):
        """Terms, and when they want their coins back."""

        haircut: float = parameter(
            0.25, "Collateral beyond the value of the coins", unit="share", source="assumption: loan to value of 80 %",
            ge=0, le=10,
        )  # fmt: skip
        rate: float = parameter(
            0.08,
            "Interest a year, of the value when lent",
            unit="share",
            source="assumption: 3-15 % for large coins",
            ge=0,
            le=100,
        )
        notice: float = parameter(
            3600.0,
            "Time from a recall until the collateral is kept",
            unit="seconds",
            source="assumption",
            gt=0,
        )
        recall_at: float = parameter(
            30.0, "Volatility at which coins are recalled", unit="multiple of calm volatility", source="assumption",
            ge=1,
        )  # fmt: skip
        look: float = parameter(30.0, "Time between looks at volatility", unit="seconds", gt=0)

    parameters: Parameters

    def setup(self, me: Me, market: Market) -> None:
        """Its accounts with a spot book, the coins there, and the offer."""
        row, book = desks.stations(me, market.books)
        spot = np.asarray(market.books.kind)[book] == 1
        via, power = desks.conversion(market.books)
        self.memory.update(
            row=row[spot], book=book[spot], via=via, power=power, looked=np.array(-np.inf),
            calm=np.zeros(len(market.books.name), np.bool_),
        )  # fmt: skip

    def decide(self, me: Me, market: Market) -> None:
        """Offer, and recall what has become wild since the last look."""
        p, m = self.parameters, self.memory
        if len(m["row"]) == 0:
            return
        looks = market.time - m["looked"] >= p.look - 1e-9
        if not looks and not desks.stress_moves(m, market):
            return
        convert = desks.rates(market, m["via"], m["power"])
        wild = desks.stress(m, market, convert, np.ones(len(convert))) > p.recall_at
        if not looks:
            return
        m["looked"][...] = market.time
        me.offer_loans(np.unique(m["row"]), p.haircut, p.rate, p.notice)
        for row, book in zip(m["row"].tolist(), m["book"].tolist(), strict=True):
            if wild[book] and m["calm"][book]:
                me.recall(row, int(market.books.base[book]))
        m["calm"][:] = ~wild

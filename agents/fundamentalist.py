"""Fundamentalist: buys what has become cheap against its slow idea of value, sells what has become dear, and is late.

Theory. The fundamentalists of Chiarella and Iori (2002): excess demand in proportion to the distance of the price from
value, with finite capital. Value is not known to anybody here: it is the price of the last hours (an average over
`memory`), moved at once by the news that the trader has heard. The distance is that of an average over `lag`, so a fall
of minutes is not seen before most of it is over, and a drift of an hour is met while it goes on. This is what makes a
calm market deep on the scale of hours though its book is thin: a large holder who leaves in an hour moves the price
little (impact of a metaorder), one who must leave in a minute moves it much.

An account looks in one of a few shifts and moves towards its target at its own pace, with small orders in the perpetual
books of its venue.
"""

from __future__ import annotations

from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from abm.agent import Participant
from abm.market import Market, Me
from abm.parameters import parameter
from agents import desks
from agents.rebalancing import in_turn, phases, trade_towards


class Fundamentalist(Participant):
    """Trades against slow mispricing with finite capital, in perpetuals."""

    class Parameters(Participant.Parameters):
        """Capital, the distance at which all of it is used, and three times."""

        OPENING: ClassVar[tuple[str, ...]] = ("look",)

        capital: float = parameter(
            0.02, "Largest position of all firms together", unit="share of a book's open interest",
            source="assumption; what a metaorder's square-root impact asks for, see the module", ge=0, le=1,
        )  # fmt: skip
        scale: float = parameter(
            0.02, "Mispricing at which it is reached", unit="log price", source="assumption: a day's volatility", gt=0,
        )  # fmt: skip
        dull: float = parameter(
            0.001, "Mispricing that is let be", unit="log price", source="a round trip of taker fees", ge=0
        )
        lag: float = parameter(
            600.0,
            "Time over which the price is averaged before it counts",
            unit="seconds",
            source="assumption",
            gt=0,
        )
        memory: float = parameter(
            8.0, "Time over which the price makes the idea of value", unit="hours", source="assumption", gt=0
        )
        pace: float = parameter(
            600.0, "Time to go most of the way to the target", unit="seconds", source="assumption", gt=0
        )
        part: float = parameter(
            0.2, "Largest order over the displayed depth within 0.5 %", unit="share", gt=0, le=1
        )
        reach: float = parameter(0.001, "How far through the middle an order goes", unit="log price", gt=0)
        look: float = parameter(30.0, "Time between two looks of an account", unit="seconds", gt=0)

    parameters: Parameters

    def setup(self, me: Me, market: Market) -> None:
        """Stations in perpetual books; what is held at the start is home."""
        row, book = desks.stations(me, market.books)
        perp = np.asarray(market.books.kind)[book] == 0
        row, book = row[perp], book[perp]
        served = np.bincount(book, minlength=len(market.books.name))[book]
        n = len(row)
        self.memory.update(
            row=row, book=book, weight=1.0 / np.maximum(served, 1),
            home=np.asarray(me.position(row, book), np.float64) if n else np.zeros(0),
            phase=phases(me, row, self.parameters.look),
            slow=np.full(len(market.books.name), np.nan), value=np.full(len(market.books.name), np.nan),
            heard=np.zeros(n), offset=np.zeros(n), time=np.array(np.nan),
        )  # fmt: skip

    def decide(self, me: Me, market: Market) -> None:
        """Keep the two averages; accounts whose time it is move towards their targets."""
        p, m = self.parameters, self.memory
        if len(m["row"]) == 0:
            return
        awake = in_turn(market, m["phase"], p.look)
        if len(awake) == 0:
            return
        self._average(market)
        self._hear(me, awake)
        self._trade(me, market, awake)

    def _average(self, market: Market) -> None:
        p, m = self.parameters, self.memory
        now = np.log(desks.fair(market))
        if np.isnan(m["time"]):
            m["slow"][:], m["value"][:] = now, now
        else:
            passed = market.time - float(m["time"])
            m["slow"] += (now - m["slow"]) * -np.expm1(-passed / p.lag)
            m["value"] += (now - m["value"]) * -np.expm1(-passed / (3600.0 * p.memory))
        m["time"][...] = market.time

    def _hear(self, me: Me, awake: NDArray[np.int64]) -> None:
        """News moves one's idea of value at once; as the price takes it in, the average says it and this fades."""
        p, m = self.parameters, self.memory
        heard = np.asarray(me.heard(m["row"][awake]), np.float64)
        fades = np.exp(-p.look / (3600.0 * p.memory))
        m["offset"][awake] = m["offset"][awake] * fades + (heard - m["heard"][awake])
        m["heard"][awake] = heard

    def _trade(self, me: Me, market: Market, awake: NDArray[np.int64]) -> None:
        p, m, books = self.parameters, self.memory, market.books
        row, book = m["row"][awake], m["book"][awake]
        cheap = m["value"][book] + books.beta[book] * m["offset"][awake] - m["slow"][book]
        cheap = np.sign(cheap) * np.maximum(np.abs(cheap) - p.dull, 0.0)
        most = p.capital * desks.or_zero(market.open_interest[book]) * m["weight"][awake]
        target = m["home"][awake] + most * np.clip(cheap / p.scale, -1.0, 1.0)
        trade_towards(me, market, row, book, target, p.look, p.pace, p.part, p.reach)

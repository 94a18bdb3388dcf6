"""Trend: buys what has risen and sells what has fallen, with finite capital.

Theory. The chartists of Chiarella and Iori (2002) and of the extended Chiarella model (Majewski, Ciliberti and
Bouchaud 2020): demand is capital x tanh(gain x M) in the trend signal M. Here M is what a fast average of the log price
has gained on a slow one, in standard deviations of calm over the slow average's time. Their horizon is months on
monthly data; an intraday market needs its own, so both times are assumptions. The tanh bounds what a trend can attract:
followers feed a fall of minutes for a while and are then full, they deepen it without driving it on.

An account looks in one of a few shifts and moves towards its target at its own pace, with small orders in the
perpetual books of its venue. `agents.leveraged` has a taste for trends of its own (`chase`): who opens there wants a
leveraged bet and stays; who is here turns around with the signal.
"""

from __future__ import annotations

from typing import ClassVar, Self

import numpy as np
from pydantic import model_validator

from abm.agent import Participant
from abm.market import Market, Me
from abm.parameters import parameter
from agents import desks
from agents.rebalancing import in_turn, phases, trade_towards

HORIZON = "assumption; Majewski et al. (2020) have months, on monthly data"


class Trend(Participant):
    """Trades with the trend of the last minutes or hours, in perpetuals."""

    class Parameters(Participant.Parameters):
        """Capital, what counts as a trend, and how fast it is followed."""

        OPENING: ClassVar[tuple[str, ...]] = ("look",)

        capital: float = parameter(
            0.01, "Largest position of all accounts together", unit="share of a book's open interest", ge=0, le=1
        )  # fmt: skip
        leverage: float = parameter(
            2.0, "Largest position over equity, spread evenly over an account's books", unit="1", gt=0, le=100
        )
        fast: float = parameter(300.0, "Memory of the fast average", unit="seconds", source=HORIZON, gt=0)
        slow: float = parameter(3600.0, "Memory of the slow average", unit="seconds", source=HORIZON, gt=0)
        gain: float = parameter(
            1.0, "Slope of demand at no trend, over capital", unit="1 / standard deviation",
            source="Majewski et al. (2020), the form", ge=0,
        )  # fmt: skip
        dull: float = parameter(0.25, "Trend that is let be", unit="standard deviations", ge=0)
        pace: float = parameter(120.0, "Time to go most of the way to the target", unit="seconds", gt=0)
        part: float = parameter(
            0.2, "Largest order over the displayed depth within 0.5 %", unit="share", gt=0, le=1
        )
        reach: float = parameter(0.001, "How far through the middle an order goes", unit="log price", gt=0)
        look: float = parameter(10.0, "Time between two looks of an account", unit="seconds", gt=0)

        @model_validator(mode="after")
        def _fast_is_faster(self) -> Self:
            if self.fast >= self.slow:
                raise ValueError(f"fast: expected below slow, {self.slow:g}")
            return self

    parameters: Parameters

    def setup(self, me: Me, market: Market) -> None:
        """Stations in perpetual books; what is held at the start is home."""
        row, book = desks.stations(me, market.books)
        perp = np.asarray(market.books.kind)[book] == 0
        row, book = row[perp], book[perp]
        books = len(market.books.name)
        self.memory.update(
            row=row, book=book, served=np.bincount(book, minlength=books)[book].astype(np.float64),
            spread=np.bincount(row, minlength=len(me.rows))[row].astype(np.float64),
            home=np.asarray(me.position(row, book), np.float64) if len(row) else np.zeros(0),
            phase=phases(me, row, self.parameters.look), fast=np.full(books, np.nan), slow=np.full(books, np.nan),
            time=np.array(np.nan),
        )  # fmt: skip

    def decide(self, me: Me, market: Market) -> None:
        """Keep the two averages; accounts whose time it is move towards their targets."""
        p, m = self.parameters, self.memory
        awake = in_turn(market, m["phase"], p.look)
        if len(awake) == 0:
            return
        self._average(market)
        row, book = m["row"][awake], m["book"][awake]
        sigma = desks.calm(market)[book] * np.sqrt(p.slow)
        trend = (m["fast"][book] - m["slow"][book]) / sigma
        trend = np.sign(trend) * np.maximum(np.abs(trend) - p.dull, 0.0)
        price = desks.fair(market)[book]
        most = p.capital * desks.or_zero(market.open_interest[book]) / m["served"][awake]
        most = np.minimum(most, p.leverage * np.maximum(me.equity(row), 0.0) / (price * m["spread"][awake]))
        target = m["home"][awake] + most * np.tanh(p.gain * trend)
        trade_towards(me, market, row, book, target, p.look, p.pace, p.part, p.reach)

    def _average(self, market: Market) -> None:
        p, m = self.parameters, self.memory
        now = np.log(desks.fair(market))
        if np.isnan(m["time"]):
            m["fast"][:], m["slow"][:] = now, now
        else:
            passed = market.time - float(m["time"])
            m["fast"] += (now - m["fast"]) * -np.expm1(-passed / p.fast)
            m["slow"] += (now - m["slow"]) * -np.expm1(-passed / p.slow)
        m["time"][...] = market.time

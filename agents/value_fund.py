"""Value funds that invest on credit, and the noise trader whose coins they trade, in books that are called.

Theory. Thurner, Farmer and Geanakoplos (2012): a fund wants coins worth min(beta (V - p), lambda) times its wealth
while the price p is below the value V, which it knows, and none above; investors put money in and take it out by its
past returns; below a tenth of what it began with it is closed, and comes back later. The noise trader wants coins for
an amount of money whose logarithm reverts to that of all coins at value. At the cap a fund sells when it has lost: the
more it may borrow, the fatter the tail of falls.

The paper clears demands that know the fund's wealth at the clearing price. A ladder of limit orders cannot rise with
the price, so a schedule is made with the wealth at the last call: who must sell sells in the next one. A period of the
paper is therefore some calls (`rounds`), in which prices and wealth come together before the next noise arrives.

Of the owners with an account at a venue the first are the funds, in the order of `aggression`, the last is the noise
trader. A fund's account holds its wealth and its broker's credit; what is the broker's is `credit` in its memory, and
wealth is the account's worth less that. Flows of investors and new beginnings change the credit, not the account. Calls
must be two steps apart: schedules are sent in the step of the call, and in the next nothing rests.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from abm.agent import Participant
from abm.market import Market, Me
from abm.parameters import parameter
from agents import ladder

Floats = NDArray[np.float64]

TFG = "Thurner, Farmer and Geanakoplos 2012"


class ValueFund(Participant):
    """Funds with a leverage limit and a noise trader in every spot book of their venues."""

    class Parameters(Participant.Parameters):
        """The paper's constants; time in periods."""

        leverage: float = parameter(
            10.0, "lambda: coins over wealth, at most", unit="1", source=TFG, gt=0, le=100
        )
        aggression: tuple[float, ...] = parameter(
            tuple(5.0 * k for k in range(1, 11)), "beta of the funds: coins over wealth for mispricing", unit="1",
            source=TFG,
        )  # fmt: skip
        wealth: float = parameter(
            0.002,
            "W0: a fund's wealth at its beginning",
            unit="share of all coins at value",
            source=TFG,
            gt=0,
            le=1,
        )
        persistence: float = parameter(0.99, "rho of the noise trader", unit="1", source=TFG, ge=0, lt=1)
        noise: float = parameter(0.035, "sigma of the noise trader", unit="log per period", source=TFG, ge=0)
        memory: float = parameter(
            0.1, "a: weight of the last return in past performance", unit="1", source=TFG, gt=0, le=1
        )
        flow: float = parameter(0.15, "b: flow for past performance", unit="1", source=TFG, ge=0)
        benchmark: float = parameter(
            0.005, "r_b: performance at which nothing flows", unit="per period", source=TFG, ge=-1, le=1
        )
        closed: float = parameter(
            0.1, "Wealth over W0 at which a fund is closed", unit="1", source=TFG, ge=0, lt=1
        )
        away: int = parameter(100, "Time until it is back", unit="periods", source=TFG, ge=1)
        rounds: int = parameter(6, "Calls of a period", unit="calls", ge=1, le=100)
        finest: float = parameter(0.001, "Finest step of the schedule", unit="log price", gt=0, le=0.1)
        ratio: float = parameter(1.25, "Growth of its steps", unit="1", gt=1, le=4)
        reach: float = parameter(0.7, "Its ends", unit="log price", gt=0, le=3)

    parameters: Parameters

    def setup(self, me: Me, market: Market) -> None:
        """Funds [venues, funds] and the noise trader of each book."""
        p, info = self.parameters, market.books
        each = len(p.aggression) + 1
        row, book = ladder.parties(me, info, each)
        value = np.array(info.opening_price[book], float)
        market_value = value * me.stock(row, book[:, None]).sum(axis=1)
        start = np.repeat(p.wealth * market_value[:, None], each - 1, axis=1)
        self.memory.update(
            book=book, row=row, value=value, grid=ladder.offsets(p.finest, p.ratio, p.reach), call=np.array(0),
            mean=np.log(market_value), noise=np.log(market_value), start=start, before=start.copy(),
            performance=np.full(start.shape, p.benchmark), back=np.zeros(start.shape), credit=np.zeros(start.shape),
        )  # fmt: skip

    def decide(self, me: Me, market: Market) -> None:
        """In the step of a call: look at the last one, then send the schedules of the next."""
        p, m = self.parameters, self.memory
        if round(me.time / me.dt) % 2 != 1 or len(m["book"]) == 0:
            return
        info, book, row = market.books, m["book"], m["row"]
        last = np.where(market.last[book] > 0, market.last[book], m["value"])
        coins = me.stock(row, book[:, None])
        worth = me.balance(row[:, :-1], info.quote[book][:, None]) + coins[:, :-1] * last[:, None]
        if m["call"] == 0:
            m["credit"] = worth - m["start"]
        if m["call"] % p.rounds == 0:
            self._flows(worth)
            draw = me.normal("noise", row[:, -1])
            m["noise"] = p.persistence * m["noise"] + (1.0 - p.persistence) * m["mean"] + p.noise * draw
        m["call"] += 1
        wealth = np.where(m["back"] > 0, 0.0, np.maximum(worth - m["credit"], 0.0))
        price = last[:, None] * np.exp(m["grid"])
        cheap = np.maximum(1.0 - price / m["value"][:, None], 0.0)
        share = np.minimum(np.asarray(p.aggression)[None, :, None] * cheap[:, None, :], p.leverage)
        funds = share * wealth[:, :, None] / price[:, None, :]
        wanted = np.concatenate([funds, np.exp(m["noise"])[:, None, None] / price[:, None, :]], axis=1)
        n, each = row.shape
        ladder.write(
            me, row.ravel(), np.repeat(book, each), np.repeat(price, each, axis=0),
            wanted.reshape(n * each, -1), coins.ravel(),
        )  # fmt: skip

    def _flows(self, worth: Floats) -> None:
        """A new period: wealth after what investors bring or take, closings and new beginnings; the credit follows."""
        p, m = self.parameters, self.memory
        invested = m["back"] == 0
        wealth = np.where(invested, worth - m["credit"], 0.0)
        with np.errstate(divide="ignore", invalid="ignore"):
            earned = np.where(invested, wealth / m["before"] - 1.0, 0.0)
        past = (1.0 - p.memory) * m["performance"] + p.memory * earned
        inflow = np.maximum(p.flow * (past - p.benchmark), -1.0) * np.maximum(wealth, 0.0)
        wealth = np.where(invested, wealth + inflow, 0.0)
        closes = invested & (wealth < p.closed * m["start"])
        m["back"] = np.where(closes, float(p.away), np.maximum(m["back"] - 1.0, 0.0))
        begins = ~invested & (m["back"] == 0)
        m["performance"] = np.where(begins, p.benchmark, np.where(invested, past, m["performance"]))
        wealth = np.where(m["back"] > 0, 0.0, np.where(begins, m["start"], wealth))
        m["credit"], m["before"] = worth - wealth, wealth
